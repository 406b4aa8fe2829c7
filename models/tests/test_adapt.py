"""Adaptation on toy films: it learns what goes together, goes on where it was stopped, refuses what is no better."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from models.bundle import Bundle, InputSpec, load_bundle
from models.preprocess.windows import window_starts
from models.runtime import Encoders
from models.tests import tiny, tiny_bundle, toy_library
from models.training import adapt_windows
from models.training.adapt import Options, adapt
from models.training.adapt_folder import films_in
from models.training.adapt_judge import FEWEST_TOLD, SAME_RANKING, Embedded, by_film, compare, directions, embed_with
from models.training.adapt_report import lines, read_report
from models.training.adapt_split import split_films
from models.training.adapt_windows import (
    HEARD,
    SILENT,
    UNUSABLE,
    Decoded,
    Film,
    bytes_needed,
    clip_cache,
    decode_films,
    judging_spec,
    read_here,
    training_spec,
)
from models.training.data.batches import Batch, Batches

OPTIONS = Options(steps=60, batch=16, learning_rate=3e-3, deflation_steps=4)
QUIET = Console(quiet=True)


class Stopped(Exception):
    """Stands for ctrl-C."""


class StoppingConsole(Console):
    """A console that stops the work where a line begins with `word`."""

    def __init__(self, word: str):
        super().__init__(quiet=True)
        self.word = word

    def print(self, *objects: object, **_: object) -> None:
        if objects and str(objects[0]).startswith(self.word):
            raise Stopped


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle.export(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    """What is heard goes with what is seen, and is said too."""
    folder = tmp_path_factory.mktemp("films")
    return list(films_in(toy_library.write_library(folder, related=True, subtitles=True)))


def without_words(films: list[Film]) -> list[Film]:
    return [replace(film, narrations=()) for film in films]


def test_a_related_library_makes_a_better_bundle_stopped_at_every_arrow(
    bundle: Bundle, films: list[Film], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute, whole, parts = without_words(films), tmp_path / "whole", tmp_path / "parts"
    with pytest.raises(Stopped):  # in one go as far as it is cheap
        adapt(bundle, mute, read_here, whole, OPTIONS, StoppingConsole("-> export"))

    original = Batches.__call__
    for limit, arrow in ((1000, "train"), (33, "never"), (1000, "deflate"), (1000, "export"), (1000, "judge")):
        made: list[int] = []

        def make(self: Batches, step: int, made: list[int] = made, limit: int = limit) -> Batch:
            made.append(step)
            if len(made) > limit:
                raise Stopped
            return original(self, step)

        monkeypatch.setattr(Batches, "__call__", make)
        with pytest.raises(Stopped):
            adapt(bundle, mute, read_here, parts, OPTIONS, StoppingConsole(f"-> {arrow}"))
        if arrow == "deflate":
            assert made[0] == 30  # where it was last judged and saved
        if arrow == "judge":  # the weights are those of the training in one go
            for name, part in (("adapting.pt", "network"), ("best.pt", None), ("deflated.pt", "video")):
                mine, wanted = (torch.load(f / name, weights_only=True) for f in (parts, whole))
                mine, wanted = (mine[part], wanted[part]) if part else (mine, wanted)
                for key, tensor in wanted.items():
                    torch.testing.assert_close(mine[key], tensor, rtol=0, atol=1e-7, msg=f"{name} {key}")
    found = adapt(bundle, mute, read_here, parts, OPTIONS, QUIET)

    assert found.verdict.better, lines(found)
    assert found.verdict.gain_interval[0] > 0
    assert found.bundle == str(parts / "bundle")
    made_bundle = load_bundle(parts / "bundle")
    assert made_bundle.name == "tiny-adapted"
    assert made_bundle.fingerprint != bundle.fingerprint
    assert made_bundle.provenance["adapted_from"]["fingerprint"] == bundle.fingerprint
    assert made_bundle.metrics["adaptation"]["verdict"]["better"] is True
    assert "tiny" in (parts / "bundle" / "README.md").read_text()
    assert sorted(p.name for p in parts.iterdir()) == ["adapt.json", "adaptation.json", "bundle"]
    assert any("better: " in line for line in lines(found))
    # The same again says the same, and works no more.
    monkeypatch.setattr(Batches, "__call__", None)
    assert adapt(bundle, mute, read_here, parts, OPTIONS, QUIET) == read_report(parts) == found
    # Words find what they found: their tower was not touched, and vision kept its place in their space.
    assert found.verdict.text_agreement is not None
    assert found.verdict.text_agreement > SAME_RANKING


def test_what_is_not_better_is_not_proposed(bundle: Bundle, films: list[Film], tmp_path: Path) -> None:
    """A learning rate of 0 learns nothing; the statistics that it still gathers are no gain."""
    options = replace(OPTIONS, steps=2, learning_rate=0.0)
    found = adapt(bundle, without_words(films), read_here, tmp_path, options, QUIET)
    assert not found.verdict.better
    assert found.bundle is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapt.json", "adaptation.json"]
    assert "Keep the bundle in use" in lines(found)[-1]


@pytest.fixture(scope="module")
def encoders(bundle: Bundle) -> Encoders:
    return Encoders(bundle)


def embedded(seed: int, agreeing: float) -> Embedded:
    """Random embeddings of 40 windows of 8 films; sound goes with vision as far as `agreeing`."""
    rng = np.random.default_rng(seed)
    vision, noise, coarse = (rng.normal(size=(40, 32)).astype(np.float32) for _ in range(3))
    rows = [vision, agreeing * vision + (1 - agreeing) * noise, coarse]
    vision, sound, coarse = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows)
    empty = np.zeros((0, 32), np.float32)
    return Embedded(np.repeat(np.arange(8), 5), vision, sound, coarse, empty, np.zeros(0, np.int64))


def test_only_a_gain_beyond_chance_is_a_gain(encoders: Encoders) -> None:
    before, other, aligned = embedded(1, 0.0), embedded(2, 0.0), embedded(3, 0.9)
    same_words = replace(aligned, coarse=before.coarse)
    assert compare(before, same_words, encoders, encoders).better
    no_gain = compare(before, replace(other, coarse=before.coarse), encoders, encoders)
    assert not no_gain.better
    assert "beyond chance" in no_gain.reason
    collapsed = compare(before, aligned, encoders, encoders)
    assert collapsed.gain > 0
    assert not collapsed.better
    assert "words find other things" in collapsed.reason


def test_words_that_are_said_and_lost_refuse_a_gain(encoders: Encoders) -> None:
    before, after = embedded(1, 0.0), embedded(3, 0.9)
    rows = np.arange(40)
    before = replace(before, text=before.coarse, text_rows=rows)  # every text finds its own window
    verdict = compare(before, replace(after, text=before.coarse, text_rows=rows), encoders, encoders)
    assert (verdict.better, verdict.reason) == (False, "words find the films worse")
    kept = replace(after, text=after.coarse, text_rows=rows)
    assert compare(before, kept, encoders, encoders).better


@pytest.mark.parametrize(
    ("rows", "better"),
    [
        (np.arange(1), False),
        (np.arange(FEWEST_TOLD - 1), False),
        (np.arange(FEWEST_TOLD), True),
        (np.zeros(FEWEST_TOLD, np.int64), False),  # all of one film
    ],
)
def test_few_words_that_are_said_do_not_vouch_for_the_others(
    encoders: Encoders, rows: np.ndarray, better: bool
) -> None:
    """What is said finds its own windows as before, and all other words find other things."""
    before, after = embedded(1, 0.0), embedded(3, 0.9)
    before = replace(before, text=before.coarse[rows], text_rows=rows)
    verdict = compare(before, replace(after, text=after.coarse[rows], text_rows=rows), encoders, encoders)
    assert verdict.text_gain == 0
    assert verdict.better == better
    assert better or "too little is said in the films" in verdict.reason


def test_the_interval_is_over_films_not_windows() -> None:
    """One film that gains is no evidence for others, however many windows it has."""
    film = np.repeat(np.arange(5), [100, 1, 1, 1, 1])
    gains = np.where(film == 0, 1.0, -1.0)
    assert by_film(gains, film)[0] < 0
    assert by_film(np.ones(104), film) == (1.0, 1.0)


def test_films_are_split_by_their_content(films: list[Film], bundle: Bundle) -> None:
    split = split_films(films, bundle.inputs)
    ids = [{film.id for film in part} for part in (split.train, split.choose, split.judge)]
    assert sum(map(len, ids)) == len(set.union(*ids)) == toy_library.FILMS
    assert len(split.judge) >= 0.15 * toy_library.FILMS
    moved = [replace(film, path=Path("elsewhere") / film.path.name) for film in reversed(films)]
    again = split_films(moved, bundle.inputs)
    assert [{film.id for film in part} for part in vars(again).values()] == ids


@pytest.mark.parametrize("few", [0, 3, 8])
def test_too_small_a_library_is_told_what_is_needed(
    films: list[Film], bundle: Bundle, tmp_path: Path, few: int
) -> None:
    with pytest.raises(ValueError, match=r"at least 6 films and about \d+ minutes"):
        adapt(bundle, films[:few], read_here, tmp_path, OPTIONS, QUIET)


def test_a_full_disk_and_too_long_a_training_are_told_before_anything_is_done(
    films: list[Film], bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="allow it with --max-hours"):
        adapt(bundle, films, read_here, tmp_path, replace(OPTIONS, max_hours=1e-9), QUIET)
    monkeypatch.setattr(adapt_windows.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(ValueError, match="GB are free"):
        adapt(bundle, films, read_here, tmp_path, OPTIONS, QUIET)
    assert not list(tmp_path.glob("windows-*"))


@pytest.mark.parametrize(("part", "purpose"), [("train", "learn from"), ("choose", "choose by"), ("judge", "judge by")])
def test_a_part_of_silent_films_is_told_before_anything_is_trained(
    films: list[Film], bundle: Bundle, tmp_path: Path, part: str, purpose: str
) -> None:
    """They have a sound track, and digital silence in it."""
    mute = {film.id: film.path.name for film in vars(split_films(films, bundle.inputs, OPTIONS.seed))[part]}

    def reader(film: Film, spec: InputSpec) -> Iterator[Decoded]:
        frames = np.zeros((spec.frames, spec.frame_height, spec.frame_width, 3), np.uint8)
        sound = np.full(round(spec.window_s * spec.sample_rate), 0.0 if film.id in mute else 0.1, np.float32)
        for start in window_starts(film.info.duration_s, spec.window_s, spec.hop_s, spec.step_s):
            yield Decoded(start, frames, sound)

    with pytest.raises(ValueError, match=rf"nothing to {purpose}.*none has a window.*at least 6 films") as error:
        adapt(bundle, films, reader, tmp_path, OPTIONS, QUIET)
    assert next(iter(mute.values())) in str(error.value)
    assert not list(tmp_path.iterdir())  # free for other films, with which it can be called again


def test_decoding_goes_on_by_film_and_damage_is_passed_over(films: list[Film], tmp_path: Path) -> None:
    spec = training_spec(tiny.INPUTS, 0.12)
    read: list[str] = []

    def reader(film: Film, wanted: InputSpec) -> Iterator[Decoded]:
        read.append(film.id)
        if len(read) == 3 and not (tmp_path / "again").exists():
            raise Stopped
        for i, window in enumerate(read_here(film, wanted)):
            if i == 1:  # a gap in the picture
                yield Decoded(window.start_s, None, window.sound)
            elif i == 2:  # silence
                yield Decoded(window.start_s, window.frames, None)
            else:
                yield window

    few = films[:4]
    with pytest.raises(Stopped):
        decode_films(few, spec, tmp_path, reader)
    (tmp_path / "again").touch()
    through = set(read[:2])
    read.clear()
    windows = decode_films(few, spec, tmp_path, reader)
    assert through.isdisjoint(read)
    assert set(windows.kind[windows.film == 0]) == {UNUSABLE, SILENT, HEARD}
    assert windows.frames.nbytes + windows.sound.nbytes == bytes_needed(few, spec)
    cache = clip_cache(windows)
    gap, after = np.flatnonzero(windows.kind == UNUSABLE)[0], np.flatnonzero(windows.kind == SILENT)[0]
    assert cache.clips[gap].id == cache.clips[after].id
    np.testing.assert_array_equal(cache.frames[gap], cache.frames[after])
    assert not cache.clips[after].has_audio


def test_what_is_said_in_a_window_is_found_by_it(films: list[Film], encoders: Encoders, tmp_path: Path) -> None:
    windows = decode_films(films[:2], judging_spec(tiny.INPUTS), tmp_path, read_here)
    said = [" ".join(n.text for n in windows.said(int(row))) for row in windows.heard()]
    assert len(said) == 2 * toy_library.SCENES
    assert all(text.endswith("square") for text in said)
    found = embed_with(encoders, windows)
    assert list(found.text_rows) == list(range(len(said)))
    assert set(directions(found)) == {"sound -> vision", "vision -> sound", "text -> vision"}
