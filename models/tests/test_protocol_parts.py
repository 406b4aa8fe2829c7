"""What the protocols are made of: the cache of features, intervals, average precision, windows, finding files."""

import errno
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from models.bundle import InputSpec
from models.preprocess import published
from models.preprocess.media import MediaError, frames_on_grid
from models.tests import media_samples, tiny_sets
from models.training.evaluation.protocols import features, films, sounds
from models.training.evaluation.protocols.features import Features, Task, embed_tasks
from models.training.evaluation.protocols.files import Folder, by_stem, first_of
from models.training.evaluation.protocols.intervals import interval, mean_share
from models.training.evaluation.protocols.linear import fit_probe, mean_scores, ranked_labels
from models.training.evaluation.protocols.precision import area_precision, eleven_point_precision, ranked
from models.training.evaluation.protocols.result import Coverage, Figure, ProtocolError, Result
from models.training.evaluation.protocols.streaming import train_classifier

RECIPE = {"protocol": "test", "part": "training"}


class Embedder:
    """Embeds a file as its length, in all `rows` rows of 2; counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fail: BaseException | None = None

    def __call__(self, task: Task, path: Path) -> np.ndarray:
        self.asked.append(task.key)
        if self.fail and len(self.asked) > 2:
            raise self.fail
        data = path.read_bytes()
        if data == b"broken":
            raise MediaError("not_media", "broken")
        return np.full((task.rows, 2), len(data), np.float32)


def tasks(folder: Path, *names: str) -> list[Task]:
    return [Task(n, folder / n if (folder / n).is_file() else None, i + 1) for i, n in enumerate(names)]


def embedded(folder: Path, embed: Embedder, *names: str, recipe: dict | None = None) -> Features:
    return embed_tasks(folder / "cache", tasks(folder, *names), 2, recipe or RECIPE, embed, lambda _n, _of: None, 1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, content in (("a", b"1"), ("b", b"22"), ("c", b"broken"), ("e", b"55555")):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_features_of_missing_and_unreadable_files_are_told_apart(files: Path) -> None:
    found = embedded(files, Embedder(), "a", "b", "c", "d", "e")
    assert found.used.tolist() == [True, True, False, False, True]
    assert found.coverage("all") == Coverage("all", 5, 3, 1, 1)
    assert found.coverage("some", np.array([0, 3])) == Coverage("some", 2, 1, 1, 0)
    np.testing.assert_array_equal(found.of(4), np.full((5, 2), 5))
    np.testing.assert_array_equal(found.stacked(np.array([0, 1])), [[1, 1], [2, 2], [2, 2]])


def test_features_are_computed_once_and_again_only_for_files_that_are_new_or_changed(files: Path) -> None:
    names = ("a", "b", "c", "d", "e")
    embedded(files, Embedder(), *names)
    again = Embedder()
    embedded(files, again, *names)
    assert again.asked == []
    (files / "d").write_bytes(b"4444")
    (files / "a").write_bytes(b"another")
    found = embedded(files, again, *names)
    assert again.asked == ["a", "d"]
    assert found.of(0)[0, 0] == 7
    assert found.of(3)[0, 0] == 4
    (files / "b").unlink()
    assert embedded(files, again, *names).coverage("all") == Coverage("all", 5, 3, 1, 1)


def test_another_recipe_has_features_of_its_own(files: Path) -> None:
    embedded(files, Embedder(), "a")
    again = Embedder()
    embedded(files, again, "a", recipe={**RECIPE, "bundle": "another"})
    assert again.asked == ["a"]


def test_an_interrupted_embedding_goes_on_where_it_stopped(files: Path) -> None:
    interrupted = Embedder()
    interrupted.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        embedded(files, interrupted, "a", "b", "e")
    again = Embedder()
    found = embedded(files, again, "a", "b", "e")
    assert again.asked == ["e"]
    assert found.stacked(np.arange(3))[:, 0].tolist() == [1, 2, 2, 5, 5, 5]


def test_a_full_disk_is_told_in_one_line(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(features.os, "fsync", full)
    with pytest.raises(ProtocolError, match="the disk is full"):
        embedded(files, Embedder(), "a", "b")


def test_the_probe_is_scikit_learns_on_standardised_features() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(60, 5)) * 30 + 7).astype(np.float32)
    labels = np.repeat([2, 5, 9], 20)
    rows[:, 0] += 100 * labels
    probe = fit_probe(rows, labels, 0.01)
    scaler = StandardScaler().fit(rows)
    svm = LinearSVC(C=0.01, random_state=0).fit(scaler.transform(rows), labels)
    scores = svm.decision_function(scaler.transform(rows))
    np.testing.assert_allclose(probe.scores(rows), scores, atol=1e-6)
    by_hand = scores.reshape(20, 3, 3).mean(axis=1)
    np.testing.assert_allclose(mean_scores(probe.scores(rows), 3), by_hand, atol=1e-6)
    assert ranked_labels(by_hand, probe.classes)[:, 0].tolist() == [svm.classes_[i] for i in by_hand.argmax(axis=1)]


def test_two_classes_have_a_score_each() -> None:
    rows = np.array([[0.0], [1], [10], [11]], np.float32)
    probe = fit_probe(rows, np.array([3, 3, 4, 4]), 1.0)
    assert ranked_labels(probe.scores(rows), probe.classes)[:, 0].tolist() == [3, 3, 4, 4]


def test_area_precision_is_a_hand_value_and_scikit_learns() -> None:
    relevant = np.array([True, False, True, False, False])
    assert area_precision(relevant) == pytest.approx((1 + 2 / 3) / 2)
    rng = np.random.default_rng(1)
    scores, truth = rng.normal(size=50), rng.random(50) < 0.3
    order, in_order = ranked(scores, truth)
    assert area_precision(in_order) == pytest.approx(average_precision_score(truth, scores))
    counts = rng.integers(0, 3, 50)
    copies = np.repeat(np.arange(50), counts)
    # Copies of an item have one score: scikit-learn looks at them together, and so does the last copy's precision.
    np.testing.assert_allclose(
        area_precision(in_order, counts[order]), average_precision_score(truth[copies], scores[copies])
    )
    assert np.isnan(area_precision(np.zeros(3, bool)))


def test_eleven_point_precision_is_a_hand_value() -> None:
    # Precision 1 up to recall 1/2, then 2/4 up to recall 1: six levels (0 to 0.5) of 1, five of 1/2.
    relevant = np.array([True, False, False, True, False])
    assert eleven_point_precision(relevant) == pytest.approx((6 * 1 + 5 * 0.5) / 11)
    # The best precision at a recall or beyond: 2/3 for all levels up to 2/3 (seven), then 3/5 (four).
    relevant = np.array([False, True, True, False, True])
    assert eleven_point_precision(relevant) == pytest.approx((7 * 2 / 3 + 4 * 3 / 5) / 11)
    assert eleven_point_precision(np.array([True, True])) == pytest.approx(1)
    twice = eleven_point_precision(np.array([False, True]), np.array([2, 1]))
    assert twice == pytest.approx(1 / 3)


def test_the_interval_is_that_of_a_share() -> None:
    right = np.array([1.0] * 80 + [0.0] * 20)[:, None]
    low, high = interval(mean_share(right), 100)
    assert low is not None
    assert high is not None
    spread = 1.96 * (0.8 * 0.2 / 100) ** 0.5
    assert low == pytest.approx(0.8 - spread, abs=0.02)
    assert high == pytest.approx(0.8 + spread, abs=0.02)


def test_there_is_no_interval_of_what_has_no_value() -> None:
    assert interval(lambda _counts: float("nan"), 5, resamples=3) == (None, None)


def test_the_mean_over_splits_weighs_splits_alike() -> None:
    nan = np.nan
    right = np.array([[1, nan], [0, nan], [nan, 1], [nan, 1], [nan, 1]], float)
    assert mean_share(right)(np.ones(5, int)) == pytest.approx((1 / 2 + 1) / 2)
    assert np.isnan(mean_share(right)(np.array([0, 0, 1, 1, 1])))


def frames(count: int, height: int = 4, width: int = 6) -> np.ndarray:
    out = np.zeros((count, height, width, 3), np.uint8)
    out[..., 0] = np.arange(count)[:, None, None]
    out[..., 1] = np.arange(width)
    return out


SPEC = InputSpec(0.8, 0.8, 4, 4, 4, 16_000, 4)


def test_test_windows_are_spread_and_training_windows_lie_anywhere_within_the_film() -> None:
    film = films.Film(frames(20), SPEC)
    windows = film.test_windows(3)
    assert windows.shape == (3, 4, 4, 4, 3)
    assert windows[:, :, 0, 0, 0].tolist() == [[0, 2, 4, 6], [6, 8, 10, 12], [12, 14, 16, 18]]
    assert (windows[..., 1] == [1, 2, 3, 4]).all()  # the centre of 6 columns
    drawn = film.training_windows(200, np.random.default_rng(0))
    starts = drawn[:, 0, 0, 0, 0]
    assert set(starts.tolist()) == set(range(14))  # the last frame of the last window is number 19
    assert (drawn[:, 1:, 0, 0, 0].astype(int) - drawn[:, :-1, 0, 0, 0] == 2).all()
    columns = {tuple(row) for row in drawn[:, 0, 0, :, 1].tolist()}
    forward = {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)}
    assert columns == forward | {tuple(reversed(c)) for c in forward}


def test_a_film_shorter_than_a_window_goes_round() -> None:
    film = films.Film(frames(3), SPEC)
    assert film.test_windows(2)[:, :, 0, 0, 0].tolist() == [[0, 2, 1, 0]] * 2


def test_a_bundle_of_published_weights_gets_the_references_own_windows(tmp_path: Path) -> None:
    """25 frames a second, every second one, the smaller side at 32 by its bilinear resize, the centre of it."""
    spec = InputSpec(3.2, 1.6, 4, 32, 32, 48_000, 16, resize="bilinear")
    path = media_samples.film(tmp_path / "film.mp4", seconds=1, with_sound=False)
    film = films.read_film(path, spec)
    shown = [frame.to_ndarray(format="rgb24") for frame in frames_on_grid(path, 1 / 25)]
    whole = np.stack([published.resize_smaller_side(frame, 32) for frame in shown])
    assert whole.shape == (25, 32, 42, 3)
    np.testing.assert_array_equal(film.frames, whole)
    starts = published.evaluation_window_starts(25, 4, 2, 3)
    by_hand = [published.centre_crop(whole[published.window_indices(s, 25, 4, 2)], 32) for s in starts]
    np.testing.assert_array_equal(film.test_windows(3), np.stack(by_hand))


def test_a_phones_film_is_upright_and_a_long_film_is_cut_after_20_seconds(tmp_path: Path) -> None:
    phone = films.read_film(media_samples.phone_film(tmp_path / "phone.mp4", seconds=1), SPEC)
    assert phone.frames.shape[1:] == (5, 4, 3)
    long = films.read_film(tiny_sets.film(tmp_path / "long.avi", tiny_sets.RED, 0, seconds=21), SPEC)
    assert len(long.frames) == 200  # at 0.1 s
    with pytest.raises(MediaError):
        films.read_film(media_samples.text_named_mp4(tmp_path / "text.mp4"), SPEC)
    with pytest.raises(MediaError):
        films.read_film(media_samples.sound_file(tmp_path / "sound.wav"), SPEC)


def test_windows_of_a_long_film_are_those_of_the_whole() -> None:
    whole = frames(30)
    starts = [0, 1, 1, 9, 24, 28, 40]
    windows = list(films.windows_from(iter(whole), starts, 4))
    expected = [[0, 1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4], [9, 10, 11, 12], [24, 25, 26, 27], [28, 29, 28, 29], [29] * 4]
    assert [w[:, 0, 0, 0].tolist() for w in windows] == expected
    with pytest.raises(MediaError):
        list(films.windows_from(iter([]), [0], 4))


def test_windows_of_a_segment_end_with_it() -> None:
    np.testing.assert_allclose(films.segment_starts(10, 20, 4, 4), [10, 12, 14, 16])
    np.testing.assert_allclose(films.segment_starts(10, 12, 4, 3), [10, 10, 10])


def test_windows_of_a_sound_are_spread_or_anywhere() -> None:
    wave = np.arange(10, dtype=np.float32)
    assert sounds.spread_windows(wave, 4, 3)[:, 0].tolist() == [0, 3, 6]
    drawn = sounds.random_windows(wave, 4, 100, np.random.default_rng(0))
    assert set(drawn[:, 0].tolist()) == set(range(7))
    assert sounds.spread_windows(wave, 40, 2).shape == (2, 10)


def test_files_are_found_in_any_case_and_anywhere(tmp_path: Path) -> None:
    (tmp_path / "HandstandPushups").mkdir()
    there = tmp_path / "HandstandPushups" / "v_HandstandPushups_g01_c01.avi"
    there.write_bytes(b"x")
    folder = Folder(tmp_path)
    assert folder.find("HandstandPushups/v_HandStandPushups_g01_c01.avi") == there
    assert folder.find("HandstandPushups/v_none.avi") is None
    assert folder.find("None/v_none.avi") is None
    assert by_stem(tmp_path, (".avi",)) == {"v_HandstandPushups_g01_c01": there}
    with pytest.raises(ProtocolError, match=r"has no split lists; looked for lists, other/lists"):
        first_of(tmp_path, ["lists", "other/lists"], "split lists")


def test_much_that_is_missing_is_said_loudly() -> None:
    some = Result("p", "P", [Figure("top-1", 0.5, 0.4, 0.6, 0.01)], [Coverage("test", 200, 198, 2)], {})
    assert some.warnings() == []
    much = Result("p", "P", some.figures, [Coverage("test", 200, 190, 4, 6)], {"classes": "2"})
    assert len(much.warnings()) == 1
    page = much.page("b", "f" * 64, "mmv-search evaluate")
    assert "**WARNING: 10 of 200 of test (5.0%) could not be used (4 missing, 6 unreadable)" in page
    assert "| top-1 | 50.0 | 40.0 to 60.0 | 1.0 |" in page
    assert much.as_json("b", "f", "c")["warnings"] == much.warnings()


@pytest.mark.parametrize("hidden", [0, 16])
def test_the_streaming_classifier_learns_what_can_be_told_apart(hidden: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    rows = (rng.normal(size=(300, 8)) + 1000).astype(np.float32)
    rows[np.arange(300), labels] += 5
    used = np.flatnonzero(np.arange(300) % 7)  # not all of them
    one = train_classifier(rows, used, lambda picked: labels[used[picked]], 3, hidden=hidden)
    assert (one.scores(rows).argmax(axis=1) == labels).mean() > 0.97
    several = np.eye(3, dtype=np.float32)[labels]
    many = train_classifier(rows, used, lambda picked: several[used[picked]], 3, hidden=hidden)
    assert ((many.scores(rows) > 0) == several.astype(bool)).mean() > 0.97
