"""Picture and sound read in one pass are what they are when each is read by itself, whoever reads first."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from models.preprocess.media import MediaError, frames_on_grid, in_one_pass, read_audio
from models.tests import media_samples

STEP_S, RATE = 0.2, 8000


def pictures(path: Path) -> list[np.ndarray]:
    return [frame.to_ndarray(format="rgb24") for frame in frames_on_grid(path, STEP_S)]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("order", ["picture first", "sound first", "in turns"])
def test_both_are_as_if_read_alone(tmp_path: Path, name: str, order: str) -> None:
    path = media_samples.film(tmp_path / name, 0, 3.0)
    with closing(in_one_pass(path)) as both:
        seen, heard = frames_on_grid(both, STEP_S), read_audio(both, RATE)
        frames, chunks = [], []
        if order == "sound first":
            chunks = list(heard)
        if order == "in turns":
            frames, chunks = [next(seen).to_ndarray(format="rgb24")], [next(heard)]
        frames += [frame.to_ndarray(format="rgb24") for frame in seen]
        chunks += list(heard)
    assert np.array_equal(frames, pictures(path))
    assert np.array_equal(np.concatenate(chunks), np.concatenate(list(read_audio(path, RATE))))


def test_what_is_not_there_is_empty(tmp_path: Path) -> None:
    with closing(in_one_pass(media_samples.silent_film(tmp_path / "silent.mp4"))) as both:
        assert not list(read_audio(both, RATE))
        assert list(frames_on_grid(both, STEP_S))
    with closing(in_one_pass(media_samples.sound_with_cover(tmp_path / "cover.mp3"))) as both:
        assert not list(frames_on_grid(both, STEP_S))
        assert list(read_audio(both, RATE))


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not a video"):
        in_one_pass(media_samples.text_named_mp4(tmp_path / "text.mp4"))
