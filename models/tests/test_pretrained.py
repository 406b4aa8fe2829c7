"""Published checkpoints in our networks: every parameter in its place, and the reference's own outputs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks.mmv import unfilled_network
from models.pretrained import CheckpointError, load_checkpoint
from models.pretrained.published import ARCHS, WORD_TABLE
from models.pretrained.weights import MisfitError, expected_parameters, network_of
from models.tests.checkpoints import Contents, parity_inputs, random_contents, write_checkpoint
from models.tests.published_layout import published_layout

REFERENCE = Path(__file__).parent / "reference_outputs.npz"
HEADS = "text_audio_video/~_get_pair_embedding_heads"
STEM = "text_audio_video/audio_module/~/res_net_v2/~/initial_conv"
MEAN = "text_audio_video/audio_module/~/res_net_v2/__cross_replica_batch_norm/~/mean_ema"


@pytest.mark.parametrize("arch", ARCHS)
def test_every_published_parameter_has_one_place_in_our_network(arch: str) -> None:
    network = unfilled_network(ARCHS[arch].network, WORD_TABLE)
    places = dict(expected_parameters(network))
    tracked = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
    assert set(network.state_dict()) - tracked - {"graph.audio_scale"} == set(places)
    ours = {(s.section, s.module, s.leaf, s.shape) for s in places.values()}
    assert len(ours) == len(places)
    unused = ("audio2txt_embd", "txt2audio_embd", "hidden", "counter")
    published = {
        (leaf.section, leaf.path, leaf.leaf, tuple(leaf.shape))
        for leaf in published_layout(arch)
        if not any(name in f"{leaf.path}/{leaf.leaf}" for name in unused)
    }
    assert ours == published


@pytest.mark.parametrize("arch", ARCHS)
def test_outputs_are_those_of_the_reference_implementation(arch: str) -> None:
    """The reference's outputs, of the same random weights, were written by docs/benchmarks/reference_parity.py."""
    network = network_of(random_contents(arch), arch)
    frames, log_mel, ids = (torch.from_numpy(array) for array in parity_inputs())
    with torch.inference_mode():
        ours = {
            "video": network.encode_video(frames),
            "audio": network.encode_audio(log_mel),
            "text": network.encode_text(ids.long()),
        }
    with np.load(REFERENCE) as reference:
        wanted = {key.removeprefix(f"{arch} "): reference[key] for key in reference if key.startswith(f"{arch} ")}
    assert len(wanted) == 8
    for key, theirs in wanted.items():
        modality, kind = key.split("_")
        assert np.abs(ours[modality][kind].numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max(), key
    assert not network.training


@pytest.fixture(scope="module")
def contents() -> Contents:
    return random_contents("s3d", seed=1)


def fine_of_sound(network: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return network.encode_audio(torch.from_numpy(parity_inputs()[1][:1, :40]))["fine"]  # type: ignore[operator]


def squeezed(contents: Contents) -> Contents:
    def shape(path: str, array: np.ndarray) -> np.ndarray:
        return array.reshape(-1) if "batch_norm" in path and array.ndim > 1 else array

    return _changed(contents, shape)


def replicated(contents: Contents) -> Contents:
    return _changed(contents, lambda _, array: np.stack([array, array]))


def without_what_evaluation_needs_not(contents: Contents) -> Contents:
    state = {module: {"average": leaves["average"]} for module, leaves in contents["state"].items()}
    params = {m: v for m, v in contents["params"].items() if "audio2txt_embd" not in m and "txt2audio_embd" not in m}
    return {"params": params, "state": state}


@pytest.mark.parametrize("change", [squeezed, replicated, without_what_evaluation_needs_not])
def test_shapes_that_other_versions_saved_fit_too(contents: Contents, change: Callable[[Contents], Contents]) -> None:
    assert torch.equal(fine_of_sound(network_of(contents, "s3d")), fine_of_sound(network_of(change(contents), "s3d")))


def test_averages_are_used_and_not_what_they_are_made_of(contents: Contents) -> None:
    def other_hidden(path: str, array: np.ndarray) -> np.ndarray:
        return array + 1 if path.endswith("/hidden") else array

    def other_average(path: str, array: np.ndarray) -> np.ndarray:
        return array + 1 if path.endswith("/average") else array

    before = fine_of_sound(network_of(contents, "s3d"))
    assert torch.equal(fine_of_sound(network_of(_changed(contents, other_hidden), "s3d")), before)
    assert not torch.allclose(fine_of_sound(network_of(_changed(contents, other_average), "s3d")), before)


@pytest.mark.parametrize(
    ("section", "module", "leaf", "array", "message"),
    [
        ("params", STEM, "w", None, f"missing: params {STEM} w"),
        ("params", STEM, "w", np.zeros((7, 7, 1, 32)), rf"mis-shaped: params {STEM} w is \(7, 7, 1, 32\), not "),
        ("state", MEAN, "average", None, f"missing: state {MEAN} average"),
        ("params", f"{HEADS}/new_embd/final_projection", "w", np.zeros((2, 2)), f"unexpected: params {HEADS}/new_embd"),
        ("params", STEM, "b", np.zeros(64), f"unexpected: params {STEM} b"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(
    contents: Contents, section: str, module: str, leaf: str, array: np.ndarray | None, message: str
) -> None:
    changed = {key: {path: dict(leaves) for path, leaves in modules.items()} for key, modules in contents.items()}
    if array is None:
        del changed[section][module][leaf]
    else:
        changed[section].setdefault(module, {})[leaf] = array
    with pytest.raises(MisfitError, match=message):
        network_of(changed, "s3d")


def test_a_checkpoint_of_another_network_says_so(contents: Contents, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "mmv_s3d.pkl", contents)
    with pytest.raises(CheckpointError, match=r"mmv_s3d\.pkl is not a checkpoint of tsm-resnet50: missing: .* more\)"):
        load_checkpoint(path, "tsm-resnet50")
    with pytest.raises(CheckpointError, match="no published architecture 'resnet'; known are s3d, tsm-resnet50"):
        load_checkpoint(path, "resnet")
    assert torch.equal(fine_of_sound(load_checkpoint(path, "s3d")), fine_of_sound(network_of(contents, "s3d")))


def test_s3d_with_raw_frames_is_told_by_its_first_filter(contents: Contents) -> None:
    params = dict(contents["params"])
    first = "text_audio_video/visual_module/~/S3D/Conv2d_1a_7x7/~/conv3_d"
    rng = np.random.default_rng(0)
    params[first] = {"w": rng.normal(0, 0.03, (7, 7, 7, 3, 64)).astype(np.float32)}
    network = network_of({**contents, "params": params}, "s3d")
    with torch.inference_mode():
        assert network.encode_video(torch.rand(1, 3, 33, 35, 3))["coarse"].shape == (1, 256)  # odd sizes: no pairs
    with pytest.raises(ValueError, match="needs even sizes, not 3 frames of 33 x 35"):
        network_of(contents, "s3d").encode_video(torch.rand(1, 3, 33, 35, 3))


def test_ids_outside_of_the_vocabulary_are_refused(contents: Contents) -> None:
    network = network_of(contents, "s3d")
    for ids in ([[65_536]], [[-1]]):
        with pytest.raises(IndexError):
            network.encode_text(torch.tensor(ids))


def _changed(contents: Contents, change: Callable[[str, np.ndarray], np.ndarray]) -> Contents:
    return {
        section: {
            module: {leaf: change(f"{module}/{leaf}", array) for leaf, array in leaves.items()}
            for module, leaves in modules.items()
        }
        for section, modules in contents.items()
    }
