"""Sources on miniature data sets in their layouts: folders of films with subtitles, manifests, and parts held out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.preprocess.media import read_audio, read_frames
from models.tests import media_samples, tiny
from models.training.data.cache import ClipCache, open_cache
from models.training.data.hold_out import hold_out
from models.training.data.manifest import Clip, ManifestError, Narration, write_manifest
from models.training.data.sample import DataError, Source, fingerprint_of
from models.training.data.sources import open_source
from models.training.data.sources.folder import source_of_films
from models.training.data.stretches import Film, cut, cut_around_words

SRT = "1\n00:00:00,500 --> 00:00:01,500\nfirst words\n\n2\n00:00:04,000 --> 00:00:05,500\nlast words\n"
BAD_CUE = "\n3\n00:00:09,000 --> 00:00:08,000\nbackwards\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people have it: films with and without subtitles and sound, and things that are no films."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "below").mkdir()
    (folder / ".hidden").mkdir()
    media_samples.film(folder / "told.mp4", 1, 6.0)
    (folder / "told.srt").write_text(SRT + BAD_CUE)
    media_samples.silent_film(folder / "below" / "silent.mp4", 2, 3.0)
    media_samples.truncated_film(folder / "cut off.mp4")
    media_samples.text_named_mp4(folder / ".hidden" / "no film.mp4")
    media_samples.sound_file(folder / "sound.wav", 3, 2.0)
    media_samples.still(folder / "still.png")
    (folder / "notes.txt").write_text("nothing")
    return folder


@pytest.fixture(scope="module")
def source(films: Path) -> Source:
    return open_source(films, stretch_s=3.0)


@pytest.fixture(scope="module")
def cache(source: Source, tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    return open_cache(source, tiny.INPUTS, 0.125, keep=tmp_path_factory.mktemp("kept"), processes=1)


def test_films_are_cut_into_stretches_with_the_words_said_in_them(source: Source) -> None:
    assert [(i.id, i.start_s, i.has_audio) for i in source.items] == [
        ("below/silent.mp4", 0.0, False),
        ("told.mp4@0.000", 0.0, True),
        ("told.mp4@3.000", 3.0, True),
    ]
    assert [[n.text for n in i.narrations] for i in source.items] == [[], ["first words"], ["last words"]]
    assert source.items[2].narrations[0].start_s == pytest.approx(1.0)  # from the stretch's beginning


def test_what_cannot_be_used_is_counted_by_reason(source: Source) -> None:
    assert source.skipped == {"unreadable": 1, "without a moving picture": 2, "malformed subtitles": 1}
    line = source.describe()
    assert "3 clips" in line
    assert "2 of them with text" in line
    assert "skipped: 2 without a moving picture, 1 unreadable, 1 malformed subtitles" in line


def test_a_stretch_is_decoded_from_its_place_in_the_film(films: Path, cache: ClipCache) -> None:
    whole = np.stack(list(read_frames(films / "told.mp4", 0.2, 36, 45)))
    heard = np.concatenate(list(read_audio(films / "told.mp4", 8000)))
    assert np.array_equal(cache.frames[1], whole[:15])
    assert np.array_equal(cache.frames[2], whole[15:30])
    second = cache.sound[2].astype(float)
    assert np.corrcoef(second, heard[24_000:48_000])[0, 1] > 0.99
    assert np.corrcoef(second, heard[:24_000])[0, 1] < 0.5
    assert not cache.sound[0].any()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_reading_begins_at_a_time_in_files_that_can_seek_and_in_those_that_cannot(
    films: Path, tmp_path: Path, suffix: str
) -> None:
    film = media_samples.remuxed(films / "told.mp4", tmp_path / f"film{suffix}")
    whole = np.stack(list(read_frames(film, 0.2, 24, 32)))
    heard = np.concatenate(list(read_audio(film, 8000)))
    for start_s in (0.6, 3.0, 5.8):
        frames = np.stack(list(read_frames(film, 0.2, 24, 32, start_s=start_s)))
        assert np.array_equal(frames, whole[round(start_s / 0.2) :])
        sound = np.concatenate(list(read_audio(film, 8000, start_s=start_s)))
        rest = heard[round(start_s * 8000) :]
        assert abs(len(sound) - len(rest)) < 80
        both = min(len(sound), len(rest))
        assert np.corrcoef(sound[:both], rest[:both])[0, 1] > 0.99
    assert not list(read_frames(film, 0.2, 24, 32, start_s=60.0))


def test_decoded_clips_are_not_kept_in_other_peoples_folders(films: Path, source: Source, cache: ClipCache) -> None:
    with pytest.raises(DataError, match="not ours to write to"):
        open_cache(source, tiny.INPUTS, 0.125)
    assert not list(films.glob("cache-*"))


def test_another_film_of_the_same_name_is_other_data(tmp_path: Path) -> None:
    media_samples.film(tmp_path / "a.mp4", 1, 2.0)
    before = open_source(tmp_path).fingerprint
    assert open_source(tmp_path).fingerprint == before
    media_samples.film(tmp_path / "a.mp4", 2, 2.0)
    assert open_source(tmp_path).fingerprint != before


def test_a_plain_manifest_needs_no_more_than_files(films: Path, tmp_path: Path) -> None:
    rows = [
        {"file": "told.mp4"},
        {"file": "told.mp4", "start_s": 1.0, "end_s": 4.0, "narrations": [{"text": "all of it", "track": 2}]},
        {"file": "told.mp4", "id": "mine", "end_s": 2.0, "has_audio": False},
        {"file": "gone.mp4"},
        {"file": "sound.wav"},
        {"file": "cut off.mp4"},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = open_source(manifest, videos=films, stretch_s=4.0)
    assert [(i.id, i.start_s, i.duration_s, i.has_audio) for i in found.items] == [
        ("told.mp4@0.000", 0.0, 4.0, True),
        ("told.mp4@4.000", 4.0, pytest.approx(2.0, abs=0.1), True),
        ("told.mp4@1.000", 1.0, 3.0, True),
        ("mine", 0.0, 2.0, False),
    ]
    assert found.items[2].narrations == (Narration(0.0, 3.0, "all of it", 2),)
    assert found.skipped == {"missing": 1, "without a moving picture": 1, "unreadable": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [("{", "line 2"), ('{"id": "a"}', "the key 'file' is missing"), ('{"file": "a.mp4", "end_s": -1}', "not after")],
)
def test_a_mistake_in_a_manifest_is_named_by_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "manifest.jsonl").write_text('{"file": "b.mp4"}\n' + line)
    with pytest.raises(ManifestError, match=said):
        open_source(tmp_path)


def test_no_data_is_an_error_that_says_what_was_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        open_source(tmp_path / "nowhere")
    media_samples.text_named_mp4(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"nothing to train on.*skipped: 1 unreadable"):
        open_source(tmp_path)
    with pytest.raises(DataError, match="unknown kind of data 'films'; known are manifest"):
        open_source(tmp_path, "films")


def test_a_film_that_cannot_be_decoded_is_stood_in_for_by_another(films: Path, tmp_path: Path) -> None:
    """11 films, one of which breaks between being listed and being decoded."""
    folder = tmp_path / "films"
    folder.mkdir()
    for i in range(11):
        (folder / f"{i:02d}.mp4").write_bytes((films / "below" / "silent.mp4").read_bytes())
    found = open_source(folder)
    (folder / "04.mp4").write_bytes(b"broken")
    kept = open_cache(found, tiny.INPUTS, 0.125, keep=tmp_path, processes=1)
    assert kept.failed == 1
    assert kept.clips[4].id == "05.mp4"
    assert np.array_equal(kept.frames[4], kept.frames[5])
    (folder / "07.mp4").write_bytes(b"broken")
    with pytest.raises(DataError, match="2 of 11 clips"):
        open_cache(found, tiny.INPUTS, 0.125, keep=tmp_path / "other", processes=1)


def test_a_longer_set_takes_over_what_a_shorter_one_has_decoded(films: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes((films / "told.mp4").read_bytes())
    row = {"file": "a.mp4", "end_s": 2.0}
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps({"id": "1", **row}) + "\n")
    first = open_cache(tmp_path, tiny.INPUTS, 0.125, processes=1)
    first.frames[0] = 7  # as only the shorter set's cache has it
    manifest.write_text("".join(json.dumps({"id": i, **row}) + "\n" for i in "12"))
    longer = open_cache(tmp_path, tiny.INPUTS, 0.125, processes=1)
    assert (longer.frames[0] == 7).all()
    assert not (longer.frames[1] == 7).all()


def test_a_mended_line_of_a_plain_manifest_is_decoded_again(films: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes((films / "told.mp4").read_bytes())
    manifest = tmp_path / "manifest.jsonl"

    def opened(row: dict[str, object]) -> Source:
        manifest.write_text(json.dumps({"id": "1", "file": "a.mp4", **row}) + "\n")
        return open_source(tmp_path)

    first = opened({"start_s": 0.0, "end_s": 2.0})
    open_cache(first, tiny.INPUTS, 0.125, processes=1).frames[0] = 7
    assert opened({"start_s": 0.0, "end_s": 2.0}).fingerprint == first.fingerprint
    mended = opened({"start_s": 3.0, "end_s": 5.0})
    assert not (open_cache(mended, tiny.INPUTS, 0.125, processes=1).frames[0] == 7).all()
    assert len({first.fingerprint, mended.fingerprint, opened({"end_s": 3.0}).fingerprint}) == 3
    (tmp_path / "a.mp4").write_bytes((films / "told.mp4").read_bytes() + b"more")
    assert opened({"start_s": 0.0, "end_s": 2.0}).fingerprint != first.fingerprint


def test_the_fingerprint_of_footage_is_that_of_its_ids(films: Path, tmp_path: Path) -> None:
    """Bundles record it; that of footage never changes."""
    (tmp_path / "a.mp4").write_bytes((films / "told.mp4").read_bytes())
    clip = Clip("1", "a.mp4", 2.0, 10, True, True, "MAP01", 1, "freedoom")
    write_manifest(tmp_path / "manifest.jsonl", [clip])
    assert open_source(tmp_path).fingerprint == fingerprint_of([clip]) == "29845f4b5abf38a2"


def _films(count: int, seconds: float, path: Path) -> list[Film]:
    path.touch()
    return [Film(f"{i}.mp4", path, 0.0, seconds) for i in range(count)]


def test_of_many_films_whole_ones_are_held_out_and_of_few_their_ends(tmp_path: Path) -> None:
    many = source_of_films("films", tmp_path, _films(20, 60.0, tmp_path / "a"), 10.0)
    kept, held = hold_out(many, 0.2)
    assert {i.file for i in kept.items}.isdisjoint(i.file for i in held.items)
    assert len(held.items) == 24
    assert len({kept.fingerprint, held.fingerprint, many.fingerprint}) == 3
    assert hold_out(many, 0.2)[1].fingerprint == held.fingerprint
    few = source_of_films("films", tmp_path, _films(2, 60.0, tmp_path / "a"), 10.0)
    kept, held = hold_out(few, 0.2)
    assert [i.id for i in held.items] == ["0.mp4@50.000", "1.mp4@50.000"]
    assert len(kept.items) == 10
    with pytest.raises(DataError, match="too few to hold out 20%"):
        hold_out(source_of_films("films", tmp_path, _films(2, 5.0, tmp_path / "a"), 10.0), 0.2)


def test_a_film_too_long_to_hold_out_leaves_room_for_others(tmp_path: Path) -> None:
    films = _films(12, 20.0, tmp_path / "a")
    for place in range(12):
        uneven = [replace(film, end_s=1000.0) if i == place else film for i, film in enumerate(films)]
        kept, held = hold_out(source_of_films("films", tmp_path, uneven, 10.0), 0.1)
        assert f"{place}.mp4" not in {i.file for i in held.items}
        assert len(held.items) == 12
        assert len(kept.items) == 110


def test_stretches_cover_a_film_once(tmp_path: Path) -> None:
    items = cut(Film("a", tmp_path, 0.0, 34.0), 10.0)
    assert [(i.start_s, i.duration_s) for i in items] == [(0, 10), (10, 10), (20, 14)]
    assert [i.id for i in cut(Film("a", tmp_path, 0.0, 3.0), 10.0)] == ["a"]


def test_words_for_all_of_a_film_belong_to_every_stretch(tmp_path: Path) -> None:
    said = [Narration(0, 34, "all"), Narration(8, 11, "short"), Narration(12, 25, "long"), Narration(9, 16, "a half")]
    items = cut(Film("a", tmp_path, 0.0, 34.0, True, said), 10.0)
    assert [[(n.text, n.start_s, n.end_s) for n in i.narrations] for i in items] == [
        [("all", 0, 10), ("short", 8, 11)],
        [("all", 0, 10), ("long", 2, 10), ("a half", -1, 6)],
        [("all", 0, 14)],
    ]


def test_stretches_around_words_have_every_word_and_no_silence(tmp_path: Path) -> None:
    said = [Narration(s, s + 2, str(s)) for s in (0, 1, 9, 100, 104)] + [Narration(200, 230, "long")]
    items = cut_around_words(Film("a", tmp_path, 0.0, 300.0, True, said), 10.0)
    assert [i.start_s for i in items] == [0, 9, 100, 210]
    assert [n.text for i in items for n in i.narrations] == ["0", "1", "9", "100", "104", "long"]
    assert all(i.duration_s == 10 for i in items)
