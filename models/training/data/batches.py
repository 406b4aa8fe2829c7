"""Training batches out of one source of clips or several, mixed: random windows of clips, augmented, with their words.

A batch depends on nothing but its step number, and a sample of it on its own seed alone: a resumed run sees the same
data in the same order, and replicas that share a batch see what one process alone would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.bundle import InputSpec
from models.preprocess.text import Tokenizer, split_words
from models.training.config import AugmentConfig
from models.training.data.augment import (
    DRAWS,
    GAIN,
    SHIFT,
    START,
    TRACK,
    WORDS,
    colours,
    crops,
    fewer_words,
    gains,
)
from models.training.data.reader import PER_STEP, Picks, Reader, Windows
from models.training.data.sample import Item, joined_fingerprint

CANDIDATES = 4  # narrations closest in time to the crop, the positives of MIL-NCE (the paper uses about 3 to 5)


@dataclass(frozen=True)
class Batch:
    """frames float [B, T, H, W, 3] in [0, 1]; sound float [B, S]; ids int64 [B, K, N]; which sound and texts exist."""

    frames: Tensor
    sound: Tensor
    has_sound: Tensor  # bool [B]
    ids: Tensor
    has_text: Tensor  # bool [B, K]


@dataclass(frozen=True)
class Part:
    """A source and its share of every batch, in proportion to the others'."""

    reader: Reader
    share: float = 1.0


def fingerprint_of_data(parts: Sequence[Part]) -> str:
    """What a run remembers of the data that it is trained on."""
    return joined_fingerprint([part.reader.fingerprint for part in parts])


class Batches:
    """The training stream: for every source its share of each batch, and every epoch of it a new permutation.

    `batch` counts the joined batch of all `world` replicas; the one of `rank` gets its rows rank::world.
    """

    def __init__(
        self,
        data: Reader | Sequence[Part],
        inputs: InputSpec,
        tokenizer: Tokenizer,
        augment: AugmentConfig,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        ahead: int = 2,
    ):
        self.parts = list(data) if isinstance(data, Sequence) else [Part(data)]
        self.inputs, self.tokenizer, self.augment = inputs, tokenizer, augment
        self.batch, self.seed, self.rank, self.world, self.ahead = batch, seed, rank, world, ahead
        self.counts = shared_out(batch, [part.share for part in self.parts])
        self.lengths = [part.reader.lengths(inputs) for part in self.parts]
        self.fingerprint = fingerprint_of_data(self.parts)
        self._prepared = range(0)
        for part, count in zip(self.parts, self.counts, strict=True):
            if len(part.reader.clips) < count:
                raise ValueError(
                    f"the set has {len(part.reader.clips)} clips, fewer than the {count} of it that are in a batch"
                )

    @property
    def clips(self) -> int:
        """How many there are, of all sources."""
        return sum(len(part.reader.clips) for part in self.parts)

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over the clips; the rest that fills no batch is left out."""
        return self.clips // self.batch

    def __call__(self, step: int) -> Batch:
        for later in range(step, step + 1 + self.ahead):
            if later not in self._prepared:
                for part, (picks, _) in zip(self.parts, self._plan(later), strict=True):
                    part.reader.prepare(picks, self.inputs)
        self._prepared = range(step + 1, step + 1 + self.ahead)
        read, drawn, starts = self._read(step)
        frames = crops([frames for windows in read for frames in windows.frames], drawn, self.inputs, self.augment)
        return self._batch(colours(frames, drawn, self.augment), read, drawn, starts)

    def unseen(self, step: int, turn: int) -> Batch:
        """The same windows as a step's without their picture, `frames` [0]; every `turn` draws gain and words anew."""
        read, drawn, starts = self._read(step)
        drawn[:, [GAIN, WORDS, TRACK]] = np.random.default_rng([self.seed, 1, step, turn]).random((len(drawn), 3))
        return self._batch(torch.empty(0), read, drawn, starts)

    def _read(self, step: int) -> tuple[list[Windows], np.ndarray, np.ndarray]:
        """A batch's windows of each source, the numbers drawn for them and where they start."""
        plan = self._plan(step)
        read = [
            part.reader.read(picks, self.inputs)
            for part, (picks, _) in zip(self.parts, plan, strict=True)
            if len(picks.rows)  # one of many replicas may get nothing of a source with a small share
        ]
        drawn = np.concatenate([numbers for _, numbers in plan])
        return read, drawn, np.concatenate([picks.starts for picks, _ in plan])

    def _batch(self, frames: Tensor, read: list[Windows], drawn: np.ndarray, starts: np.ndarray) -> Batch:
        ids, has_text = self._words([clip for windows in read for clip in windows.clips], starts, drawn[:, TRACK])
        if self.augment.word_dropout:
            ids = fewer_words(ids, drawn, self.augment)
        return Batch(
            frames=frames,
            sound=gains(np.concatenate([windows.sound for windows in read]), drawn, self.augment),
            has_sound=torch.from_numpy(np.concatenate([windows.has_sound for windows in read])),
            ids=torch.from_numpy(ids),
            has_text=torch.from_numpy(has_text),
        )

    def _plan(self, step: int) -> list[tuple[Picks, np.ndarray]]:
        """For each source, this replica's windows of a batch, and the numbers that were drawn for them."""
        out, before = [], 0
        for number, (part, count) in enumerate(zip(self.parts, self.counts, strict=True)):
            which = [number] if number else []
            epoch, i = divmod(step, max(1, len(part.reader.clips) // max(1, count)))
            order = np.random.default_rng([self.seed, epoch, *which]).permutation(len(part.reader.clips))
            rows = np.sort(order[i * count : (i + 1) * count])[(self.rank - before) % self.world :: self.world]
            seeds = ([self.seed, epoch, i, int(row), *which] for row in rows)
            drawn = np.array([np.random.default_rng(seed).random(DRAWS) for seed in seeds]).reshape(-1, DRAWS)
            out.append((self._picks(rows, drawn, self.lengths[number][rows]), drawn))
            before += count
        return out

    def _picks(self, rows: np.ndarray, drawn: np.ndarray, lengths: np.ndarray) -> Picks:
        """Windows that begin at any cached frame; the sound with the picture, or up to `time_shift_s` off."""
        spec = self.inputs
        span, step_s = spec.frames * PER_STEP, spec.step_s / PER_STEP
        starts = (drawn[:, START] * (lengths - span + 1)).astype(int)
        shift = (2 * drawn[:, SHIFT] - 1) * self.augment.time_shift_s
        return Picks(rows, starts, np.clip(starts * step_s + shift, 0, lengths * step_s - spec.window_s))

    def _words(self, clips: list[Item], starts: np.ndarray, luck: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids int64 [B, K, N] and which there are, bool [B, K]: the words said closest to the windows' middles.

        Of a clip with several tracks of narrations, one track's, by its number of `luck` in [0, 1). Texts without a
        known word are none: all would be one and the same text.
        """
        ids = np.zeros((len(clips), CANDIDATES, self.tokenizer.length), np.int64)
        has_text = np.zeros((len(clips), CANDIDATES), bool)
        for row, (clip, start, u) in enumerate(zip(clips, starts, luck, strict=True)):
            known = [n for n in clip.narrations if self._knows(n.text)]
            tracks = sorted({n.track for n in known}) or [0]
            told = [n for n in known if n.track == tracks[int(u * len(tracks))]]
            middle = start / PER_STEP * self.inputs.step_s + self.inputs.window_s / 2
            near = sorted(told, key=lambda n: abs((n.start_s + n.end_s) / 2 - middle))[:CANDIDATES]
            ids[row, : len(near)] = self.tokenizer([n.text for n in near])
            has_text[row, : len(near)] = True
        return ids, has_text

    def _knows(self, text: str) -> bool:
        words = split_words(text, self.tokenizer.hyphens)[: self.tokenizer.length]
        return any(word in self.tokenizer.index for word in words)


def shared_out(batch: int, shares: Sequence[float]) -> list[int]:
    """How many of a batch each share gets: whole numbers, by the largest remainders. Raises ValueError."""
    if not shares or min(shares) <= 0:
        raise ValueError(f"shares of a batch must be more than 0, not {list(shares)}")
    exact = np.array(shares) / sum(shares) * batch
    counts = np.floor(exact + 1e-9).astype(int)
    for i in np.argsort(counts - exact, kind="stable")[: batch - counts.sum()]:
        counts[i] += 1
    if 0 in counts:
        raise ValueError(f"with shares {list(shares)}, a batch of {batch} holds nothing of one source")
    return [int(n) for n in counts]


def centre_crop(frames: np.ndarray, inputs: InputSpec) -> np.ndarray:
    """The middle of cached frames [..., H', W', 3], at the network's size: what evaluation sees."""
    top = (frames.shape[-3] - inputs.frame_height) // 2
    left = (frames.shape[-2] - inputs.frame_width) // 2
    return frames[..., top : top + inputs.frame_height, left : left + inputs.frame_width, :]
