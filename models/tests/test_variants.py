"""int8 and fp16 variants of encoders: made, recorded and served with, or refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.bundle import Bundle, BundleError, load_bundle, shipped_bundle_path
from models.runtime import Encoders
from models.tests import tiny, tiny_bundle
from models.tests.test_training_cli import failed_with, run
from models.training import quantized, variants
from models.training.onnx_graph import Graph, drop_zero_biases, read_folded, tidy
from models.training.quantized import quantize
from models.training.variants import VariantError, add_variant, compare

MODALITIES = {"video", "image", "audio"}


def samples(count: int = 8, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Inputs of the tiny network: noise of random brightness and loudness."""
    rng = np.random.default_rng(seed)
    spec = tiny.INPUTS
    size = (spec.frame_height, spec.frame_width, 3)

    def pictures(*shape: int) -> np.ndarray:
        return (rng.uniform(0, 1, (*shape, *size)) * rng.uniform(100, 255)).astype(np.uint8)

    length = round(spec.window_s * spec.sample_rate)
    return {
        "video": [pictures(1, spec.frames) for _ in range(count)],
        "image": [pictures(1) for _ in range(count)],
        "audio": [rng.normal(0, rng.uniform(0.02, 0.2), (1, length)).astype(np.float32) for _ in range(count)],
    }


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle.export(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Bundle:
    return load_bundle(shutil.copytree(bundle.path, tmp_path / "copy"))


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_variant_is_recorded_with_its_cosines_and_served_with(copy: Bundle, precision: str) -> None:
    made = add_variant(copy, precision, samples())  # type: ignore[arg-type]
    assert made.fingerprint == copy.fingerprint
    assert set(made.variants[precision]) == MODALITIES
    for modality, variant in made.variants[precision].items():
        assert {"fine", "coarse", "representation"} <= set(variant.cosine)
        assert min(variant.cosine[name] for name in ("fine", "coarse", "representation")) >= 0.999
        assert all(variant.lowest[name] <= variant.cosine[name] for name in variant.cosine)
        assert made.encoder(modality, precision).name == f"{modality}.{precision}.onnx"
    fresh = samples(seed=1)
    served, plain = Encoders(made, precision=precision), Encoders(made)
    for modality in sorted(MODALITIES):
        array = fresh[modality][0]
        ours, theirs = getattr(served, modality)(array), getattr(plain, modality)(array)
        assert not np.array_equal(ours.fine, theirs.fine)
        assert (ours.fine * theirs.fine).sum() > 0.99
        assert ours.fine.dtype == np.float32
    assert np.array_equal(served.text(["red"]), plain.text(["red"]))


def test_int8_takes_other_lengths_and_batches_than_it_was_calibrated_with(copy: Bundle) -> None:
    made = add_variant(copy, "int8", samples())
    rng = np.random.default_rng(5)
    longer = rng.integers(0, 256, (3, 7, 32, 40, 3), dtype=np.uint8)
    cosines = compare(made.encoder("video"), made.encoder("video", "int8"), [longer])
    assert min(values.min() for values in cosines.values()) > 0.99


def test_only_convolutions_are_quantised(copy: Bundle) -> None:
    made = add_variant(copy, "int8", samples())
    for modality in MODALITIES:
        graph = Graph(onnx.load(made.encoder(modality, "int8")))
        written = {node.op_type for node in graph.nodes}
        assert "QuantizeLinear" in written
        for node in graph.nodes:
            if node.op_type in ("Gemm", "MatMul", "BatchNormalization", "Add"):
                dequantized = [i for i in node.input if _made_by(graph, i) == "DequantizeLinear"]
                assert node.op_type == "Add" or not dequantized
        # In the session too: all convolutions behind the stem (and the front end of sound) in int8.
        convolutions = [n for n in graph.nodes if n.op_type == "Conv"]
        plain = [n for n in convolutions if _made_by(graph, n.input[1]) != "DequantizeLinear"]
        assert len(plain) == (2 if modality == "audio" else 1)


def test_the_temporal_shift_moves_quantised_values(copy: Bundle) -> None:
    made = add_variant(copy, "int8", samples())
    model = onnx.shape_inference.infer_shapes(onnx.load(made.encoder("video", "int8")))
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.value_info}
    joins = [n for n in model.graph.node if n.op_type == "Concat" and "/slice" not in n.input[0]]
    joined = [types[n.output[0]] for n in joins]
    assert joined.count(TensorProto.UINT8) >= 4
    assert TensorProto.FLOAT not in joined


def test_slices_of_the_residual_stream_change_nothing(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    array = samples()["video"]
    sliced = quantize(read_folded(bundle.encoder("video")), array)
    monkeypatch.setattr(quantized, "slice_residuals", lambda model: None)
    whole = quantize(read_folded(bundle.encoder("video")), array)
    assert "Split" in {n.op_type for n in sliced.graph.node}
    assert "Split" not in {n.op_type for n in whole.graph.node}
    for frames in array:
        assert np.array_equal(onnx_run(sliced, frames), onnx_run(whole, frames))


def test_a_bad_variant_is_refused_and_the_bundle_stays_as_it_was(copy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in copy.path.iterdir()}
    dark = samples()
    monkeypatch.setattr(variants, "quantize", lambda model, feeds: quantize(model, [np.zeros_like(feeds[0])]))
    with pytest.raises(VariantError, match=r"int8 refused for video: the cosine of \w+ to float32 is"):
        add_variant(copy, "int8", dark)
    assert {path.name: path.read_bytes() for path in copy.path.iterdir()} == before


def test_one_refused_encoder_does_not_cost_the_others(copy: Bundle) -> None:
    loud = samples()
    loud["audio"][::2] = [np.zeros_like(wave) for wave in loud["audio"][::2]]  # calibrated on silence alone
    with pytest.raises(VariantError, match=r"refused for audio: .*Recorded: video, image"):
        add_variant(copy, "int8", loud)
    made = load_bundle(copy.path)
    assert set(made.variants["int8"]) == {"video", "image"}
    assert np.array_equal(
        Encoders(made, precision="int8").audio(loud["audio"][1]).fine, Encoders(made).audio(loud["audio"][1]).fine
    )
    with pytest.raises(BundleError, match="no audio encoder in int8; it has fp32"):
        made.encoder("audio", "int8")


def test_a_variant_can_be_made_again(copy: Bundle) -> None:
    first = add_variant(copy, "int8", samples())
    again = add_variant(first, "int8", samples(seed=7))
    assert set(again.variants["int8"]) == MODALITIES
    assert again.variants["int8"]["video"].sha256 != first.variants["int8"]["video"].sha256
    assert not [path for path in again.path.iterdir() if path.name.startswith(".")]


def test_too_few_inputs_are_told(copy: Bundle) -> None:
    with pytest.raises(VariantError, match="audio: at least 2"):
        add_variant(copy, "int8", samples() | {"audio": samples()["audio"][:1]})


def test_a_bundle_without_the_variant_says_how_to_make_it(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"mmv-search bundle quantize .* --precision fp16 --calibrate FOLDER"):
        Encoders(bundle, precision="fp16")


@pytest.mark.parametrize("change", ["damaged", "elsewhere"])
def test_damaged_variants_are_named(copy: Bundle, change: str) -> None:
    made = add_variant(copy, "int8", samples())
    manifest = made.path / "bundle.json"
    if change == "damaged":
        made.encoder("video", "int8").write_bytes(b"nothing")
    else:
        data = json.loads(manifest.read_text())
        data["variants"]["int8"]["video"]["file"] = "../video.onnx"
        manifest.write_text(json.dumps(data))
    with pytest.raises(
        BundleError, match=r"video.int8.onnx does not have" if change == "damaged" else "plain file name"
    ):
        load_bundle(made.path)


def test_padding_by_minus_infinity_reaches_no_scale(bundle: Bundle) -> None:
    """ONNX Runtime's own static quantisation makes the scale infinite here (MMV.md section 9)."""
    model = read_folded(bundle.encoder("image"))
    graph = Graph(model)
    pool = next(n for n in graph.nodes if n.op_type == "MaxPool")
    pads = next(a for a in pool.attribute if a.name == "pads")
    around = [0, 0, *pads.ints[:2], 0, 0, *pads.ints[2:]]
    pads.ints[:] = [0, 0, 0, 0]
    model.graph.initializer.append(numpy_helper.from_array(np.array(around, np.int64), "around"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(-np.inf, np.float32), "lowest"))
    model.graph.node.append(helper.make_node("Pad", [pool.input[0], "around", "lowest"], ["padded"]))
    pool.input[0] = "padded"
    tidy(model)
    array = samples()["image"]
    before = [onnx_run(model, a) for a in array]
    quantised = quantize(model, array)
    for c in quantised.graph.initializer:
        assert not c.name.endswith("/scale") or np.isfinite(numpy_helper.to_array(c)).all()
    for a, wanted in zip(array, before, strict=True):
        assert (onnx_run(quantised, a) * wanted).sum() > 0.99


def test_values_that_float16_cannot_hold_are_refused(copy: Bundle) -> None:
    model = onnx.load(copy.path / "video.onnx")
    stem = next(c for c in model.graph.initializer if "stem.weight" in c.name)
    stem.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(stem) * 3e4, stem.name))
    onnx.save(model, copy.path / "video.onnx")
    manifest = json.loads((copy.path / "bundle.json").read_text())
    from models.bundle import sha256

    manifest["files"]["video.onnx"] = sha256(copy.path / "video.onnx")
    (copy.path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(VariantError, match="video: float16 cannot hold"):
        add_variant(load_bundle(copy.path), "fp16", samples())


def test_folding_leaves_no_batch_norm_behind_a_convolution(bundle: Bundle) -> None:
    graph = Graph(read_folded(bundle.encoder("video")))
    norms = [n for n in graph.nodes if n.op_type == "BatchNormalization"]
    assert norms
    assert all(_made_by(graph, n.input[0]) in ("Add", "MaxPool", "Gemm", "MatMul") for n in norms)


def test_dropping_zero_biases_changes_no_output(bundle: Bundle) -> None:
    model = onnx.load(bundle.encoder("video"))
    array = samples()["video"][0]
    wanted = onnx_run(model, array)
    drop_zero_biases(model)
    assert all(len(n.input) == 2 for n in model.graph.node if n.op_type == "Conv")
    assert np.allclose(onnx_run(model, array), wanted, atol=1e-5)


def test_the_command_makes_a_variant_from_films(bundle: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle.path, tmp_path / "bundle"))
    library = Path(__file__).parents[2] / "service" / "demo" / "library"
    films = tmp_path / "films"
    films.mkdir()
    for clip in sorted(library.glob("*.mp4"))[::6]:
        shutil.copy(clip, films)
    result = run("bundle", "quantize", folder, "--precision", "fp16", "--calibrate", films)
    assert result.exit_code == 0, result.output
    made = load_bundle(folder)
    assert set(made.variants["fp16"]) == MODALITIES
    assert made.fingerprint == bundle.fingerprint


def test_the_shipped_bundle_is_computed_in_int8_where_that_is_close_enough(tmp_path: Path) -> None:
    """Its image encoder is at the edge of what is accepted, so another machine's rounding may decide."""
    folder = Path(shutil.copytree(shipped_bundle_path(), tmp_path / "bundle"))
    films = tmp_path / "films"
    films.mkdir()
    for clip in sorted((Path(__file__).parents[2] / "service" / "demo" / "library").glob("*.mp4"))[::6]:
        shutil.copy(clip, films)
    result = run("bundle", "quantize", folder, "--calibrate", films)
    found = set(load_bundle(folder).variants["int8"])
    assert {"video", "audio"} <= found
    assert (result.exit_code == 0) == ("image" in found)
    assert ("int8 refused for image" in " ".join(result.output.split())) == ("image" not in found)


def test_a_folder_of_nothing_is_told(tmp_path: Path, bundle: Bundle) -> None:
    assert failed_with(run("bundle", "quantize", bundle.path, "--calibrate", tmp_path), "no picture and no film")


def onnx_run(model: onnx.ModelProto, array: np.ndarray) -> np.ndarray:
    """First output of a model held in memory."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: array})[0]


def _made_by(graph: Graph, tensor: str) -> str:
    node = graph.producer.get(tensor)
    return node.op_type if node is not None else ""
