"""Training batches out of a clip cache: random crops in time and space, flips, colour, gain.

A batch depends on nothing but its step number, and a sample of it on its own seed alone: a resumed run sees the same
data in the same order, and replicas that share a batch see what one process alone would.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.bundle import InputSpec
from models.preprocess.text import Tokenizer
from models.training.config import AugmentConfig
from models.training.data.cache import PER_STEP, ClipCache

CANDIDATES = 4  # narrations closest in time to the crop, the positives of MIL-NCE (the paper uses about 3 to 5)


@dataclass(frozen=True)
class Batch:
    """frames float [B, T, H, W, 3] in [0, 1]; sound float [B, S]; ids int64 [B, K, N]; which sound and texts exist."""

    frames: Tensor
    sound: Tensor
    has_sound: Tensor  # bool [B]
    ids: Tensor
    has_text: Tensor  # bool [B, K]


class Batches:
    """The training stream: every epoch a new permutation of the clips.

    `batch` counts the joined batch of all `world` replicas; the one of `rank` gets its rows rank::world.
    """

    def __init__(
        self,
        cache: ClipCache,
        inputs: InputSpec,
        tokenizer: Tokenizer,
        augment: AugmentConfig,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ):
        if len(cache.clips) < batch:
            raise ValueError(f"the set has {len(cache.clips)} clips, fewer than one batch of {batch}")
        self.cache, self.inputs, self.augment, self.batch, self.seed = cache, inputs, augment, batch, seed
        self.rank, self.world = rank, world
        self.has_sound = torch.tensor([c.has_audio for c in cache.clips])
        self.texts = [tokenizer([n.text for n in c.narrations]) for c in cache.clips]
        self.centres = [np.array([(n.start_s + n.end_s) / 2 for n in c.narrations]) for c in cache.clips]
        self.words = tokenizer.length

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over the clips; the rest that fills no batch is left out."""
        return len(self.cache.clips) // self.batch

    def __call__(self, step: int) -> Batch:
        epoch, i = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.cache.clips))
        rows = np.sort(order[i * self.batch : (i + 1) * self.batch])[self.rank :: self.world]
        return self._batch(rows, [np.random.default_rng([self.seed, epoch, i, int(row)]) for row in rows])

    def _batch(self, rows: np.ndarray, rngs: list[np.random.Generator]) -> Batch:
        b, spec = len(rows), self.inputs
        span = spec.frames * PER_STEP
        starts = np.array([rng.integers(0, self.cache.frames.shape[1] - span + 1) for rng in rngs])
        phase = np.array([rng.integers(0, PER_STEP) for rng in rngs]) * (starts + span < self.cache.frames.shape[1])
        frames = np.stack(
            [self.cache.frames[r, s + p : s + p + span : PER_STEP] for r, s, p in zip(rows, starts, phase, strict=True)]
        )
        step_samples = spec.step_s / PER_STEP * spec.sample_rate
        length = round(spec.window_s * spec.sample_rate)
        first = np.minimum(np.round(starts * step_samples).astype(int), self.cache.sound.shape[1] - length)
        sound = np.stack([self.cache.sound[r, s : s + length] for r, s in zip(rows, first, strict=True)]) / 32768
        gain = 10 ** (np.array([[rng.uniform(-1, 1)] for rng in rngs]) * self.augment.gain_db / 20)
        ids = np.zeros((b, CANDIDATES, self.words), np.int64)
        has_text = np.zeros((b, CANDIDATES), bool)
        for j, (row, start) in enumerate(zip(rows, starts, strict=True)):
            centre = start / PER_STEP * spec.step_s + spec.window_s / 2
            near = np.argsort(np.abs(self.centres[row] - centre), kind="stable")[:CANDIDATES]
            ids[j, : len(near)] = self.texts[row][near]
            has_text[j, : len(near)] = True
        return Batch(
            frames=self._augment(torch.from_numpy(frames), rngs),
            sound=torch.from_numpy((sound * gain).astype(np.float32)),
            has_sound=self.has_sound[torch.from_numpy(rows)],
            ids=torch.from_numpy(ids),
            has_text=torch.from_numpy(has_text),
        )

    def _augment(self, frames: Tensor, rngs: list[np.random.Generator]) -> Tensor:
        """uint8 [B, T, H', W', 3] -> float [B, T, H, W, 3]; one crop, flip and colour per clip."""
        b, t, h, w, _ = frames.shape
        a, spec = self.augment, self.inputs
        out = torch.empty(b, t, spec.frame_height, spec.frame_width, 3)
        for i, rng in enumerate(rngs):
            scale = rng.uniform(spec.frame_height / h, 1.0)  # from the network's own size to the whole cached frame
            ch, cw = max(spec.frame_height, round(h * scale)), max(spec.frame_width, round(w * scale))
            top, left = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
            crop = frames[i, :, top : top + ch, left : left + cw].permute(0, 3, 1, 2).float()
            if (ch, cw) != (spec.frame_height, spec.frame_width):
                crop = F.interpolate(crop, (spec.frame_height, spec.frame_width), mode="bilinear", antialias=True)
            if a.flip and rng.random() < 0.5:
                crop = crop.flip(-1)
            contrast, brightness = 1 + rng.uniform(-a.contrast, a.contrast), rng.uniform(-a.brightness, a.brightness)
            crop = (crop / 255 - 0.5) * contrast + 0.5 + brightness * 0.5
            out[i] = crop.permute(0, 2, 3, 1)
        return out.clamp_(0, 1)


def centre_crop(frames: np.ndarray, inputs: InputSpec) -> np.ndarray:
    """The middle of cached frames [..., H', W', 3], at the network's size: what evaluation sees."""
    top = (frames.shape[-3] - inputs.frame_height) // 2
    left = (frames.shape[-2] - inputs.frame_width) // 2
    return frames[..., top : top + inputs.frame_height, left : left + inputs.frame_width, :]
