"""HowTo100M and AudioSet in the layouts in which they are published, in miniature."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.preprocess.media import MediaError, read_frames
from models.tests import media_samples, tiny
from models.training.data.cache import open_cache
from models.training.data.decode import Layout, decode
from models.training.data.sample import DataError
from models.training.data.sources import open_source

CAPTIONS = {
    "nVbIUDjzWY4": {"start": [0.0, 1.0, 4.0], "end": [1.5, 2.5, 5.5], "text": ["take two eggs", "mix them", "bake it"]},
    "-0gone00000": {"start": [0.0], "end": [2.0], "text": ["nobody has this video"]},
    "_silentvid0": {"start": [0.5], "end": [1.5], "text": ["no sound here"]},
    "malformed00": {"start": [0.0, 1.0], "end": [2.0], "text": ["one end is missing"]},
    "notlisted00": {"start": [0.0], "end": [2.0], "text": ["not in the list"]},
}
LIST = """video_id,category_1,category_2,rank,task_id
nVbIUDjzWY4,Food and Entertaining,Recipes,1,46507
-0gone00000,Food and Entertaining,Recipes,2,46507
_silentvid0,Hobbies and Crafts,Games,3,2
malformed00,Hobbies and Crafts,Games,4,2
uncaptioned,Hobbies and Crafts,Games,5,2
"""
SEGMENTS = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=5, num_segs=5, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 1.000, 4.000, "/m/09x0r,/t/dd00088"
-0cut000000, 30.000, 33.000, "/m/012xff"
-1ms0000000, 5.500, 8.500, "/m/012xff"
-2Y00000000, 0.000, 3.000, "/m/03fwl"
-3gone00000, 30.000, 33.000, "/m/04rlf,/m/09x0r"
"""


@pytest.fixture(scope="module")
def howto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("howto100m")
    (folder / "caption.json").write_text(json.dumps(CAPTIONS))
    (folder / "HowTo100M_v1.csv").write_text(LIST)
    (folder / "videos" / "part0").mkdir(parents=True)
    media_samples.film(folder / "videos" / "part0" / "nVbIUDjzWY4.mp4", 1, 6.0)
    media_samples.silent_film(folder / "videos" / "_silentvid0.mkv", 2, 2.0)
    media_samples.silent_film(folder / "videos" / "malformed00.mp4", 2, 1.0)
    media_samples.silent_film(folder / "videos" / "notlisted00.mp4", 2, 1.0)
    media_samples.empty_file(folder / "videos" / "-0gone00000.mp4")  # as a download that failed leaves it
    return folder


@pytest.fixture(scope="module")
def audioset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audioset")
    (folder / "balanced_train_segments.csv").write_text(SEGMENTS)
    (folder / "eval_segments.csv").write_text(SEGMENTS)
    media_samples.film(folder / "--PJHxphWEs.mp4", 3, 5.0)
    for name in ("-0cut000000_30.mp4", "-1ms0000000_5500_8500.mkv", "Y-2Y00000000.mp4"):
        media_samples.film(folder / name, 4, 3.0)
    return folder


def test_howto100m_gives_stretches_around_captions_of_the_videos_there_are(howto: Path) -> None:
    found = open_source(howto, stretch_s=3.0)
    assert found.kind == "HowTo100M"
    assert [(i.id, i.start_s) for i in found.items] == [
        ("nVbIUDjzWY4@0.000", 0.0),
        ("nVbIUDjzWY4@2.500", 2.5),
        ("_silentvid0@0.000", 0.0),
    ]
    assert [[n.text for n in i.narrations] for i in found.items] == [
        ["take two eggs", "mix them"],
        ["bake it"],
        ["no sound here"],
    ]
    assert found.skipped == {"unavailable": 1, "with malformed captions": 1, "listed without captions": 1}
    assert "skipped: 1 unavailable" in found.describe()


def test_a_video_found_silent_counts_as_silent(howto: Path, tmp_path: Path) -> None:
    kept = open_cache(open_source(howto, stretch_s=3.0), tiny.INPUTS, 0.125, keep=tmp_path, processes=1)
    assert [clip.has_audio for clip in kept.clips] == [True, True, False]
    again = open_cache(open_source(howto, stretch_s=3.0), tiny.INPUTS, 0.125, keep=tmp_path, processes=1)
    assert [clip.has_audio for clip in again.clips] == [True, True, False]
    whole = list(read_frames(howto / "videos" / "part0" / "nVbIUDjzWY4.mp4", 0.1, 36, 45))
    start = round(2.5 / 0.1)
    assert np.array_equal(kept.frames[1, :6], np.stack(whole[start : start + 12 : 2]))


def test_raw_captions_with_the_videos_elsewhere(howto: Path, tmp_path: Path) -> None:
    (tmp_path / "raw_caption.json").write_text(json.dumps(CAPTIONS))
    found = open_source(tmp_path / "raw_caption.json", videos=howto / "videos", stretch_s=3.0)
    assert {i.file for i in found.items} == {"nVbIUDjzWY4", "_silentvid0", "notlisted00"}


def test_captions_of_another_shape_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "caption.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="object of video ids"):
        open_source(tmp_path)
    (tmp_path / "caption.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        open_source(tmp_path)


def test_audioset_finds_whole_videos_and_segments_that_were_cut_out(audioset: Path) -> None:
    found = open_source(audioset)
    assert [(i.id, i.file, i.start_s, i.duration_s) for i in found.items] == [
        ("--PJHxphWEs_1", "--PJHxphWEs.mp4", 1.0, 3.0),
        ("-0cut000000_30", "-0cut000000_30.mp4", 0.0, 3.0),
        ("-1ms0000000_5.5", "-1ms0000000_5500_8500.mkv", 0.0, 3.0),
        ("-2Y00000000_0", "Y-2Y00000000.mp4", 0.0, 3.0),
    ]
    assert found.skipped == {"unavailable": 1}
    assert not any(i.narrations for i in found.items)


def test_a_file_named_as_a_video_but_cut_to_the_segment_is_read_from_its_beginning(tmp_path: Path) -> None:
    media_samples.film(tmp_path / "cut.mp4", seconds=2.0)
    media_samples.film(tmp_path / "whole.mp4", seconds=6.0)
    rows = ["cut, 30.000, 32.000", "whole, 3.000, 5.000", "whole, 30.000, 32.000", "cut, 30.000, 30.500"]
    (tmp_path / "balanced_train_segments.csv").write_text("".join(f'{row}, "/m/09x0r"\n' for row in rows))
    cut, part, beyond, shorter = open_source(tmp_path).items
    layout = Layout(0.2, 16, 16, "area", 8000, 8, 8000)
    plain = decode(replace(cut, start_s=0.0), layout)
    found = decode(cut, layout)
    assert np.array_equal(found.frames, plain.frames)
    assert found.sound is not None
    assert plain.sound is not None
    assert np.array_equal(found.sound, plain.sound)
    assert not np.array_equal(decode(part, layout).frames, plain.frames)
    for item in (beyond, shorter):  # of no segment of that length
        with pytest.raises(MediaError, match="no frame can be decoded 30"):
            decode(item, layout)


def test_audiosets_evaluation_segments_are_used_only_by_name(audioset: Path, tmp_path: Path) -> None:
    assert len(open_source(audioset / "eval_segments.csv").items) == 4
    (tmp_path / "eval_segments.csv").write_text(SEGMENTS)
    with pytest.raises(DataError, match="neither balanced_train"):
        open_source(tmp_path, "audioset", videos=audioset)


def test_a_link_to_nothing_is_an_unavailable_video(audioset: Path, tmp_path: Path) -> None:
    (tmp_path / "balanced_train_segments.csv").write_text(SEGMENTS)
    (tmp_path / "--PJHxphWEs.mp4").symlink_to(audioset / "--PJHxphWEs.mp4")
    (tmp_path / "-3gone00000.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = open_source(tmp_path)
    assert [i.id for i in found.items] == ["--PJHxphWEs_1"]
    assert found.skipped == {"unavailable": 4}


def test_without_any_video_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "balanced_train_segments.csv").write_text(SEGMENTS)
    with pytest.raises(DataError, match=r"nothing to train on.*5 unavailable"):
        open_source(tmp_path)
    (tmp_path / "balanced_train_segments.csv").write_text("a, b\n")
    with pytest.raises(DataError, match="not an id, two times"):
        open_source(tmp_path)
