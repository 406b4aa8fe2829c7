"""Words to ids, as the reference's word tokenizer does it (`WordTokenizer` in google-deepmind/dmvr)."""

import re
from pathlib import Path

import numpy as np

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"
SPECIAL = (PAD, BOS, EOS, UNK)


class VocabularyError(Exception):
    """A vocabulary file that cannot be used; the message names the file and the line or word."""


class UnknownWords(Exception):
    """No word of a text is in the vocabulary; `words` are those that were looked up."""

    def __init__(self, words: list[str]):
        super().__init__(f"none of these words is in the vocabulary: {', '.join(words)}")
        self.words = words


def split_words(text: str, hyphens: str = "split") -> list[str]:
    """Lower-case, punctuation removed, split at spaces.

    `hyphens` says whether hyphens and underscores part words ("split": our own networks) or go as other punctuation
    does, so that x-ray is xray ("join": `WordTokenizer` of google-deepmind/dmvr).
    """
    gap = " " if hyphens == "split" else ""
    return re.sub(r"[^\w\s]", "", re.sub("[-_]", gap, text.lower())).split()


def read_vocabulary(path: Path) -> list[str]:
    """Words by id, from a file with one word a line or with `index word` on each line.

    Raises VocabularyError for a word or an index that comes twice, indices with gaps, and lines of more than that.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise VocabularyError(f"{path} is not a text file: a vocabulary has one word a line, in UTF-8") from None
    fields = [line.split() for line in lines]
    for number, found in enumerate(fields, 1):
        if len(found) > 2 or (len(found) == 2 and not found[0].isdecimal()):
            raise VocabularyError(f"{path}, line {number}: {lines[number - 1]!r} is neither a word nor `index word`")
    if all(len(found) == 2 for found in fields):
        by_index = {int(index): word for index, word in fields}
        if sorted(by_index) != list(range(len(fields))):
            raise VocabularyError(f"{path}: the indices are not 0 to {len(fields) - 1}, each once")
        words = [by_index[i] for i in range(len(fields))]
    elif any(len(found) == 2 for found in fields):
        raise VocabularyError(f"{path}: some lines are `index word` and others a word alone")
    else:
        words = [found[0] if found else "" for found in fields]
    seen = set[str]()
    for word in words:
        if word in seen:
            raise VocabularyError(f"{path}: the word {word!r} comes twice")
        seen.add(word)
    if missing := [s for s in SPECIAL if s not in seen]:
        raise VocabularyError(f"{path}: the vocabulary lacks {', '.join(missing)}")
    return words


class Tokenizer:
    """Maps texts to ids [B, N] over a vocabulary with `<pad>` and `<unk>`."""

    def __init__(self, words: list[str], length: int, hyphens: str = "split"):
        self.index = {w: i for i, w in enumerate(words)}
        self.length = length
        self.hyphens = hyphens

    @classmethod
    def from_file(cls, path: Path, length: int, hyphens: str = "split") -> "Tokenizer":
        """Raises VocabularyError."""
        return cls(read_vocabulary(path), length, hyphens)

    def __call__(self, texts: list[str]) -> np.ndarray:
        """int64 [B, length]: unknown words become `<unk>`, the rest is `<pad>`; words past `length` are dropped."""
        ids = np.full((len(texts), self.length), self.index[PAD], np.int64)
        for row, text in zip(ids, texts, strict=True):
            known = [self.index.get(w, self.index[UNK]) for w in split_words(text, self.hyphens)[: self.length]]
            row[: len(known)] = known
        return ids

    def require_known(self, text: str) -> None:
        """Raises UnknownWords when a text has no word of the vocabulary, so that nothing could be found by it."""
        words = split_words(text, self.hyphens)
        if not any(w in self.index for w in words[: self.length]):
            raise UnknownWords(words)
