"""Tokens and windows: the small pure parts of preprocessing."""

from pathlib import Path

import numpy as np
import pytest

from models.preprocess.text import Tokenizer, UnknownWords, VocabularyError, read_vocabulary, split_words
from models.preprocess.windows import fit_frames, window_starts

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "door", "opens"]


def test_words_are_lower_case_without_punctuation() -> None:
    assert split_words("A door, opens!  It's RED-hot") == ["a", "door", "opens", "its", "red", "hot"]


def test_texts_are_padded_cut_and_their_unknown_words_marked() -> None:
    tokenizer = Tokenizer(WORDS, 3)
    assert tokenizer(["Door opens", "the door opens now", ""]).tolist() == [[4, 5, 0], [3, 4, 5], [0, 0, 0]]


def test_published_tokens_keep_hyphenated_words_together() -> None:
    assert split_words("An X-ray: don't_touch", hyphens="join") == ["an", "xray", "donttouch"]


def test_vocabulary_files_may_number_their_words_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(f"{i} {w}" for i, w in reversed(list(enumerate(WORDS)))))
    assert read_vocabulary(path) == WORDS
    assert Tokenizer.from_file(path, 2)(["opens"]).tolist() == [[5, 0]]


def test_a_line_of_a_vocabulary_counts_even_where_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join([*WORDS, "", "last"]).encode())
    words = read_vocabulary(path)
    assert words == [*WORDS, "", "last"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("door\nopens\n", "lacks <pad>, <bos>, <eos>, <unk>"),
        ("\n".join([*WORDS, "door"]), "'door' comes twice"),
        ("a b c\n", "line 1: 'a b c'"),
        ("\n".join([*WORDS, "7 up"]), "others a word alone"),
        ("0 a\n2 b\n", "the indices are not 0 to 1"),
        ("0 a\n0 b\n", "the indices are not 0 to 1"),
    ],
)
def test_a_vocabulary_that_would_shift_ids_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text(text)
    with pytest.raises(VocabularyError, match=message):
        read_vocabulary(path)


def test_a_vocabulary_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VocabularyError, match="not a text file"):
        read_vocabulary(path)


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
