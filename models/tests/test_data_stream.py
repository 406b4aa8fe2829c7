"""The training stream: sources mixed by share, replicas, decoding on the way, damaged clips, augmentation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.preprocess.text import Tokenizer
from models.tests import media_samples, tiny
from models.tests.deadly_decode import DeadlyCacheDecode, deadly_decode
from models.tests.tiny_clips import write_set
from models.training.config import AugmentConfig, DataConfig, SourceConfig, TrainConfig, build_config, config_dict
from models.training.data import cache as cache_module
from models.training.data import decoder
from models.training.data.augment import (
    BLUE,
    DRAWS,
    GAIN,
    GREEN,
    HUE,
    RED,
    SATURATION,
    TINT,
    colours,
    fewer_words,
    gains,
)
from models.training.data.batches import Batch, Batches, Part, shared_out
from models.training.data.cache import ClipCache, open_cache
from models.training.data.decoder import Decoder
from models.training.data.manifest import Narration
from models.training.data.open_data import merged, open_data
from models.training.data.reader import PER_STEP, Picks, Reader
from models.training.data.sample import DataError, Source
from models.training.data.sources import open_source

MARGIN = 0.125
TOKENIZER = Tokenizer(tiny.word_table().words, 6)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def cache(data: Path) -> ClipCache:
    return open_cache(data, tiny.INPUTS, MARGIN)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films, 24 stretches: 4 a second apart, so that they are told from the clips of `data`."""
    folder = tmp_path_factory.mktemp("other")
    media_samples.film(folder / "a.mp4", 5, 12.0)
    media_samples.silent_film(folder / "b.mp4", 6, 12.0)
    return folder


def stream(data: Reader | list[Part], batch: int = 8, rank: int = 0, world: int = 1, **changes: float) -> Batches:
    augment = replace(AugmentConfig(margin=MARGIN), **changes)  # type: ignore[arg-type]
    return Batches(data, tiny.INPUTS, TOKENIZER, augment, batch, 3, rank, world)


def equal(a: Batch, b: Batch) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)


def joined(batches: list[Batch]) -> Batch:
    """What replicas got, in the order of the joined batch."""
    parts = {name: [getattr(b, name) for b in batches] for name in Batch.__dataclass_fields__}
    whole = {}
    for name, rows in parts.items():
        whole[name] = torch.empty((sum(len(r) for r in rows), *rows[0].shape[1:]), dtype=rows[0].dtype)
        for rank, row in enumerate(rows):
            whole[name][rank :: len(rows)] = row
    return Batch(**whole)


@pytest.mark.parametrize(
    ("batch", "shares", "counts"),
    [(8, [1], [8]), (8, [3, 1], [6, 2]), (10, [1, 1, 1], [4, 3, 3]), (64, [0.7, 0.2, 0.1], [45, 13, 6])],
)
def test_a_batch_is_shared_out_by_the_largest_remainders(batch: int, shares: list[float], counts: list[int]) -> None:
    assert shared_out(batch, shares) == counts


@pytest.mark.parametrize(("batch", "shares"), [(8, [1, 0]), (8, [100, 1]), (8, [])])
def test_shares_that_leave_a_source_out_are_refused(batch: int, shares: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        shared_out(batch, shares)


def test_every_batch_has_each_sources_share(cache: ClipCache, other: Path, tmp_path: Path) -> None:
    films = open_cache(open_source(other, stretch_s=2.0), tiny.INPUTS, MARGIN, keep=tmp_path)
    both = stream([Part(cache, 3.0), Part(films, 1.0)])
    assert both.clips == 18 + 12
    plans = [both._plan(step) for step in range(6)]
    assert {(len(a[0].rows), len(b[0].rows)) for a, b in plans} == {(6, 2)}
    first, second = ([int(r) for p in plans[:n] for r in p[k][0].rows] for k, n in ((0, 3), (1, 6)))
    assert sorted(first) == list(range(18))  # each source has its own epochs
    assert sorted(second) == list(range(12))
    batch = both(0)
    assert not batch.has_text[6:].any()
    for world in (2, 4):
        assert equal(joined([stream(both.parts, rank=r, world=world)(4) for r in range(world)]), both(4))


def test_replicas_see_together_what_one_process_sees(cache: ClipCache) -> None:
    whole = stream(cache)(3)
    for world in (2, 4):
        assert equal(joined([stream(cache, rank=r, world=world)(3) for r in range(world)]), whole)


def test_decoding_on_the_way_gives_what_a_cache_gives(data: Path, cache: ClipCache) -> None:
    """Frames to the bit; sound but for the cut, which the resampler sees. Whatever is asked for before."""
    reader = Decoder(open_source(data), MARGIN, 1)
    live, kept = stream(reader), stream(cache)
    for step in (5, 0, 1):
        a, b = live(step), kept(step)
        assert torch.equal(a.frames, b.frames)
        assert torch.equal(a.ids, b.ids)
        assert torch.equal(a.has_sound, b.has_sound)
        assert (a.sound - b.sound).abs().max() < 0.02
    reader.close()


def damaged(source: Source, folder: Path, rows: list[int]) -> Source:
    """The source with some clips' files broken."""
    items = list(source.items)
    for row in rows:
        path = folder / f"{row}.mp4"
        path.write_bytes(b"broken")
        items[row] = replace(items[row], path=str(path))
    return replace(source, items=items)


def test_a_damaged_clip_is_told_of_and_another_stands_for_it(data: Path, cache: ClipCache, tmp_path: Path) -> None:
    told: list[str] = []
    reader = Decoder(damaged(open_source(data), tmp_path, [4]), MARGIN, 1, told.append)
    picks = Picks(np.array([3, 4]), np.array([1, 1]), np.array([0.2, 0.2]))
    for _ in range(2):
        windows = reader.read(picks, tiny.INPUTS)
        assert [clip.id for clip in windows.clips] == ["03", "05"]
        assert np.array_equal(windows.frames[1], cache.frames[5, 1:9:2])
    assert len(told) == 1
    assert "04: " in told[0]
    reader.close()


def test_more_than_a_tenth_damaged_ends_training(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "JUDGED_FROM", 10)
    reader = Decoder(damaged(open_source(data), tmp_path, [1, 9, 12]), MARGIN, 1)
    every = np.arange(18)
    with pytest.raises(DataError, match="clips tried cannot be decoded"):
        reader.read(Picks(every, 0 * every, 0.0 * every), tiny.INPUTS)
    reader.close()


def test_a_clip_that_ends_the_process_has_a_stand_in_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that waits for the process would wait for ever."""
    data = write_set(tmp_path)
    monkeypatch.setattr(cache_module, "CHUNK", 2)
    monkeypatch.setattr(cache_module, "_Decode", DeadlyCacheDecode)
    told: list[tuple[int, int]] = []
    made = open_cache(data, tiny.INPUTS, MARGIN, progress=lambda n, of: told.append((n, of)))
    assert made.failed == 1
    assert [clip.id for clip in made.clips[:5]] == ["00", "01", "03", "03", "04"]
    assert [n for n, _ in told] == list(range(1, 19))
    monkeypatch.undo()
    again = open_cache(data, tiny.INPUTS, MARGIN)  # by a decoder that survives it
    assert again.failed == 0
    assert [clip.id for clip in again.clips[:5]] == ["00", "01", "02", "03", "04"]
    (tmp_path / "other").mkdir()
    whole = open_cache(write_set(tmp_path / "other"), tiny.INPUTS, MARGIN)
    assert np.array_equal(again.frames, whole.frames)


def test_a_cache_without_room_for_its_sound_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_set(tmp_path)
    real = cache_module.new_array

    def full(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
        if path.name == "sound.npy":
            raise OSError(28, "No space left on device", str(path))
        return real(path, kind, shape)

    monkeypatch.setattr(cache_module, "new_array", full)
    with pytest.raises(OSError, match="No space left"):
        open_cache(data, tiny.INPUTS, MARGIN)
    assert not list(data.glob("cache-*/*"))


def test_a_clip_that_ends_the_process_is_passed_over(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_decode", deadly_decode)
    told: list[str] = []
    reader = Decoder(open_source(data), MARGIN, 1, told.append)
    rows = np.arange(4)
    windows = reader.read(Picks(rows, 0 * rows, 0.0 * rows), tiny.INPUTS)
    assert [clip.id for clip in windows.clips] == ["00", "01", "03", "03"]
    assert told == ["passed over: 02: decoding it ends the process"]
    reader.close()


def test_of_a_clip_with_several_tracks_one_is_heard_at_a_time(cache: ClipCache) -> None:
    words = [w for w in tiny.word_table().words if w.isalpha()][:6]
    tracks = [words[:2], words[2:4], words[4:]]
    told = tuple(Narration(0.5, 1.0, word, track) for track, both in enumerate(tracks) for word in both)
    clips = [replace(clip, narrations=told if i else ()) for i, clip in enumerate(cache.clips[:4])]
    batches = stream(cache)
    luck = np.array([0.9, 0.0, 0.5, 0.99])
    ids, has_text = batches._words(clips, np.zeros(4, int), luck)
    assert has_text.sum(axis=1).tolist() == [0, 2, 2, 2]
    for row, track in ((1, 0), (2, 1), (3, 2)):
        assert {int(i) for i in ids[row, :2, 0]} == {int(i) for i in TOKENIZER(tracks[track])[:, 0]}


def test_words_that_are_all_unknown_are_no_text(cache: ClipCache) -> None:
    told = [("", "красный квадрат"), ("red", "", "красный квадрат", "blue"), ("red", "unheard of")]
    tracks = [(0, 0), (0, 0, 0, 0), (0, 1)]
    clips = [
        replace(clip, narrations=tuple(Narration(0.5, 1.0, text, n) for text, n in zip(texts, ns, strict=True)))
        for clip, texts, ns in zip(cache.clips, told, tracks, strict=False)
    ]
    ids, has_text = stream(cache)._words(clips, np.zeros(3, int), np.array([0.0, 0.0, 0.99]))
    assert has_text.sum(axis=1).tolist() == [0, 2, 1]
    assert not ids[0].any()
    assert np.array_equal(ids[1, :2], TOKENIZER(["red", "blue"]))
    assert np.array_equal(ids[2, :1], TOKENIZER(["red"]))


def test_sound_is_shifted_against_the_picture_only_where_asked(cache: ClipCache) -> None:
    same, moved = stream(cache)._plan(0)[0][0], stream(cache, time_shift_s=0.3)._plan(0)[0][0]
    assert np.array_equal(same.rows, moved.rows)
    assert np.array_equal(same.starts, moved.starts)
    shift = moved.sound_s - same.sound_s
    assert 0 < np.abs(shift).max() <= 0.3
    assert moved.sound_s.min() >= 0
    assert moved.sound_s.max() <= 2.0 - 1.6 + 1e-6


def test_sound_and_picture_of_a_window_begin_together(cache: ClipCache) -> None:
    batches = stream(cache)
    picks = [batches._plan(step)[0][0] for step in range(20)]
    starts = np.concatenate([found.starts for found in picks])
    assert set(starts) == set(range(cache.frames.shape[1] - tiny.INPUTS.frames * PER_STEP + 1))  # all that there are
    assert np.allclose(np.concatenate([found.sound_s for found in picks]), starts * tiny.INPUTS.step_s / PER_STEP)


def test_half_of_the_clips_are_tinted() -> None:
    drawn = np.full((3, DRAWS), 0.5)
    drawn[:, [RED, GREEN, BLUE]] = (1.0, 0.0, 0.5)
    drawn[:, TINT] = (0.4, 0.75, 1.0)
    black = torch.zeros(3, 2, 4, 4, 3, dtype=torch.uint8)
    found = colours(black, drawn, AugmentConfig(brightness=0, contrast=0, tint=0.4))
    wanted = torch.tensor([[0.0, 0, 0], [0.2, 0, 0.1], [0.4, 0, 0.2]])
    torch.testing.assert_close(found, wanted[:, None, None, None].expand_as(found).to(found))


def test_words_are_left_out_but_no_text_is_emptied() -> None:
    random = np.random.default_rng(2)
    ids, drawn = random.integers(1, 50, (40, 4, 10)), random.random((40, DRAWS))
    ids[:, :, 6:] = 0
    ids[:, 3] = 0  # a clip of three narrations
    found = fewer_words(ids, drawn, AugmentConfig(word_dropout=0.3))
    kept = found[:, :3, :6] > 0
    assert kept.mean() == pytest.approx(0.7, abs=0.05)
    assert (found[:, :3, :6][kept] == ids[:, :3, :6][kept]).all()
    assert not found[:, 3].any()
    assert np.array_equal(found[7:9], fewer_words(ids[7:9], drawn[7:9], AugmentConfig(word_dropout=0.3)))
    assert (fewer_words(ids, drawn, AugmentConfig(word_dropout=1.0))[:, :3] > 0).sum(axis=2).tolist() == [[1] * 3] * 40


def test_colours_turn_and_fade_but_leave_grey() -> None:
    drawn = np.full((2, DRAWS), 0.5)
    grey = torch.full((2, 1, 2, 2, 3), 128, dtype=torch.uint8)
    red = torch.zeros(2, 1, 2, 2, 3, dtype=torch.uint8)
    red[..., 0] = 200
    plain = AugmentConfig(saturation=1.0, hue=1.0)
    assert torch.allclose(colours(red, drawn, plain), red / 255, atol=1e-3)  # the middle of each range changes nothing
    drawn[0, SATURATION] = 0.0  # no colour is left
    drawn[1, HUE] = 0.5 + 1 / 6  # a third of the circle: red to green
    assert torch.allclose(colours(grey, drawn, plain), grey / 255, atol=1e-3)
    found = colours(red, drawn, plain)
    assert found[0].std(dim=-1).max() < 1e-3
    assert found[1].mean(dim=(0, 1, 2)).argmax() == 1
    assert torch.equal(colours(red, drawn, AugmentConfig()), colours(red, drawn[::-1].copy(), AugmentConfig()))


def test_gain_is_in_decibels() -> None:
    drawn = np.full((2, DRAWS), 0.5)
    drawn[1, GAIN] = 1.0
    sound = gains(np.full((2, 3), 16_384, np.int16), drawn, AugmentConfig(gain_db=20.0))
    assert torch.allclose(sound[:, 0], torch.tensor([0.5, 5.0]))


def configured(*sources: SourceConfig, **changes: object) -> TrainConfig:
    return replace(tiny.config(), data=DataConfig(sources=sources, **changes))  # type: ignore[arg-type]


def test_a_configuration_names_its_sources(data: Path, other: Path, tmp_path: Path) -> None:
    config = configured(SourceConfig(str(data), share=3.0), SourceConfig(str(other)), stretch_s=2.0)
    assert build_config(TrainConfig, config_dict(config)) == config
    told: list[str] = []
    training = open_data(config, None, tmp_path, report=told.append)
    assert [part.share for part in training.parts] == [3.0, 1.0]
    assert len(training.cache.clips) == 18
    assert "12 clips (stretches of films)" in told[1]
    whole = stream(training.parts)
    assert merged(training.sources).fingerprint == whole.fingerprint
    live = open_data(replace(config, data=replace(config.data, cache=False, workers=1)), None, tmp_path)
    assert torch.equal(stream(live.parts)(2).frames, whole(2).frames)
    live.close()
    with pytest.raises(DataError, match="pass --data, or name data"):
        open_data(tiny.config(), None, tmp_path)


def test_a_share_of_the_clips_can_be_held_out(other: Path, tmp_path: Path) -> None:
    config = configured(SourceConfig(str(other)), stretch_s=2.0, hold_out=0.2)
    training = open_data(config, None, tmp_path)
    assert training.held_out is not None
    kept, held = ([item.id for item in s.items] for s in (training.sources[0], training.held_out))
    assert held == ["a.mp4@10.000", "b.mp4@10.000"]
    assert len(kept) == 10
    assert [clip.id for clip in training.cache.clips] == kept
