"""Fine-tuning of a restored network on a library's windows: the best step by films of its own is kept."""

import copy
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from models.networks.mmv import MMV
from models.runtime import VALUES_A_CALL
from models.training.adapt_judge import embed, score
from models.training.adapt_windows import Windows
from models.training.checkpoints import replace_state
from models.training.config import TrainConfig
from models.training.data.batches import Batch, Batches
from models.training.losses import mil_nce, nce
from models.training.progress import progress_bar
from models.training.run import TrainingError
from models.training.schedule import learning_rate

CHECKPOINT, BEST = "adapting.pt", "best.pt"
EVALUATIONS = 12  # in the course of training
TEXT_TOWER = ("text.", "graph.text_coarse.")


@dataclass(frozen=True)
class Keep:
    """How much words are to go on finding what they found, and by which words that is seen: ids int64 [M, N]."""

    weight: float
    words: np.ndarray


@dataclass(frozen=True)
class Kept:
    """What training came to: scores of the films that chose (mean recall), and after which step the best was."""

    first: float
    best: float
    best_step: int


def fine_tune(
    network: MMV,
    batches: Batches,
    choose: Windows,
    config: TrainConfig,
    keep: Keep | None,
    folder: Path,
    console: Console,
) -> Kept:
    """Train `network` in place, on its device, and leave it at its best step; goes on from `folder`'s checkpoint.

    NCE between vision and sound; MIL-NCE with text where there is any, else its tower stays as it is. With `keep` words
    go on finding what they found. Raises TrainingError on a non-finite loss.
    """
    device = next(network.parameters()).device
    torch.set_num_threads(config.optim.threads)
    teacher = Teacher(network, keep) if keep else None
    with_text = config.optim.weight_text > 0
    for name, parameter in network.named_parameters():
        frozen = name.startswith("text.embed.") or (name.startswith(TEXT_TOWER) and not with_text)
        parameter.requires_grad_(not frozen)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=config.optim.learning_rate)
    state = _resume(folder, network, optimiser, device)
    if not state:
        first = score(_embedded(network, choose))
        state = {"step": 0, "first": first, "best": first, "best_step": 0}
        replace_state(folder / BEST, network.state_dict())
    every = max(1, -(-config.optim.steps // EVALUATIONS))
    with progress_bar(console) as bar:
        task = bar.add_task("adapting", total=config.optim.steps, completed=state["step"])
        for batch in _ahead(batches, range(state["step"], config.optim.steps)):
            network.train()
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(state["step"], config)
            loss = losses(network, teacher, _to(batch, device), config)
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss is {loss.item()} at step {state['step']}; use a lower --learning-rate")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, config.optim.gradient_clip)
            optimiser.step()
            state["step"] += 1
            told = f"adapting, loss {loss.item():.2f}, R {state['best']:.3f} (was {state['first']:.3f})"
            bar.update(task, completed=state["step"], description=told)
            if state["step"] % every == 0 or state["step"] == config.optim.steps:
                found = score(_embedded(network, choose))
                if found > state["best"]:
                    state |= {"best": found, "best_step": state["step"]}
                    replace_state(folder / BEST, network.state_dict())
                values = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "state": state}
                replace_state(folder / CHECKPOINT, values)
                (folder / "progress.json").write_text(json.dumps(state["step"] / config.optim.steps))
    network.load_state_dict(torch.load(folder / BEST, weights_only=True, map_location=device))
    network.eval().requires_grad_(True)
    network.text.embed.requires_grad_(False)
    return Kept(state["first"], state["best"], state["best_step"])


class Teacher:
    """The network as it was, and how clips' similarities to some words are to stay."""

    def __init__(self, network: MMV, keep: Keep):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.weight = keep.weight
        self.ids = torch.from_numpy(keep.words).to(next(network.parameters()).device)
        with torch.no_grad():
            self.text = F.normalize(self.network.encode_text(self.ids)["coarse"], dim=1)

    def loss(self, network: MMV, frames: Tensor, coarse: Tensor) -> Tensor:
        """How little words rank the clips of a batch as they did: 1 - the mean correlation of their similarities.

        Not how far embeddings turn: those of a library may be so much alike that all of its order is in small turns.
        """
        with torch.no_grad():
            was = F.normalize(self.network.encode_video(frames)["coarse"].float(), dim=1)
        trained = any(p.requires_grad for p in network.text.parameters())
        text = F.normalize(network.encode_text(self.ids)["coarse"], dim=1) if trained else self.text
        before, now = self.text @ was.T, text @ F.normalize(coarse, dim=1).T  # [words, clips]
        before, now = (x - x.mean(dim=1, keepdim=True) for x in (before, now))
        return self.weight * (1 - F.cosine_similarity(before, now, dim=1, eps=1e-6).mean())


def losses(network: MMV, teacher: Teacher | None, batch: Batch, config: TrainConfig) -> Tensor:
    """The weighted sum of the three losses; a scalar."""
    optim = config.optim
    kind = batch.frames.device.type
    with torch.autocast(kind, torch.bfloat16) if optim.bf16 else nullcontext():
        video = network.encode_video(batch.frames)
        with torch.autocast(kind, enabled=False), torch.no_grad():
            log_mel = network.log_mel(batch.sound)
        sound = network.graph.audio_fine(network.audio(log_mel))
    loss = optim.weight_audio * nce(_precise(video["fine"]), _precise(sound), batch.has_sound)
    if optim.weight_text:
        b, k, n = batch.ids.shape
        text = network.encode_text(batch.ids.reshape(b * k, n))["coarse"].reshape(b, k, -1)
        loss = loss + optim.weight_text * mil_nce(_precise(video["coarse"]), text, batch.has_text)
    return loss if teacher is None else loss + teacher.loss(network, batch.frames, _precise(video["coarse"]))


def step_seconds(network: MMV, config: TrainConfig, keep: Keep | None) -> float:
    """How long a step takes here, by one on few random clips; the network is as before."""
    spec = config.inputs
    values = spec.frames * spec.frame_height * spec.frame_width * 3
    probe = max(2, min(config.optim.batch, VALUES_A_CALL // values))  # enough for the time to grow with the clips
    device = next(network.parameters()).device
    trial, teacher = copy.deepcopy(network), Teacher(network, keep) if keep else None
    size = (probe, spec.frames, spec.frame_height, spec.frame_width, 3)
    batch = Batch(
        frames=torch.rand(size, device=device),
        sound=torch.randn(probe, round(spec.window_s * spec.sample_rate), device=device) / 10,
        has_sound=torch.ones(probe, dtype=torch.bool, device=device),
        ids=torch.zeros(probe, 1, spec.words, dtype=torch.int64, device=device),
        has_text=torch.zeros(probe, 1, dtype=torch.bool, device=device),
    )
    torch.set_num_threads(config.optim.threads)
    for _ in range(2):  # the first warms up
        started = time.monotonic()
        losses(trial, teacher, batch, config).backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return (time.monotonic() - started) * config.optim.batch / probe


@torch.no_grad()
def _embedded(network: MMV, windows: Windows) -> Any:
    network.eval()
    device = next(network.parameters()).device

    def vision(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = network.encode_video(torch.from_numpy(frames).to(device).float() / 255)
        return _unit(seen["fine"]), _unit(seen["coarse"])

    def sound(waveform: np.ndarray) -> np.ndarray:
        return _unit(network.encode_audio(network.log_mel(torch.from_numpy(waveform).to(device)))["fine"])

    return embed(windows, vision, sound)


def _unit(x: Tensor) -> np.ndarray:
    array: np.ndarray = F.normalize(x.float(), dim=1).cpu().numpy()
    return array


def _precise(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def _to(batch: Batch, device: torch.device) -> Batch:
    return batch if device.type == "cpu" else Batch(**{k: v.to(device) for k, v in vars(batch).items()})


def _ahead(batches: Batches, steps: Iterable[int]) -> Iterator[Batch]:
    """The batches of some steps, the next one made while one is used."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = None
        for step in steps:
            following = pool.submit(batches, step)
            if upcoming is not None:
                yield upcoming.result()
            upcoming = following
        if upcoming is not None:
            yield upcoming.result()


def _resume(folder: Path, network: MMV, optimiser: torch.optim.Optimizer, device: torch.device) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CHECKPOINT).exists():
        return {}
    values = torch.load(folder / CHECKPOINT, weights_only=True, map_location=device)
    network.load_state_dict(values["network"])
    optimiser.load_state_dict(values["optimiser"])
    state: dict[str, Any] = values["state"]
    return state
