"""MSR-VTT and YouCook2 on miniature data sets in their published layouts: ranks against those computed by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.bundle import BundleError, load_bundle, shipped_bundle_path
from models.preprocess.media import read_frames
from models.runtime import Encoders
from models.tests import tiny_bundle
from models.tests.tiny_sets import BLUE, COLOURS, GREEN, RED, coverage, evaluate, figure, film, text
from models.training.evaluation.protocols.result import ProtocolError

SENTENCES = ["a door opens", "a monster dies in lava", "shooting with a shotgun", "a dark corridor"]


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders(load_bundle(shipped_bundle_path()))


@pytest.fixture(scope="module")
def msrvtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("msrvtt") / "data"
    rows = ["key,vid_key,video_id,sentence"]
    for i, (colour, sentence) in enumerate(zip(COLOURS, SENTENCES, strict=True)):
        rows.append(f"ret{i},msr702{i},video702{i},{sentence}")
        film(data / "videos" / "all" / f"video702{i}.mp4", colour, i, seconds=5, after=GREEN)
    text(data / "MSRVTT_JSFUSION_test.csv", *rows)
    return data


def by_hand(encoders: Encoders, path: Path, starts_s: list[float]) -> np.ndarray:
    """The mean coarse embedding of windows at these times."""
    spec = encoders.bundle.inputs
    frames = np.stack(list(read_frames(path, spec.step_s, spec.frame_height, spec.frame_width, method=spec.resize)))
    first = [round(s / spec.step_s) for s in starts_s]
    windows = np.stack([frames[np.arange(f, f + spec.frames)] for f in first])
    coarse = encoders.video(windows).coarse
    assert coarse is not None
    return coarse.mean(axis=0)


def test_msrvtt_is_what_dot_products_give_by_hand(msrvtt: Path, encoders: Encoders) -> None:
    result = evaluate("msrvtt", encoders, msrvtt, windows=2)
    last = 5 - encoders.bundle.inputs.window_s
    films = [by_hand(encoders, msrvtt / f"videos/all/video702{i}.mp4", [0, last]) for i in range(4)]
    scores = encoders.text(SENTENCES) @ np.stack(films).T
    ranks = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert figure(result, "R@1").value == pytest.approx((ranks == 1).mean())
    assert figure(result, "R@1").chance == 0.25
    assert figure(result, "R@10").value == 1
    assert figure(result, "median rank").value == np.median(ranks)
    assert figure(result, "median rank").chance == 2.5
    assert coverage(result, "films") == (4, 4, 0, 0)
    assert "against 4 films" in result.recipe["ranking"]


def test_msrvtt_may_be_listed_in_json_and_lack_films(msrvtt: Path, encoders: Encoders) -> None:
    data = msrvtt.parent / "json"
    data.mkdir()
    (data / "videos").symlink_to(msrvtt / "videos")
    pairs = [{"video": f"video702{i}.mp4", "caption": s} for i, s in enumerate(SENTENCES)]
    pairs.append({"video": "video9999.mp4", "caption": "a door"})
    (data / "msrvtt_ret_test1k.json").write_text(json.dumps(pairs))
    listed = evaluate("msrvtt", encoders, data, windows=2)
    table = evaluate("msrvtt", encoders, msrvtt, windows=2)
    assert listed.figures == table.figures
    assert coverage(listed, "films") == (5, 4, 1, 0)
    assert len(listed.warnings()) == 1


def test_a_sentence_without_a_known_word_finds_nothing_and_is_counted(msrvtt: Path, encoders: Encoders) -> None:
    data = msrvtt.parent / "unknown"
    data.mkdir()
    (data / "videos").symlink_to(msrvtt / "videos")
    rows = [f"ret{i},m,video702{i},{'qqqzzzxx' if i == 0 else s}" for i, s in enumerate(SENTENCES)]
    text(data / "MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence", *rows)
    result = evaluate("msrvtt", encoders, data, windows=2)
    assert any("1 of 4 sentences have no word of the vocabulary" in note for note in result.notes)
    assert figure(result, "R@1").value <= 0.75


def test_a_bundle_without_words_says_so(msrvtt: Path, encoders: Encoders, tmp_path: Path) -> None:
    silent = Encoders(tiny_bundle.without_text(encoders.bundle, tmp_path / "bundle"))
    with pytest.raises(BundleError, match="has no text encoder; it has video, image, audio"):
        evaluate("msrvtt", silent, msrvtt)


def test_youcook2_ranks_the_validation_segments(tmp_path: Path, encoders: Encoders) -> None:
    """One film of two segments, red then blue; one film of another subset; one film that is gone."""
    data = tmp_path / "data"
    window = encoders.bundle.inputs.window_s
    half = window + 0.8
    film(data / "raw_videos/validation/101/xHr8X2Wpmno.mkv", RED, 0, seconds=2 * half, after=BLUE)
    database = {
        "xHr8X2Wpmno": {
            "duration": 8,
            "subset": "validation",
            "recipe_type": "101",
            "annotations": [
                {"segment": [half, 2 * half], "id": 1, "sentence": SENTENCES[1]},
                {"segment": [0, half], "id": 0, "sentence": SENTENCES[0]},
            ],
        },
        "training0000": {
            "subset": "training",
            "recipe_type": "101",
            "annotations": [{"segment": [0, 3], "id": 0, "sentence": "cut"}],
        },
        "gone00000000": {
            "subset": "validation",
            "recipe_type": "102",
            "annotations": [{"segment": [s, s + 3], "id": s, "sentence": "stir"} for s in range(3)],
        },
    }
    (data / "youcookii_annotations_trainval.json").write_text(json.dumps({"database": database}))
    result = evaluate("youcook2", encoders, data, windows=2)
    assert coverage(result, "segments") == (5, 2, 3, 0)
    path = data / "raw_videos/validation/101/xHr8X2Wpmno.mkv"
    films = [by_hand(encoders, path, [start, start + half - window]) for start in (half, 0)]
    scores = encoders.text([SENTENCES[1], SENTENCES[0]]) @ np.stack(films).T
    ranks = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert figure(result, "R@1").value == pytest.approx((ranks == 1).mean())
    assert figure(result, "median rank").value == np.median(ranks)
    (data / "youcookii_annotations_trainval.json").write_text("{}")
    with pytest.raises(ProtocolError, match="is not YouCook2's list"):
        evaluate("youcook2", encoders, data)


def test_a_pair_without_its_sentence_is_named(tmp_path: Path, encoders: Encoders) -> None:
    path = text(tmp_path / "MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence", "ret0,m,video7020")
    with pytest.raises(ProtocolError, match="lacks its video or its sentence"):
        evaluate("msrvtt", encoders, tmp_path)
    path.unlink()
    (tmp_path / "msrvtt_ret_test1k.json").write_text('[{"video": "video7020.mp4"}]')
    with pytest.raises(ProtocolError, match="lacks its video or its sentence"):
        evaluate("msrvtt", encoders, tmp_path)
