"""The best and the worst retrievals among held-out clips, as pictures that stand inside a page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from models.networks.mmv import MMV
from models.training.config import TrainConfig
from models.training.data.cache import ClipCache
from models.training.held_out import Search, middle_window

SHOWN = 6  # queries at each end
TOP = 3  # clips that are shown of what a query found
TALLEST = 144  # pixels


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, what it shows in words, and whether it is the query's own clip."""

    source: str
    words: str
    right: bool = False


@dataclass(frozen=True)
class Example:
    """One query: its words (or its sound), the rank of its own clip, that clip, the first ones found."""

    words: str
    sound: Picture | None
    rank: float
    own: Picture
    found: list[Picture]


@dataclass(frozen=True)
class Examples:
    """The two ends of one direction."""

    name: str
    queries: int
    clips: int
    first: float  # share of queries whose own clip is ranked first
    best: list[Example]
    worst: list[Example]


def examples(search: Search, cache: ClipCache, network: MMV, config: TrainConfig) -> Examples:
    """Best: ranked first, by the widest margin to the next clip. Worst: ranked last."""
    ranks = search.ranks()
    own = search.scores[np.arange(len(ranks)), search.truth]
    others = search.scores.copy()
    others[np.arange(len(ranks)), search.truth] = -np.inf
    order = np.lexsort((others.max(axis=1) - own, ranks))  # by rank, then by margin
    heard = search.name.startswith("audio")

    def example(query: int) -> Example:
        row = int(search.truth[query])
        top = np.argsort(-search.scores[query], kind="stable")[:TOP].tolist()
        return Example(
            words=search.words[query],
            sound=spectrogram(cache, row, network, config) if heard else None,
            rank=float(ranks[query]),
            own=frame(cache, row),
            found=[frame(cache, r, right=r == row) for r in top],
        )

    shown = min(SHOWN, len(order) // 2)  # no query is at both ends
    best, worst = order[:shown], order[::-1][:shown]
    return Examples(
        name=search.name,
        queries=len(ranks),
        clips=search.scores.shape[1],
        first=float((ranks == 1).mean()),
        best=[example(int(q)) for q in best],
        worst=[example(int(q)) for q in worst],
    )


def frame(cache: ClipCache, row: int, right: bool = False) -> Picture:
    """The middle frame of a clip."""
    clip = cache.clips[row]
    words = clip.narrations[len(clip.narrations) // 2].text if clip.narrations else f"clip {clip.id}, without narration"
    return Picture(_uri(Image.fromarray(np.asarray(cache.frames[row, cache.frames.shape[1] // 2]))), words, right)


@torch.no_grad()
def spectrogram(cache: ClipCache, row: int, network: MMV, config: TrainConfig) -> Picture:
    """The log-mel of a clip's sound as the network hears it: time to the right, high tones at the top."""
    _, sound = middle_window(cache, [row], config)
    log_mel = network.log_mel(sound)[0].T.flip(0).numpy()
    low, high = log_mel.min(), log_mel.max()
    grey = 255 * (log_mel - low) / max(float(high - low), 1e-9)
    return Picture(_uri(Image.fromarray(grey.astype(np.uint8))), "the sound, as a spectrogram")


def _uri(image: Image.Image) -> str:
    image.thumbnail((4 * TALLEST, TALLEST))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
