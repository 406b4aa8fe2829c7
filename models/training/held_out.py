"""Early evaluation: the PyTorch network of a run on held-out clips, words and sounds in search of their own clip."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.training.config import TrainConfig
from models.training.data.batches import centre_crop
from models.training.data.cache import PER_STEP, ClipCache
from models.training.evaluation.metrics import RANKS, beaten_by
from models.training.run import Run


@dataclass(frozen=True)
class Search:
    """One direction: for each query the clip it belongs to (int [Q]), and the scores of all clips (float [Q, N])."""

    name: str
    truth: np.ndarray
    scores: np.ndarray
    words: list[str]  # of each query; "" for a sound whose clip is not narrated

    def ranks(self) -> np.ndarray:
        """Rank of each query's own clip, from 1; those that score the same count half."""
        return 1 + beaten_by(self.scores, self.truth)


@torch.no_grad()
def embed_cache(
    network: MMV, cache: ClipCache, config: TrainConfig, clips: int | None = None, batch: int = 64
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[int]]:
    """Vision and sound embeddings of the first clips' middle windows, and the row of each."""
    rows = list(range(len(cache.clips)))[:clips]
    device = next(network.parameters()).device
    videos, sounds = [], []
    for i in range(0, len(rows), batch):
        frames, sound = (part.to(device) for part in middle_window(cache, rows[i : i + batch], config))
        videos.append(network.encode_video(frames))
        sounds.append(network.encode_audio(network.log_mel(sound)))
    return _concat(videos), _concat(sounds), rows


def middle_window(cache: ClipCache, rows: list[int], config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Frames float [B, T, H, W, 3] in [0, 1] and sound float [B, S] of the window in the middle of each clip."""
    spec = config.inputs
    first = (cache.frames.shape[1] - spec.frames * PER_STEP) // 2
    length = round(spec.window_s * spec.sample_rate)
    begin = min(round(first / PER_STEP * spec.step_s * spec.sample_rate), cache.sound.shape[1] - length)
    frames = cache.frames[rows, first : first + spec.frames * PER_STEP : PER_STEP]
    sound = cache.sound[rows, begin : begin + length].astype(np.float32) / 32768
    return torch.from_numpy(np.ascontiguousarray(centre_crop(frames, spec))).float() / 255, torch.from_numpy(sound)


@torch.no_grad()
def search_held_out(run: Run, cache: ClipCache, tokenizer: Tokenizer) -> list[Search]:
    """Text and sound in search of the clip they come from, each among all clips; without those there are none of."""
    run.network.eval()
    video, audio, rows = embed_cache(run.network, cache, run.config)
    told = {r: _middle_words(cache, r, run.config) for r in rows if cache.clips[r].narrations}
    heard = [r for r in rows if cache.clips[r].has_audio]
    searches = []
    if told:
        ids = torch.from_numpy(tokenizer(list(told.values()))).to(video["coarse"].device)
        text = run.network.encode_text(ids)["coarse"]
        searches.append(Search("text->video", np.array(list(told)), _cosines(text, video["coarse"]), [*told.values()]))
    if heard:
        words = [told.get(r, "") for r in heard]
        searches.append(Search("audio->video", np.array(heard), _cosines(audio["fine"][heard], video["fine"]), words))
    return searches


def quick_evaluation(run: Run, cache: ClipCache, tokenizer: Tokenizer) -> dict[str, float]:
    """R@1, R@5 and R@10 of each direction, and what R@10 is by chance."""
    found: dict[str, float] = {}
    for search in search_held_out(run, cache, tokenizer):
        ranks = search.ranks()
        found |= {f"{search.name} R@{k}": float((ranks <= k).mean()) for k in RANKS}
    return {**found, "chance": min(1.0, 10 / len(cache.clips))}


def _middle_words(cache: ClipCache, row: int, config: TrainConfig) -> str:
    """The narration that is spoken nearest to the clip's middle."""
    middle = cache.frames.shape[1] / PER_STEP * config.inputs.step_s / 2
    return min(cache.clips[row].narrations, key=lambda n: abs((n.start_s + n.end_s) / 2 - middle)).text


def _cosines(a: Tensor, b: Tensor) -> np.ndarray:
    normal = torch.nn.functional.normalize
    scores: np.ndarray = (normal(a.float(), dim=1) @ normal(b.float(), dim=1).T).cpu().numpy()
    return scores


def _concat(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {k: torch.cat([p[k] for p in parts]).float() for k in parts[0]}
