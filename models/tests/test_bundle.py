"""Bundles: exported once, then checked, damaged, restored and run."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models import runtime
from models.bundle import Bundle, BundleError, load_bundle, rewrite_metrics, sha256, shipped_bundle_path
from models.networks.deflation import DeflatedMMV
from models.networks.embedding_graph import FACGraph
from models.preprocess.text import UnknownWords
from models.runtime import Encoders
from models.tests import tiny
from models.training.encoders import encoder_modules
from models.training.export import export_bundle, store_weights_in_fp16
from models.training.restore import restore
from models.training.verify import compare


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    network = tiny.network()
    deflated = DeflatedMMV(network)
    with torch.no_grad():
        for parameter in deflated.trainable():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert isinstance(network.graph, FACGraph)
    network.graph.audio_scale.fill_(2.5)
    return export_bundle(
        network,
        deflated,
        tiny.word_table(),
        tiny.INPUTS,
        tmp_path_factory.mktemp("bundles") / "tiny",
        name="tiny",
        licence="none",
        provenance={"seed": 0},
        metrics={},
    )


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.path, tmp_path / "copy"))


def test_onnx_encoders_equal_pytorch_at_every_batch_size_and_length(bundle: Bundle) -> None:
    differences = list(compare(bundle))
    assert {d.modality for d in differences} == {"video", "image", "audio", "text"}
    assert len({(d.modality, d.batch, d.length) for d in differences}) == 11
    assert max(d.relative for d in differences) <= 1e-4


def test_the_check_against_pytorch_sees_a_changed_encoder(copy: Path) -> None:
    model = onnx.load(copy / "video.onnx")
    next(n for n in model.graph.node if n.op_type == "Relu").op_type = "Abs"
    onnx.save(model, copy / "video.onnx")
    _resign(copy)
    assert max(d.relative for d in compare(load_bundle(copy)) if d.modality == "video") > 1e-4


def test_restored_network_is_the_exported_one(bundle: Bundle) -> None:
    restored = restore(bundle)
    network = tiny.network()
    frames = torch.rand(2, 4, 32, 40, 3)
    with torch.no_grad():
        a, b = network.encode_video(frames)["fine"], restored.network.encode_video(frames)["fine"]
    assert torch.allclose(a, b, atol=0.02 * a.abs().max().item())  # stored in fp16
    assert isinstance(restored.network.graph, FACGraph)
    assert restored.network.graph.audio_scale.item() == 2.5
    assert restored.table is not None
    assert restored.table.words == tiny.word_table().words


def test_runtime_gives_normalised_embeddings(bundle: Bundle) -> None:
    encoders = Encoders(bundle)
    rng = np.random.default_rng(0)
    video = encoders.video(rng.integers(0, 256, (2, 4, 32, 40, 3), dtype=np.uint8))
    image = encoders.image(rng.integers(0, 256, (3, 32, 40, 3), dtype=np.uint8))
    audio = encoders.audio(rng.normal(0, 0.1, (2, 12_800)).astype(np.float32))
    for embedding, rows in ((video, 2), (image, 3), (audio, 2)):
        for vectors in embedding[:3]:
            assert vectors is not None
            assert vectors.shape == (rows, 32)
            assert vectors.dtype == np.float32
        for name in ("fine", "coarse", "instance"):
            unit = getattr(embedding, name)
            assert unit is None or np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    assert video.instance is None
    assert image.instance is not None
    assert audio.instance is not None
    text = encoders.text(["a red square", "low tone"])
    assert np.allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)


def test_large_batches_go_in_parts_and_come_out_whole(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 4, 32, 40, 3), dtype=np.uint8)
    whole = Encoders(bundle).video(frames)
    monkeypatch.setattr(runtime, "VALUES_A_CALL", 2 * frames[0].size + 1)
    parts = Encoders(bundle).video(frames)
    for a, b in zip(whole[:3], parts[:3], strict=True):
        assert a is not None
        assert b is not None
        assert a.shape[0] == 5
        assert np.allclose(a, b, atol=1e-5)


def test_runtime_takes_sounds_shorter_than_the_network_can(bundle: Bundle) -> None:
    assert np.isfinite(Encoders(bundle).audio(np.ones((1, 10), np.float32)).fine).all()


def test_runtime_refuses_texts_without_a_known_word(bundle: Bundle) -> None:
    with pytest.raises(UnknownWords, match="zebra"):
        Encoders(bundle).text(["zebra"])


def test_audio_scale_reaches_the_coarse_space_of_the_exported_encoder(bundle: Bundle) -> None:
    restored = restore(bundle)
    assert isinstance(restored.network.graph, FACGraph)
    module = encoder_modules(*restored)["audio"]
    wave = torch.randn(1, 12_800) * 0.1
    with torch.no_grad():
        scaled = module(wave)[1]
        restored.network.graph.audio_scale.fill_(1.0)
        unscaled = module(wave)[1]
    ours = Encoders(bundle).audio(wave.numpy()).coarse
    assert ours is not None
    assert np.allclose(ours, scaled.numpy(), atol=1e-4)
    assert not np.allclose(ours, unscaled.numpy(), atol=1e-2)


@pytest.mark.parametrize("name", ["video.onnx", "vocab.txt"])
def test_a_damaged_file_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


def test_vectors_stay_valid_when_only_what_is_told_of_the_model_changes(bundle: Bundle, copy: Path) -> None:
    assert rewrite_metrics(load_bundle(copy), {"measured": 1}).fingerprint == bundle.fingerprint
    with (copy / "vocab.txt").open("a") as f:
        f.write("extra\n")
    _resign(copy)
    assert load_bundle(copy).fingerprint != bundle.fingerprint


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "audio.onnx").unlink()
    with pytest.raises(BundleError, match=r"audio\.onnx is missing"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "schema 99"),
        ({"inputs": {"frames": 3}}, "missing or unexpected"),
        ({"files": {"../video.onnx": "00"}}, "plain file name"),
        ({"inputs": {**asdict(tiny.INPUTS), "resize": "cubic"}}, "resize is 'cubic'; it must be one of area, bilinear"),
    ],
)
def test_manifests_that_are_not_known_are_refused(copy: Path, change: dict, message: str) -> None:
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(BundleError, match=message):
        load_bundle(copy)


def test_a_bundle_of_before_the_resize_method_keeps_its_fingerprint(copy: Path) -> None:
    manifest = json.loads((copy / "bundle.json").read_text())
    del manifest["inputs"]["resize"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    bundle = load_bundle(copy)
    assert bundle.inputs.resize == "area"
    told = json.dumps({key: manifest[key] for key in ("dims", "files", "inputs")}, sort_keys=True)
    assert bundle.fingerprint == hashlib.sha256(told.encode()).hexdigest()


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(tmp_path)


def test_a_bundle_without_a_text_tower_says_so(copy: Path) -> None:
    (copy / "text.onnx").unlink()
    manifest = json.loads((copy / "bundle.json").read_text())
    del manifest["files"]["text.onnx"]
    (copy / "bundle.json").write_text(json.dumps(manifest))
    bundle = load_bundle(copy)
    assert bundle.modalities == ("video", "image", "audio")
    with pytest.raises(BundleError, match="no text encoder"):
        Encoders(bundle).text(["red"])


def test_the_shipped_bundle_is_intact_small_and_says_where_it_comes_from() -> None:
    bundle = load_bundle(shipped_bundle_path())
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) <= 25_000_000
    assert bundle.modalities == ("video", "image", "audio", "text")
    assert bundle.licence
    assert {"config", "git_revision", "training_data"} <= set(bundle.provenance)
    assert {"retrieval", "concepts", "deflation_cosine"} <= set(bundle.metrics)
    assert (bundle.path / "README.md").is_file()


def _resign(folder: Path) -> None:
    """Record the checksums of changed files, as one who exports would."""
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "bundle.json").write_text(json.dumps(manifest))


def test_weights_that_fp16_cannot_hold_stay_as_they_are() -> None:
    values = {"fits": 0.5, "too fine": 0.1, "too large": 1e6}
    arrays = [onnx.numpy_helper.from_array(np.full(2000, v, np.float32), name) for name, v in values.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "weights", [], [], arrays))
    store_weights_in_fp16(model)
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}
    assert {name: array.dtype for name, array in stored.items()} == {
        "fits_fp16": np.float16,
        "too fine": np.float32,
        "too large": np.float32,
    }
    assert stored["too large"][0] == 1e6
