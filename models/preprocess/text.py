"""Words to ids, as the reference's word tokenizer does it (`WordTokenizer` in google-deepmind/dmvr)."""

import re
from pathlib import Path

import numpy as np

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"
SPECIAL = (PAD, BOS, EOS, UNK)


class UnknownWords(Exception):
    """No word of a text is in the vocabulary; `words` are those that were looked up."""

    def __init__(self, words: list[str]):
        super().__init__(f"none of these words is in the vocabulary: {', '.join(words)}")
        self.words = words


def split_words(text: str) -> list[str]:
    """Lower-case, punctuation removed, split at spaces."""
    return re.sub(r"[^\w\s]", "", text.lower().replace("-", " ").replace("_", " ")).split()


class Tokenizer:
    """Maps texts to ids [B, N] over a vocabulary with `<pad>` `<bos>` `<eos>` `<unk>`."""

    def __init__(self, words: list[str], length: int):
        self.index = {w: i for i, w in enumerate(words)}
        missing = [s for s in (PAD, UNK) if s not in self.index]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self.length = length

    @classmethod
    def from_file(cls, path: Path, length: int) -> "Tokenizer":
        """A vocabulary file has one word a line, or `index word`."""
        lines = path.read_text(encoding="utf-8").splitlines()
        return cls([line.split()[-1] for line in lines if line.strip()], length)

    def __call__(self, texts: list[str]) -> np.ndarray:
        """int64 [B, length]: unknown words become `<unk>`, the rest is `<pad>`; words past `length` are dropped."""
        ids = np.full((len(texts), self.length), self.index[PAD], np.int64)
        for row, text in zip(ids, texts, strict=True):
            known = [self.index.get(w, self.index[UNK]) for w in split_words(text)[: self.length]]
            row[: len(known)] = known
        return ids

    def require_known(self, text: str) -> None:
        """Raises UnknownWords when a text has no word of the vocabulary, so that nothing could be found by it."""
        words = split_words(text)
        if not any(w in self.index for w in words[: self.length]):
            raise UnknownWords(words)
