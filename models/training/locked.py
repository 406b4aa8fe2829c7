"""A last course with the vision backbone locked: sound, text and the heads learn on from what it gave (LiT, CVPR 2022).

Most of a step's cost is vision's, and vision is the first to be good. So the backbone sees `passes` augmented windows
of every clip once more; after that a step costs sound and text alone, and can afford more of them and larger batches.
The sound is hidden in part (SpecAugment, Park et al., Interspeech 2019): a network that hears the same clips so often
would learn them by heart. Deflation and export take the network as this course leaves it (`run.load_run`).
"""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.training.checkpoints import clear_disk_errors, replace_state
from models.training.config import LockedConfig
from models.training.data.arrays import new_array
from models.training.data.augment import stray_words
from models.training.data.batches import Batches
from models.training.data.open_data import TrainingData
from models.training.data.word_vectors import word_weights
from models.training.deflate import CHECKPOINT as DEFLATED
from models.training.deflate import unfinished_deflation
from models.training.loop import moved
from models.training.objective import embed_seen, losses_of
from models.training.progress import progress_bar
from models.training.run import LOCKED, Run, TrainingError, read_locked
from models.training.run_log import record_session
from models.training.schedule import half_cosine
from models.training.trainer import channels_last, measure_audio_scale

CHECKPOINT_EVERY = 50  # steps
HIDDEN = 2  # stretches of time and of bands, of each sound


def lock_vision(run: Run, training: TrainingData, console: Console) -> None:
    """Train everything but the vision backbone of a run further; saved beside its checkpoint, which stays as it is.

    Interrupted, another call goes on where it was; done, it does nothing. `run` is as its checkpoint left it. Raises
    TrainingError for a configuration without such a course, and for a loss that is not finite.
    """
    locked = run.config.locked
    if not locked.steps:
        raise TrainingError(f"{run.folder} has no locked.steps in its configuration: there is no such course")
    done = read_locked(run.folder, run.step)
    if done and done["config"] == asdict(locked):
        return
    torch.set_num_threads(run.config.optim.threads)
    record_session(run, len(training.cache.clips), "locked")
    channels_last(run.network)
    # Of these very weights: a run that is trained further is locked from the start.
    unfinished, seen = run.folder / f"locking-{run.step}.pt", run.folder / f"seen-{run.step}.npy"
    tokenizer = Tokenizer(run.table.words, run.config.inputs.words, run.config.inputs.hyphens)
    batches = Batches(
        training.parts, run.config.inputs, tokenizer, run.config.augment, locked.batch, run.config.seed + 2
    )
    state: dict[str, Any] = {"step": 0}
    if unfinished.exists():
        state = torch.load(unfinished, weights_only=True)
        if state["config"] != asdict(locked):
            state = {"step": 0}
    weights = word_weights(run.table.words) if locked.stray_words else np.empty(0)
    optimiser = torch.optim.Adam(_trained(run.network), lr=locked.learning_rate)
    if state["step"]:
        run.network.load_state_dict(state["network"], strict=False)
        optimiser.load_state_dict(state["optimiser"])

    def save(done: int) -> None:
        replace_state(unfinished, {**_kept(run), "optimiser": optimiser.state_dict(), "step": done})

    with progress_bar(console) as bar:
        # The backbone is the same as it was before the first step, so that this can go on at any of them.
        representations = _see(run, batches, locked, bar, seen)
        task = bar.add_task("locked", total=locked.steps, completed=state["step"])
        for step in range(state["step"], locked.steps):
            loss = _step(run, batches, representations, weights, optimiser, step)
            bar.update(task, completed=step + 1, description=f"locked, loss {loss:.3f}")
            if (step + 1) % CHECKPOINT_EVERY == 0:
                save(step + 1)
    run.network.eval()
    if isinstance(run.network.graph, FACGraph):
        run.network.graph.audio_scale.fill_(measure_audio_scale(run.network, training.cache, run.config))
    replace_state(run.folder / LOCKED, {**_kept(run), "step": run.step})
    for path in (unfinished, seen, run.folder / DEFLATED, unfinished_deflation(run)):  # the last two: of other weights
        path.unlink(missing_ok=True)


def hidden(log_mel: Tensor, rng: np.random.Generator, locked: LockedConfig) -> Tensor:
    """log-mel [B, time, mel] with stretches of time and of bands at each sound's own mean.

    Their widths are drawn up to `mask_frames` and `mask_bands`, their places anywhere.
    """
    out, mean = log_mel, log_mel.mean(dim=(1, 2)).view(-1, 1, 1)
    for axis, most in ((1, locked.mask_frames), (2, locked.mask_bands)) * HIDDEN:
        length = log_mel.shape[axis]
        width = rng.integers(0, min(most, length) + 1, len(log_mel))
        first = (rng.random(len(log_mel)) * (length - width + 1)).astype(int)
        at = np.arange(length)
        masked = torch.from_numpy((at >= first[:, None]) & (at < (first + width)[:, None])).to(log_mel.device)
        out = torch.where(masked.unsqueeze(3 - axis), mean, out)
    return out


@torch.no_grad()
def _see(run: Run, batches: Batches, locked: LockedConfig, bar: Progress, path: Path) -> np.ndarray:
    """What vision's backbone gives for the batches of `passes` epochs: float32 [steps, batch, D], kept in a file.

    What an interrupted call left is not seen again.
    """
    steps = locked.passes * batches.per_epoch
    shape = (steps, batches.batch, run.network.video.dim)
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        temporary = path.with_suffix(".tmp")  # a file half filled would have zeros for what vision gave
        with clear_disk_errors(run.folder, "what vision sees", "run the same command again"):
            new_array(temporary, np.float32, shape)[:] = np.nan
        os.replace(temporary, path)
    out = np.lib.format.open_memmap(path, mode="r+")
    device = next(run.network.parameters()).device
    run.network.eval()
    task = bar.add_task("seeing the clips", total=steps)
    for step in range(steps):
        if np.isnan(out[step]).any():
            frames = batches(step).frames.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=run.config.optim.bf16):
                out[step] = run.network.video(frames).float().cpu().numpy()
        bar.update(task, completed=step + 1)
    out.flush()
    return out


def _step(
    run: Run,
    batches: Batches,
    representations: np.ndarray,
    weights: np.ndarray,
    optimiser: torch.optim.Optimizer,
    step: int,
) -> float:
    """One step; it depends on its number and the weights before it alone. The loss."""
    config, network, locked = run.config, run.network, run.config.locked
    network.train()
    network.video.eval()
    turn, seen = divmod(step, len(representations))
    rng = np.random.default_rng([config.seed, 5, step])
    seen = int(np.random.default_rng([config.seed, 6, turn]).permutation(len(representations))[seen])
    device = next(network.parameters()).device
    batch = batches.unseen(seen, step)
    if locked.stray_words:
        ids = stray_words(batch.ids.numpy(), rng, locked.stray_words, weights)
        batch = replace(batch, ids=torch.from_numpy(ids))
    batch = moved(batch, device)
    optim = replace(config.optim, weight_sound_text=locked.weight_sound_text)
    representation = torch.from_numpy(representations[seen].copy()).to(device)
    embedded = embed_seen(network, representation, batch, optim, lambda log_mel: hidden(log_mel, rng, locked))
    loss = losses_of(embedded, batch, optim)["loss"]
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss is {loss.item()} at step {step} of the locked course: lower its learning rate")
    for group in optimiser.param_groups:
        group["lr"] = half_cosine(step, locked.steps, locked.learning_rate, locked.warmup_steps)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(_trained(network), config.optim.gradient_clip)
    optimiser.step()
    return loss.item()


def _trained(network: MMV) -> list[torch.nn.Parameter]:
    return [p for name, p in network.named_parameters() if p.requires_grad and not name.startswith(_LOCKED)]


# The vision backbone, and what later stages fit.
_LOCKED = ("video.", "audio_instance.")


def _kept(run: Run) -> dict[str, Any]:
    """What this course changes, and by which settings."""
    frozen = (*_LOCKED, "text.embed.")
    network = {name: value for name, value in run.network.state_dict().items() if not name.startswith(frozen)}
    return {"network": network, "config": asdict(run.config.locked)}
