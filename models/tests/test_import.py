"""`mmv-search bundle import`: from a published checkpoint to a bundle, as a person calls it."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from models.bundle import Bundle, load_bundle
from models.networks.deflation import static_clip
from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.pretrained import deflate, load_checkpoint
from models.pretrained.importer import published_inputs
from models.runtime import Encoders
from models.tests import media_samples, tiny_checkpoint, tiny_sets
from models.tests.test_training_cli import failed_with, run
from models.tests.tiny_checkpoint import ARCH, SIZE, WORDS
from models.training.evaluation.protocols.films import read_film
from models.training.evaluation.protocols.stills import image_network
from models.training.verify import TOLERANCE, compare


@pytest.fixture(autouse=True, scope="module")
def tiny_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tiny_checkpoint.stand_in(patch)
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint.write(tmp_path_factory.mktemp("published") / "mmv_tsm_resnet_x1.pkl")


@pytest.fixture(scope="module")
def plain(tiny_network: None, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Imported with nothing but the weights."""
    return imported(checkpoint, tmp_path_factory.mktemp("plain") / "plain")


@pytest.fixture(scope="module")
def worded(tiny_network: None, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Imported with its vocabulary."""
    folder = tmp_path_factory.mktemp("worded")
    words = tiny_checkpoint.write_words(folder / "words.txt")
    return imported(checkpoint, folder / "my-bundle", "--vocab", words)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty stills, and two films with sound in a folder below."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "films").mkdir()
    for seed in range(20):
        media_samples.still(folder / f"{seed}.png", seed)
    for seed in (50, 51):
        media_samples.film(folder / "films" / f"{seed}.mp4", seed=seed, seconds=7.0)
    (folder / "notes.txt").write_text("no picture")
    return folder


def imported(checkpoint: Path, out: Path, *options: object) -> Bundle:
    result = run("bundle", "import", checkpoint, "--arch", ARCH, "--out", out, "--size", SIZE, *options)
    assert result.exit_code == 0, result.output
    return load_bundle(out)


def embed(encoder: Any, array: np.ndarray) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        return {k: v.numpy() for k, v in encoder(torch.from_numpy(array)).items()}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_a_bundle_computes_what_the_checkpoint_does(checkpoint: Path, worded: Bundle) -> None:
    network, encoders = load_checkpoint(checkpoint, ARCH), Encoders(worded)
    rng = np.random.default_rng(0)

    frames = rng.integers(0, 256, (2, 32, SIZE, SIZE, 3), dtype=np.uint8)
    video, wanted = encoders.video(frames), embed(network.encode_video, frames.astype(np.float32) / 255)
    assert np.allclose(video.fine, unit(wanted["fine"]), atol=1e-4)
    assert video.coarse is not None
    assert np.allclose(video.coarse, unit(wanted["coarse"]), atol=1e-4)

    for samples in (153_600, 5_000, 70_001):  # a window, and lengths that halve to odd and even numbers of frames
        wave = rng.normal(0, 0.1, (1, samples)).astype(np.float32)
        log_mel = network.log_mel(torch.from_numpy(wave))
        assert log_mel.shape == (1, -(-samples // 1024), 80)
        wanted = embed(network.encode_audio, log_mel.numpy())
        audio = encoders.audio(wave)
        assert np.allclose(audio.fine, unit(wanted["fine"]), atol=1e-4)
        assert np.allclose(audio.representation, wanted["representation"], rtol=1e-3, atol=1e-3)

    ids = Tokenizer(WORDS, 16, "join")(["the door opens", "X-ray"])
    assert ids[1, 0] == WORDS.index("xray")
    wanted = embed(network.encode_text, ids)
    assert np.allclose(encoders.text(["the door opens", "X-ray"]), unit(wanted["coarse"]), atol=1e-4)


def test_a_bundle_says_what_it_is(worded: Bundle) -> None:
    assert worded.name == "my-bundle"
    assert worded.inputs == published_inputs(SIZE)
    assert (worded.inputs.sample_rate, worded.inputs.frames, worded.inputs.resize) == (48_000, 32, "bilinear")
    assert worded.graph == "fac_relu"
    assert "CC-BY-NC-4.0" in worded.licence
    assert worded.metrics["deflation"] == {"kind": "naive"}
    assert worded.metrics["onnx_difference"] <= 1e-4
    assert set(worded.provenance["checkpoint"]) == {"file", "sha256", "arch"}
    page = (worded.path / "README.md").read_text()
    assert "naive deflation" in page
    assert "CC-BY-NC-4.0" in page
    assert max(d.relative for d in compare(worded)) <= TOLERANCE  # restored from its own files
    assert sorted(p.name for p in worded.path.parent.iterdir()) == ["my-bundle", "words.txt"]


def test_without_words_there_is_no_text_encoder_and_the_bundle_still_verifies(plain: Bundle) -> None:
    assert plain.modalities == ("video", "image", "audio")
    assert "--vocab" in (plain.path / "README.md").read_text()
    result = run("bundle", "verify", plain.path)
    assert result.exit_code == 0, result.output


def test_words_of_another_checkpoint_are_refused_at_once(checkpoint: Path, tmp_path: Path) -> None:
    words = tiny_checkpoint.write_words(tmp_path / "words.txt", [*WORDS, "one", "two"])
    result = run("bundle", "import", checkpoint, "--arch", ARCH, "--out", tmp_path / "b", "--vocab", words)
    assert failed_with(result, "has 13 words, but the checkpoint 11 word vectors")
    assert not (tmp_path / "b").exists()


def test_a_word_list_that_was_cut_short_is_told_and_its_words_are_right(
    checkpoint: Path, worded: Bundle, tmp_path: Path
) -> None:
    words = tiny_checkpoint.write_words(tmp_path / "words.txt", WORDS[:7])
    arguments = ("bundle", "import", checkpoint, "--arch", ARCH, "--out", tmp_path / "b", "--size", SIZE)
    result = run(*arguments, "--vocab", words)
    assert result.exit_code == 0, result.output
    assert "has 7 words for 11 word vectors" in result.output
    short = load_bundle(tmp_path / "b")
    assert np.allclose(Encoders(short).text(["dog barks"]), Encoders(worded).text(["dog zebra"]), atol=1e-5)
    assert max(d.relative for d in compare(short) if d.modality == "text") <= TOLERANCE


def test_deflation_learns_from_unlabelled_stills(
    checkpoint: Path, plain: Bundle, footage: Path, tmp_path: Path
) -> None:
    trained = imported(checkpoint, tmp_path / "b", "--deflate-frames", footage, "--deflate-steps", 60)
    found = trained.metrics["deflation"]
    assert found["kind"] == "trained"
    assert found["cosine"]["trained"] > found["cosine"]["naive"] + 0.02
    network = load_checkpoint(checkpoint, ARCH)
    image = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    static = static_clip(torch.from_numpy(image), 32).numpy() / np.float32(255)
    wanted = unit(embed(network.encode_video, static)["fine"])
    close = [float((Encoders(b).image(image).fine * wanted).sum(axis=1).mean()) for b in (plain, trained)]
    assert close[0] < close[1]
    # Nothing but the image encoder is another one.
    assert plain.files["video.onnx"] == trained.files["video.onnx"]
    assert max(d.relative for d in compare(trained)) <= TOLERANCE


def test_an_interrupted_deflation_goes_on_where_it_was(
    checkpoint: Path, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("bundle", "import", checkpoint, "--arch", ARCH, "--out", tmp_path / "b", "--size", SIZE)
    options = ("--deflate-frames", footage, "--deflate-steps", 10)
    calls = 0
    broken = False
    real = deflate.static_outputs

    def counted(network: MMV, images: torch.Tensor, frames: int) -> dict[str, torch.Tensor]:
        nonlocal calls, broken
        if calls == 20 and not broken:
            broken = True
            raise KeyboardInterrupt
        calls += 1
        return real(network, images, frames)

    monkeypatch.setattr(deflate, "static_outputs", counted)
    result = run(*arguments, *options)
    assert result.exit_code == 130
    assert "interrupted; run the same command to go on" in result.output
    stills = len(list(deflate.stills(footage, published_inputs(SIZE), deflate.STILLS)))
    assert stills > 22
    assert run(*arguments, *options).exit_code == 0
    assert calls == 20 + stills - deflate.SAVE_EVERY  # of the first twenty sixteen were kept
    assert load_bundle(tmp_path / "b").metrics["deflation"]["kind"] == "trained"
    assert not (tmp_path / "b.work").exists()


def test_sound_can_be_brought_to_the_length_of_vision(checkpoint: Path, footage: Path, tmp_path: Path) -> None:
    plain, corrected = (
        imported(checkpoint, tmp_path / "a"),
        imported(checkpoint, tmp_path / "b", "--audio-norm", footage),
    )
    assert "audio_norm" not in plain.metrics
    found = corrected.metrics["audio_norm"]
    lengths = found["mean_length"]
    assert found["audio_scale"] == pytest.approx(lengths["video"] / lengths["audio"])
    assert found["coarse_cosine_to_uncorrected"] < 1
    wave = np.random.default_rng(0).normal(0, 0.1, (1, 48_000)).astype(np.float32)
    a, b = Encoders(plain).audio(wave), Encoders(corrected).audio(wave)
    assert np.allclose(a.fine, b.fine, atol=1e-5)  # a direction does not change with its length
    assert a.coarse is not None
    assert b.coarse is not None
    assert not np.allclose(a.coarse, b.coarse, atol=1e-3)


def test_a_folder_with_other_things_is_not_replaced_and_an_earlier_bundle_is(
    checkpoint: Path, plain: Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    result = run("bundle", "import", checkpoint, "--arch", ARCH, "--out", out, "--size", SIZE)
    assert failed_with(result, "is a folder with other things in it")
    assert (out / "thesis.txt").exists()
    (out / "thesis.txt").unlink()
    shutil.copytree(plain.path, out, dirs_exist_ok=True)
    damaged = tmp_path / "damaged.pkl"
    damaged.write_bytes(checkpoint.read_bytes()[:5000])
    assert failed_with(run("bundle", "import", damaged, "--arch", ARCH, "--out", out, "--size", SIZE), "damaged.pkl")
    assert load_bundle(out).fingerprint == plain.fingerprint
    other = imported(tiny_checkpoint.write(tmp_path / "other.pkl", seed=5), out)
    assert other.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--arch", "s3d"), "is not a checkpoint of s3d: missing: params text_audio_video/visual_module/~/S3D"),
        (("--arch", ARCH, "--size", 49), "--size 49: it must be even"),
        (("--arch", ARCH, "--deflate-frames", "nowhere"), "nowhere is not a folder"),
        (("--arch", ARCH, "--vocab", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    checkpoint: Path, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    assert failed_with(run("bundle", "import", checkpoint, "--out", tmp_path / "b", *arguments), message)
    assert not (tmp_path / "b").exists()


def test_a_checkpoint_has_to_be_named(tmp_path: Path) -> None:
    assert failed_with(run("bundle", "import", "--arch", ARCH, "--out", tmp_path / "b"), "or pass --download")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the checkpoint over HTTP, as DeepMind's bucket does."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    tiny_checkpoint.write(shelf / "weights.pkl")
    handler = partial(QuietHandler, directory=str(shelf))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/weights.pkl"
        running.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Says nothing."""


def test_the_published_file_is_fetched_once_its_licence_is_accepted(server: str, tmp_path: Path) -> None:
    kept, out = tmp_path / "mmv.pkl", tmp_path / "b"
    arguments = ("bundle", "import", kept, "--arch", ARCH, "--out", out, "--size", SIZE, "--download", "--url", server)
    refused = run(*arguments)
    assert failed_with(refused, "--accept-licence")
    assert "CC BY-NC 4.0" in refused.output
    assert not kept.exists()
    assert run(*arguments, "--accept-licence").exit_code == 0
    assert kept.stat().st_size == (tmp_path / "shelf" / "weights.pkl").stat().st_size
    manifest = json.loads((out / "bundle.json").read_text())
    assert manifest["provenance"]["checkpoint"]["file"] == "mmv.pkl"
    missing = run(*arguments[:2], tmp_path / "none.pkl", *arguments[3:-1], server + "x", "--accept-licence")
    assert failed_with(missing, "404")


def test_imported_weights_are_evaluated_as_the_reference_evaluates_them(plain: Bundle, tmp_path: Path) -> None:
    """UCF101 in miniature: read at 25 frames a second, and the page says at which size."""
    films, lists = tmp_path / "data" / "UCF-101", tmp_path / "data" / "ucfTrainTestlist"
    tiny_sets.text(lists / "classInd.txt", "1 Red", "2 Blue")
    for name, colour in (("Red", tiny_sets.RED), ("Blue", tiny_sets.BLUE)):
        for i in range(3):
            tiny_sets.film(films / name / f"v_{name}_g{i:02}_c01.avi", colour, i, seconds=0.5)
    for part, groups in (("train", (0, 1)), ("test", (2,))):
        listed = [f"{name}/v_{name}_g{i:02}_c01.avi 1" for name in ("Red", "Blue") for i in groups]
        tiny_sets.text(lists / f"{part}list01.txt", *listed)
    result = tiny_sets.evaluate("ucf101", Encoders(plain), films.parent, split=1, windows=1)
    assert tiny_sets.figure(result, "top-1, split 1").value == 1
    assert result.notes == [
        "frames of 48 x 48; the reference's are 224 x 224",
        "1 windows of each film; the reference takes 10, in training and in the test",
    ]
    seen = read_film(films / "Red" / "v_Red_g00_c01.avi", plain.inputs)
    assert seen.frames.shape == (13, 48, 64, 3)  # half a second


def test_of_imported_weights_the_naive_image_path_is_the_bundles_own_before_deflation(plain: Bundle) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    paths = {path: image_network(Encoders(plain), path)(images) for path in ("deflated", "naive", "inflated")}
    np.testing.assert_allclose(paths["naive"], paths["deflated"], rtol=1e-3, atol=1e-4)
    assert np.abs(paths["naive"] - paths["inflated"]).max() > 1e-2
