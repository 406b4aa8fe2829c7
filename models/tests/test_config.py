"""Training configurations: the shipped one loads, and mistakes are named."""

from pathlib import Path

import pytest
import torch

from models.networks.embedding_graph import GRAPHS
from models.networks.mmv import unfilled_network
from models.networks.preact_resnet import ResNetConfig
from models.pretrained.importer import published_inputs
from models.pretrained.published import ARCHS, WORD_TABLE
from models.training.config import ConfigError, load_config

CONFIGS = Path(__file__).parents[1] / "training" / "configs"
SHIPPED = CONFIGS / "freedoom-fac-small.yaml"


def test_the_shipped_configuration_loads() -> None:
    config = load_config(SHIPPED)
    assert config.name == "freedoom-fac-small"
    assert isinstance(config.network.video, ResNetConfig)
    assert config.inputs.step_s == pytest.approx(0.4)


def test_every_configuration_builds() -> None:
    found = sorted(set(CONFIGS.glob("*.yaml")) - set(CONFIGS.glob("ablation*")))  # those are of another kind
    assert {path.stem for path in found} == {"freedoom-fac-small", *(f"mmv-{arch}" for arch in ARCHS)}
    for path in found:
        config = load_config(path)
        assert config.name == path.stem
        network = unfilled_network(config.network, (config.words, 300))
        assert all(p.device == torch.device("meta") for p in network.parameters())


@pytest.mark.parametrize(
    ("arch", "values"),
    [("s3d", 57_509_968), ("tsm-resnet50", 72_388_608), ("tsm-resnet50x2", 143_828_544)],
)
def test_published_sizes_have_the_published_number_of_parameters(arch: str, values: int) -> None:
    """MMV.md section 2; the 65,536 x 300 word table is among them."""
    config = load_config(CONFIGS / f"mmv-{arch}.yaml")
    assert config.inputs == published_inputs(200)
    assert config.network == ARCHS[arch].network
    assert config.words == WORD_TABLE[0]
    ours = sum(p.numel() for p in unfilled_network(config.network, WORD_TABLE).parameters())
    # Two more heads are in the checkpoints, which FAC never uses: txt2audio_embd and audio2txt_embd (2048 -> 512).
    assert ours + 2 * (2048 + 1) * 512 == values


@pytest.mark.parametrize("graph", GRAPHS)
def test_one_key_makes_another_graph_of_the_shipped_network(tmp_path: Path, graph: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SHIPPED.read_text().replace("network:\n", f"network:\n  graph: {graph}\n"))
    config = load_config(path)
    assert config.network.graph == graph
    unfilled_network(config.network, (config.words, 300))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "sead: 7", "unknown key sead"),
        ("frames: 8", "frames: eight", "inputs.frames is 'eight'; it must be int"),
        ("fine_dim: 256", "fine_dims: 256", "unknown key network.fine_dims"),
        ("name: freedoom-fac-small", "", "missing key name"),
        ("block: basic", "block: wide", "block is 'wide'"),
        ("{sample_rate: 16000, frame: 640", "{sample_rate: 22050, frame: 640", "differ"),
        ("seed: 7", "seed: [", "not valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = SHIPPED.read_text()
    assert old in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
