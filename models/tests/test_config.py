"""Training configurations: the shipped one loads, and mistakes are named."""

from pathlib import Path

import pytest

from models.networks.preact_resnet import ResNetConfig
from models.training.config import ConfigError, load_config

SHIPPED = Path(__file__).parents[1] / "training" / "configs" / "freedoom-fac-small.yaml"


def test_the_shipped_configuration_loads() -> None:
    config = load_config(SHIPPED)
    assert config.name == "freedoom-fac-small"
    assert isinstance(config.network.video, ResNetConfig)
    assert config.inputs.step_s == pytest.approx(0.4)


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
