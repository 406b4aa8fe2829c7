"""What an ablation measures of a run: its PyTorch network on decoded held-out clips, in every direction it can go."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.preprocess.text import Tokenizer
from models.training.data.batches import centre_crop
from models.training.data.cache import PER_STEP, ClipCache
from models.training.data.manifest import Clip
from models.training.evaluation.footage_clips import said
from models.training.evaluation.metrics import concept_precision, retrieval
from models.training.evaluation.wordings import FOOTAGE_WORDINGS, Wordings, pairs
from models.training.held_out import embed_cache
from models.training.run import Run

Encode = Callable[[Tensor], dict[str, Tensor]]
Figures = dict[str, float | None]  # shares of 1, by name; None is what a run cannot do

R = "R@10"
TEXT_VIDEO, AUDIO_VIDEO, TEXT_AUDIO, IMAGE_VIDEO = (
    f"{direction} {R}" for direction in ("text -> video", "audio -> video", "text -> audio", "image -> video")
)
CONCEPTS = "concept mAP, "
NAIVE, TRAINED = f"image -> video {R}, naive deflation", f"image -> video {R}, trained deflation"
CLOSED, COST = "share of the gap closed", "cost of inflation over deflation"
BATCH = 64
TIMED = 15


@torch.no_grad()
def figures(
    run: Run, held_out: ClipCache, clips: list[Clip], items: int, wordings: Wordings = FOOTAGE_WORDINGS
) -> Figures:
    """R@10 among `items` clips and concept mAP, and chance's; `clips` are those of `held_out`, in its order.

    Stills are embedded by input inflation, which needs no training beyond the run's own. Concepts are searched by sight
    alone, so that runs without sound compare.
    """
    network, optim = run.network.eval(), run.config.optim
    video, audio, _ = (_normal(part) for part in (*embed_cache(network, held_out, run.config)[:2], {}))
    rows = [i for i, clip in enumerate(clips) if clip.has_audio and clip.narrations]
    truth = np.arange(len(rows))
    words = optim.weight_text > 0
    heard = optim.weight_audio > 0
    out: Figures = {TEXT_VIDEO: None, AUDIO_VIDEO: None, TEXT_AUDIO: None}
    text = _text(run, [said(clips[i]) for i in rows])
    if words:
        out[TEXT_VIDEO] = _recall(text, video["coarse"][rows], truth, items)
    if heard:
        out[AUDIO_VIDEO] = _recall(audio["fine"][rows], video["fine"][rows], truth, items)
    if words and heard and "coarse" in audio:
        out[TEXT_AUDIO] = _recall(text, audio["coarse"][rows], truth, items)
    inflated = _stills(run, held_out, lambda x: network.encode_video(static_clip(x, run.config.inputs.frames)))
    out[IMAGE_VIDEO] = _recall(inflated, video["fine"], np.arange(len(clips)), items)
    for name, queries in wordings.items():
        asked = pairs(queries)
        relevant = np.array([[concept in clip.concepts for clip in clips] for concept, _ in asked])
        if relevant.any():
            scores = _text(run, [query for _, query in asked]) @ video["coarse"].T
            found = concept_precision(scores, relevant, [query for _, query in asked])
            out[CONCEPTS + name] = found.mean_average_precision if words else None
    return out


@torch.no_grad()
def deflation_figures(run: Run, deflated: DeflatedMMV, held_out: ClipCache, items: int) -> Figures:
    """image -> video R@10 by naive and by trained deflation, the share of the gap to inflation closed, and the cost."""
    network, frames = run.network.eval(), run.config.inputs.frames
    video = _normal(embed_cache(network, held_out, run.config)[0])["fine"]
    truth = np.arange(len(video))
    naive = DeflatedMMV(network)
    ways: tuple[Encode, ...] = (naive, deflated, lambda x: network.encode_video(static_clip(x, frames)))
    low, middle, high = (_recall(_stills(run, held_out, way), video, truth, items) for way in ways)
    still = torch.rand(1, run.config.inputs.frame_height, run.config.inputs.frame_width, 3)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMED):  # in turn, so that a busy machine slows both
        for way, times in zip(ways[1:], seconds, strict=True):
            started = time.perf_counter()
            way(still)
            times.append(time.perf_counter() - started)
    cost = float(np.median(seconds[1]) / np.median(seconds[0]))
    return {NAIVE: low, TRAINED: middle, CLOSED: (middle - low) / (high - low) if high > low else None, COST: cost}


def chances(clips: list[Clip], items: int, wordings: Wordings = FOOTAGE_WORDINGS) -> dict[str, float]:
    """What a random order gives, for those of the figures that have such."""
    both = sum(clip.has_audio and bool(clip.narrations) for clip in clips)
    out = dict.fromkeys((TEXT_VIDEO, AUDIO_VIDEO, TEXT_AUDIO), min(1.0, 10 / min(items, both)))
    out |= dict.fromkeys((IMAGE_VIDEO, NAIVE, TRAINED), min(1.0, 10 / min(items, len(clips))))
    for name, queries in wordings.items():
        shares = [np.mean([concept in clip.concepts for clip in clips]) for concept, _ in pairs(queries)]
        if any(shares):
            out[CONCEPTS + name] = float(np.mean([share for share in shares if share]))
    return out


def _stills(run: Run, held_out: ClipCache, encode: Encode) -> np.ndarray:
    """Fine embeddings of a still out of each clip, between two of its window's frames."""
    spec = run.config.inputs
    first = (held_out.frames.shape[1] - spec.frames * PER_STEP) // 2
    place = min(first + PER_STEP * (spec.frames // 2) + PER_STEP // 2, held_out.frames.shape[1] - 1)
    parts = []
    for i in range(0, len(held_out.clips), BATCH):
        pictures = np.ascontiguousarray(centre_crop(held_out.frames[i : i + BATCH, place], spec))
        parts.append(encode(torch.from_numpy(pictures).float() / 255)["fine"])
    return _numpy(torch.cat(parts))


def _text(run: Run, texts: list[str]) -> np.ndarray:
    inputs = run.config.inputs
    ids = Tokenizer(run.table.words, inputs.words, inputs.hyphens)(texts)
    return _numpy(run.network.encode_text(torch.from_numpy(ids))["coarse"])


def _recall(queries: np.ndarray, items: np.ndarray, truth: np.ndarray, count: int) -> float:
    return retrieval(queries @ items.T, truth, count).recall[R]


def _normal(embedding: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {space: _numpy(rows) for space, rows in embedding.items() if space != "representation"}


def _numpy(rows: Tensor) -> np.ndarray:
    return np.asarray(F.normalize(rows.float(), dim=1))
