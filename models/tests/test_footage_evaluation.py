"""A tiny bundle is evaluated on a tiny set: every figure has its chance and interval; pages and pictures are made."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.bundle import load_bundle
from models.preprocess.media import read_frames
from models.runtime import Encoders
from models.tests import tiny, tiny_bundle
from models.tests.test_training_cli import run
from models.tests.tiny_clips import COLOURS, write_set
from models.training.card import card
from models.training.config import config_dict
from models.training.data.manifest import Event
from models.training.evaluation.footage_clips import EmbeddedClips, embed_clips, text_rows
from models.training.evaluation.footage_deflation import deflation, gap_closed, inflated_fine
from models.training.evaluation.footage_pictures import FAILURES, FOUND, LARGEST, write_pictures
from models.training.evaluation.footage_report import report
from models.training.evaluation.footage_retrieval import evaluate, found_alike, item_retrieval, named_right
from models.training.evaluation.wordings import GENERATOR, PLAIN_LANGUAGE

WORDINGS = {
    GENERATOR: {f"monster:{colour}": [colour, f"a {colour} square"] for colour in COLOURS},
    PLAIN_LANGUAGE: {f"monster:{colour}": [f"{colour} tone"] for colour in COLOURS},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Encoders:
    return Encoders(tiny_bundle.export(tmp_path_factory.mktemp("bundle") / "tiny"))


@pytest.fixture(scope="module")
def found(encoders: Encoders, data: Path) -> EmbeddedClips:
    """With the colours as monsters, so that they can be named."""
    embedded = embed_clips(encoders, data)
    clips = [
        replace(clip, concepts=[f"monster:{clip.concepts[0]}"], events=[Event("fight", 1.0, clip.concepts)])
        for clip in embedded.clips
    ]
    return replace(embedded, clips=clips)


@pytest.fixture(scope="module")
def metrics(encoders: Encoders, data: Path, found: EmbeddedClips) -> dict[str, Any]:
    return evaluate(encoders, data, items=6, wordings=WORDINGS, found=found)


def test_a_still_is_none_of_the_frames_that_the_library_holds(encoders: Encoders, data: Path) -> None:
    """The clips move at 10 frames a second: a tenth of a second is another picture."""
    found = embed_clips(encoders, data)
    frames = list(read_frames(data / found.clips[0].file, 0.1, 32, 40))
    assert np.array_equal(found.stills[0], frames[12])  # the window is 0.2 s to 1.8 s, a frame every 0.4 s
    assert (found.frame_fine[0] @ found.image_fine[0] < 0.9999).all()
    assert np.isnan(found.sound_fine[~found.heard]).all()
    assert np.isfinite(found.sound_fine[found.heard]).all()


def test_every_figure_has_its_chance_and_its_interval(metrics: dict[str, Any]) -> None:
    for direction in metrics["retrieval"].values():
        assert direction["items"] == 6
        assert direction["chance_recall"] == {"R@1": 1 / 6, "R@5": 5 / 6, "R@10": 1}
        for k, value in direction["recall"].items():
            assert direction["interval"][k][0] <= value <= direction["interval"][k][1]
    for concepts in metrics["concepts"].values():
        assert concepts["chance"] == pytest.approx(1 / 3)
        low, high = concepts["interval"]["mean_average_precision"]
        assert low <= concepts["mean_average_precision"] <= high
    named = metrics["naming"]["monster"][GENERATOR]
    assert (named["clips"], named["classes"], named["chance"]) == (18, 3, pytest.approx(1 / 3))
    alike = metrics["alike"]["monster"]
    assert (alike["stills"], alike["chance"]) == (18, pytest.approx(5 / 17))
    assert alike["interval"][0] <= alike["precision"] <= alike["interval"][1]
    gap = metrics["gap"]["precision_at_5"]
    own, plain = (metrics["concepts"][w]["precision_at_5"] for w in (GENERATOR, PLAIN_LANGUAGE))
    assert gap["points"] == pytest.approx(own - plain, abs=1e-4)
    assert gap["interval"][0] <= gap["points"] <= gap["interval"][1]
    assert json.loads(json.dumps(metrics)) is not None


def test_what_is_the_same_is_found_and_what_is_named_is_right(encoders: Encoders, found: EmbeddedClips) -> None:
    """With stills embedded as their own clips are, and clips as the words for them, all comes out right."""
    assert found.sound_coarse is not None
    same = replace(found, image_fine=found.video_fine)
    assert item_retrieval(encoders, same, 6)["image -> video"].recall["R@1"] == 1
    words = {colour: text_rows(encoders, [colour])[0] for colour in COLOURS}
    means = np.stack([words[c.concepts[0].removeprefix("monster:")] for c in found.clips])
    named = named_right(encoders, replace(found, video_coarse=means, sound_coarse=means), {"": WORDINGS[GENERATOR]})
    assert named["monster"][""].right == 1


def test_a_still_finds_other_clips_of_what_it_shows(found: EmbeddedClips) -> None:
    """Of three colours with six clips each: vectors of the colours alone find the others, and no clip counts itself."""
    which = [list(COLOURS).index(c.concepts[0].removeprefix("monster:")) for c in found.clips]
    colours = np.eye(len(COLOURS), dtype=np.float32)[which]
    frames = np.repeat(colours[:, None], 2, axis=1)
    seen = replace(found, image_fine=colours, video_fine=colours, image_coarse=colours, video_coarse=colours)
    seen = replace(seen, image_instance=colours, frame_fine=frames, frame_instance=frames)
    assert found_alike(seen)["monster"].precision == 1
    lonely = [replace(clip, concepts=[f"monster:{i}"]) for i, clip in enumerate(found.clips)]
    assert found_alike(replace(seen, clips=lonely)) == {}


def test_the_page_tells_figures_but_no_query_of_the_plain_wording(metrics: dict[str, Any]) -> None:
    page = report(metrics, "mmv-search evaluate")
    assert "| image -> moment, as the service searches | 18 | " in page
    assert "points of P@5" in page
    assert "| monster | 18 | " in page
    assert "| monster | plain language | 18 | 3 | " in page
    assert "a red square [monster:red]" in page
    assert "red tone" not in page


def test_deflations_three_paths(encoders: Encoders, found: EmbeddedClips) -> None:
    """The tiny bundle's image network is the naive one: it closes nothing of the gap."""
    told = deflation(encoders, found, 6)
    recalls = [path["recall"] for path in told["paths"].values()]
    assert recalls[0] == recalls[1]
    assert told["frames"] == 4
    assert set(told["seconds_per_still"]) == {"deflated", "deflated_among_others", "inflated"}
    static = encoders.video(found.stills[:1, None].repeat(4, axis=1)).fine
    assert inflated_fine(encoders, found.stills[:1]) == pytest.approx(static, abs=1e-6)


def test_the_share_of_the_gap_that_is_closed() -> None:
    """Of 100 queries naive finds 20, inflation 60, and the trained path 50: three quarters of the way."""

    def scores(right: int) -> np.ndarray:
        rows = np.eye(100)
        rows[right:] = 1 - rows[right:]
        return rows

    closed = gap_closed([scores(20), scores(50), scores(60)], 100)
    assert closed["R@1"]["share"] == pytest.approx(0.75)
    assert closed["R@1"]["gap"] == pytest.approx(0.4)
    low, high = closed["R@1"]["interval"]
    assert 0.5 < low < 0.75 < high < 1


def test_pictures_of_the_worst_and_the_best_are_on_the_card(
    encoders: Encoders, data: Path, found: EmbeddedClips, metrics: dict[str, Any]
) -> None:
    folder = encoders.bundle.path
    write_pictures(encoders, found, data, folder, WORDINGS)
    for name in (FAILURES, FOUND):
        with Image.open(folder / name) as picture:
            assert picture.format == "JPEG"
            colours = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
        framed = {
            "right": (np.abs(colours - (46, 158, 79)).max(axis=1) < 30).any(),
            "wrong": (np.abs(colours - (200, 55, 45)).max(axis=1) < 30).any(),
        }
        assert any(framed.values())
        assert (folder / name).stat().st_size < LARGEST
    assert load_bundle(folder).fingerprint == encoders.bundle.fingerprint
    told = {
        "training_data": {"clips": 18, "kind": "clips", "maps": ["a"], "fingerprint": "0"},
        "steps": 1,
        "torch": "2",
    }
    bundle = replace(
        encoders.bundle,
        provenance={**told, "config": config_dict(tiny.config()), "git_revision": "0"},
        metrics={**metrics, "deflation_cosine": {"naive": 0.1, "trained": 0.9}},
    )
    page = card(bundle, 1)
    assert f"({FAILURES})" in page
    assert f"({FOUND})" in page
    assert "| monster | plain language | 18 | 3 | " in page


def test_the_command_writes_metrics_and_a_page(encoders: Encoders, data: Path, tmp_path: Path) -> None:
    bundle = encoders.bundle.path
    result = run("evaluate", bundle, "--data", data, "--items", 5, "--out", tmp_path / "page", "--deflation")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "page.json").read_text())
    assert set(metrics["deflation"]["paths"]) == {"naive deflation", "trained deflation", "input inflation"}
    page = (tmp_path / "page.md").read_text()
    assert "--items 5 --deflation" in page
    assert "| input inflation | " in page
