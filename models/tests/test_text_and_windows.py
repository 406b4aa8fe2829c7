"""Tokens and windows: the small pure parts of preprocessing."""

from pathlib import Path

import numpy as np
import pytest

from models.preprocess.text import Tokenizer, UnknownWords, split_words
from models.preprocess.windows import fit_frames, window_starts

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "door", "opens"]


def test_words_are_lower_case_without_punctuation() -> None:
    assert split_words("A door, opens!  It's RED-hot") == ["a", "door", "opens", "its", "red", "hot"]


def test_texts_are_padded_cut_and_their_unknown_words_marked() -> None:
    tokenizer = Tokenizer(WORDS, 3)
    assert tokenizer(["Door opens", "the door opens now", ""]).tolist() == [[4, 5, 0], [3, 4, 5], [0, 0, 0]]


def test_vocabulary_files_may_number_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(f"{i} {w}" for i, w in enumerate(WORDS)))
    assert Tokenizer.from_file(path, 2)(["opens"]).tolist() == [[5, 0]]


def test_a_vocabulary_without_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="<pad>"):
        Tokenizer(["door"], 3)


def test_a_text_of_unknown_words_alone_is_named() -> None:
    with pytest.raises(UnknownWords, match="zzyzx"):
        Tokenizer(WORDS, 3).require_known("zzyzx qqq")
    Tokenizer(WORDS, 3).require_known("zzyzx door")


@pytest.mark.parametrize(
    ("duration", "starts"),
    [(0.5, [0]), (3.2, [0]), (4.0, [0, 0.8]), (4.9, [0, 1.6]), (8.0, [0, 1.6, 3.2, 4.8]), (5.0, [0, 1.6])],
)
def test_windows_cover_the_film_to_its_end_on_the_frame_grid(duration: float, starts: list[float]) -> None:
    assert np.allclose(window_starts(duration, 3.2, 1.6, 0.4), starts)


@pytest.mark.parametrize("duration", np.arange(3.3, 30, 0.37))
def test_no_moment_but_the_last_grid_step_is_left_out(duration: float) -> None:
    starts = window_starts(float(duration), 3.2, 1.6, 0.4)
    assert starts == sorted(set(starts))
    assert max(np.diff(starts), default=0) <= 1.6 + 1e-9
    assert duration - 0.4 - 1e-9 < starts[-1] + 3.2 <= duration + 1e-6


def test_short_films_are_looped() -> None:
    frames = np.arange(3)[:, None]
    assert fit_frames(frames, 7)[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert fit_frames(frames, 2)[:, 0].tolist() == [0, 1]
