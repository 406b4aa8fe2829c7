"""Kinetics-600 and AudioSet on miniature data sets in their published layouts."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from models.bundle import load_bundle, shipped_bundle_path
from models.preprocess.media import MediaError
from models.runtime import Encoders
from models.tests.tiny_sets import BLUE, RED, TONES, coverage, evaluate, figure, film, text, tone
from models.training.evaluation.protocols import audioset, kinetics600
from models.training.evaluation.protocols.files import SOUNDS, by_stem
from models.training.evaluation.protocols.result import ProtocolError

HEADER = "label,youtube_id,time_start,time_end,split"


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders(load_bundle(shipped_bundle_path()))


def test_kinetics600_tells_colours_apart(tmp_path: Path, encoders: Encoders) -> None:
    """Lists as published; films in folders of labels in training, flat in validation, one of them gone."""
    data = tmp_path / "data"
    lists: dict[str, list[str]] = {"train": [HEADER], "validate": [HEADER]}
    for label, colour in (("bee keeping", RED), ("calf roping, wide", BLUE)):
        for i in range(4):
            part = "train" if i < 3 else "validate"
            name = f"-{label[0]}xyz{i}"
            lists[part].append(f'"{label}",{name},{10 * i},{10 * i + 10},{part}')
            file = f"{name}_{10 * i:06d}_{10 * i + 10:06d}.mp4"
            film(data / part / (f"{label}/{file}" if part == "train" else file), colour, i)
    lists["validate"].append("bee keeping,gone0000000,1,11,validate")
    for part, rows in lists.items():
        text(data / "annotations" / f"{part}.csv", *rows)
    result = evaluate("kinetics600", encoders, data)
    assert figure(result, "top-1, validation").value == 1
    assert figure(result, "top-1, validation").chance == 0.5
    assert coverage(result, "training") == (6, 6, 0, 0)
    assert coverage(result, "validation") == (3, 2, 1, 0)
    assert "1 windows of each training film" in result.recipe["features"]
    assert len(result.warnings()) == 1
    with pytest.raises(ProtocolError, match="lacks label, youtube_id"):
        kinetics600.read(text(tmp_path / "wrong.csv", "label,id", "x,y"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes; segments as files of their own, by several names, and one as a part of a whole video's sound."""
    data = tmp_path_factory.mktemp("audioset") / "data"
    text(
        data / "class_labels_indices.csv",
        "index,mid,display_name",
        '0,/m/09x0r,"Speech"',
        '1,/m/05zppz,"Male speech, man speaking"',
        '2,/t/dd00003,"Male singing"',
        '3,/m/none,"Never heard"',
    )
    mids = ["/m/09x0r", "/m/05zppz", "/t/dd00003"]
    comments = [
        "# Segments csv created Sun Mar  5 10:54:31 2017",
        "# num_ytids=9, num_segs=9, num_unique_labels=3, num_positive_labels=9",
        "# YTID, start_seconds, end_seconds, positive_labels",
    ]
    for part, copies in (("balanced_train", 3), ("eval", 2)):
        rows = list(comments)
        for label, hertz in enumerate(TONES):
            for i in range(copies):
                name, start = f"-{part[0]}{label}video{i}", 30 * i
                tags = ",".join([mids[label], mids[0]] if label == 1 else [mids[label]])
                rows.append(f'{name}, {start}.000, {start + 2}.000, "{tags}"')
                stem = [f"{name}_{start}.000", f"Y{name}_{start}", f"{name}_{1000 * start}_{1000 * start + 2000}"][i]
                tone(data / "audio" / part / f"{stem}.wav", hertz, 10 * label + i)
        text(data / f"{part}_segments.csv", *rows, f'{part}gone, 0.000, 10.000, "{mids[2]}"')
    return data


def test_audioset_tells_tones_apart(sounds: Path, encoders: Encoders) -> None:
    result = evaluate("audioset", encoders, sounds, windows=2)
    assert coverage(result, "training") == (10, 9, 1, 0)
    assert coverage(result, "evaluation") == (7, 6, 1, 0)
    found = figure(result, "mAP")
    assert found.value > 0.9
    assert found.chance == pytest.approx((4 / 6 + 2 / 6 + 2 / 6) / 3)
    assert "mean over 3 classes" in result.recipe["mAP"]
    assert "1 classes never sound" in result.recipe["mAP"]


def test_audiosets_map_is_a_hand_value() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], bool)
    scores = np.array([[0.9, 0.1, 0], [0.8, 0.9, 0], [0.7, 0.2, 0], [0.1, 0.8, 0]])
    found, classes = audioset.mean_average_precision(scores, truth)
    assert classes == 2  # the third is never true
    by_hand = ((1 + 2 / 3) / 2 + (1 + 2 / 3) / 2) / 2
    assert found.value == pytest.approx(by_hand)
    assert found.value == pytest.approx(np.mean([average_precision_score(truth[:, c], scores[:, c]) for c in (0, 1)]))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_audiosets_lists_and_names_of_files_are_read_as_published(sounds: Path) -> None:
    segments = audioset.read_segments(sounds / "balanced_train_segments.csv")
    assert segments[0] == audioset.Segment("-b0video0", 0.0, 2.0, ("/m/09x0r",))
    assert segments[4].tags == ("/m/05zppz", "/m/09x0r")
    there = by_stem(sounds, SOUNDS)
    tasks = [audioset.task(s, there, 1) for s in segments]
    assert [t.path is not None for t in tasks] == [True] * 9 + [False]
    assert all(t.path is None or audioset.part_of_video(t, t.path) is None for t in tasks)
    whole = audioset.task(segments[1], {"-b0video1": Path("-b0video1.m4a")}, 1)
    assert whole.path is not None
    assert audioset.part_of_video(whole, whole.path) == (30.0, 32.0)


def test_a_part_of_a_whole_video_is_that_part(tmp_path: Path) -> None:
    from models.tests.media_samples import sound, sound_file
    from models.training.evaluation.protocols.sounds import read_sound

    wave = sound(0, 4.0)
    path = sound_file(tmp_path / "x.wav", wave=wave)
    np.testing.assert_allclose(read_sound(path, 16_000, (1.0, 2.5)), wave[16_000:40_000], atol=1e-3)
    np.testing.assert_allclose(read_sound(path, 16_000), wave, atol=1e-3)
    # Named as the whole video would be, but cut to the segment.
    np.testing.assert_allclose(read_sound(path, 16_000, (30.0, 34.0)), wave, atol=1e-3)
    np.testing.assert_allclose(read_sound(path, 16_000, (30.0, 33.5)), wave[:56_000], atol=1e-3)
    with pytest.raises(MediaError, match="no sound"):
        read_sound(path, 16_000, (30.0, 32.0))  # it is longer, and ends before
