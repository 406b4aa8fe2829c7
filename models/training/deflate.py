"""Deflation (section 3.2 of the paper): training batch-norm scales and offsets, on unlabelled frames.

The paper's objective is the distance to the static clip's outputs. In small networks with few frames, where the zeros
beyond a clip's ends reach most of it, gamma and beta cannot follow those; `clip_weight` adds what they are wanted for:
NCE between a frame and the clip that it was taken from, among a batch's, as free of labels as the rest.

The instance heads of stills and sounds are fitted in the same step, on the same data.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.training.checkpoints import replace_state
from models.training.config import DeflateConfig, TrainConfig
from models.training.data.augment import tinted
from models.training.data.batches import Batches, Part, centre_crop
from models.training.data.cache import ClipCache
from models.training.data.reader import Reader
from models.training.instances import fit_instances
from models.training.losses import nce
from models.training.progress import progress_bar
from models.training.run import Run, TrainingError
from models.training.schedule import half_cosine

CHECKPOINT = "deflated.pt"
CHECKPOINT_EVERY = 20  # steps
SPACES = ("representation", "fine", "coarse")
SHARED = ("fine", "coarse")  # where a still and a clip are compared


@dataclass(frozen=True)
class Stills:
    """A batch of images float [B, H, W, 3], and what the video network gives for others that they should be like."""

    images: Tensor
    static: dict[str, Tensor]  # of the clip that shows nothing but the image, untinted
    clip: dict[str, Tensor] | None = None  # of the clip that the image is a frame of


@dataclass(frozen=True)
class Agreement:
    """Mean cosine, in the fine space, to the video network's embedding of the static clip (input inflation = 1)."""

    naive: float
    trained: float


def deflate(run: Run, cache: ClipCache, batches: Batches, console: Console) -> tuple[DeflatedMMV, Agreement]:
    """Deflate a run's network on frames of its training clips; fit the instance heads; save both beside the run.

    Interrupted, another call goes on where it was.
    """
    config = run.config
    torch.set_num_threads(config.optim.threads)
    run.network.eval()
    deflated = DeflatedMMV(run.network)
    probe = _frames(cache, config, np.random.default_rng([config.seed, 1]), 256)
    wanted = static_outputs(run.network, probe, config.inputs.frames)["fine"]
    naive = mean_cosine(deflated, probe, wanted)

    @torch.no_grad()
    def stills(step: int) -> Stills:
        clips = batches(step).frames
        images = clips[:, step % config.inputs.frames]
        drawn = torch.from_numpy(np.random.default_rng([config.seed, 4, step]).random((len(images), 4)))
        shown = tinted(images, drawn, config.deflate.tint) if config.deflate.tint else images
        with torch.autocast(clips.device.type, torch.bfloat16, enabled=config.optim.bf16):
            static = _float(static_outputs(run.network, images, config.inputs.frames))
            whole = _float(run.network.encode_video(clips)) if config.deflate.clip_weight else None
        return Stills(shown, static, whole)

    unfinished = unfinished_deflation(run)
    with progress_bar(console) as bar:
        fit_deflated(deflated, stills, config.deflate, bar, unfinished)
    found = Agreement(naive, mean_cosine(deflated, probe, wanted))
    fit_instances(run, deflated, cache)
    save_deflated(run, deflated, found)
    unfinished.unlink(missing_ok=True)
    return deflated, found


def unfinished_deflation(run: Run) -> Path:
    """Where an interrupted deflation of these very weights goes on: a run that is trained further is deflated anew."""
    return run.folder / f"deflating-{run.step}.pt"


def fit_deflated(
    deflated: DeflatedMMV,
    stills: Callable[[int], Stills],
    config: DeflateConfig,
    bar: Progress,
    checkpoint: Path | None = None,
) -> None:
    """Train gamma and beta so that an image gives what the video network gives for its static clip (L1 distance).

    `stills` gives the batch of a step, with clips where `config.clip_weight` is not 0. With a `checkpoint` (a file that
    only this training uses) an interrupted training goes on where it was.
    """
    optimiser = torch.optim.Adam(deflated.trainable(), lr=config.learning_rate)
    first = _resume(checkpoint, deflated, optimiser) if checkpoint and checkpoint.exists() else 0
    task = bar.add_task("deflating", total=config.steps, completed=first)
    for step in range(first, config.steps):
        loss = _loss(deflated, stills(step), config.clip_weight)
        for group in optimiser.param_groups:
            group["lr"] = half_cosine(step, config.steps, config.learning_rate)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        bar.update(task, completed=step + 1, description=f"deflating, loss {loss.item():.3f}")
        if checkpoint and (step + 1) % CHECKPOINT_EVERY == 0:
            values = {"trainable": deflated.trainable(), "optimiser": optimiser.state_dict(), "step": step + 1}
            replace_state(checkpoint, values)


def _float(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {space: output.float() for space, output in outputs.items()}


def _loss(deflated: DeflatedMMV, stills: Stills, clip_weight: float) -> Tensor:
    got, wanted = deflated(stills.images), stills.static
    # Each space weighs the same, whatever its scale.
    loss = torch.stack([F.l1_loss(got[s], wanted[s]) / wanted[s].abs().mean() for s in SPACES]).mean()
    if stills.clip is None:
        return loss
    every = torch.ones(len(stills.images), dtype=torch.bool, device=stills.images.device)
    return loss + clip_weight * torch.stack([nce(stills.clip[s], got[s], every) for s in SHARED]).sum()


@torch.no_grad()
def _resume(checkpoint: Path, deflated: DeflatedMMV, optimiser: torch.optim.Optimizer) -> int:
    state = torch.load(checkpoint, weights_only=True)
    for parameter, value in zip(deflated.trainable(), state["trainable"], strict=True):
        parameter.copy_(value)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


@torch.no_grad()
def static_outputs(network: MMV, images: Tensor, frames: int) -> dict[str, Tensor]:
    """What the video network gives for the static clips of images float [B, H, W, 3]."""
    return network.encode_video(static_clip(images, frames))


@torch.no_grad()
def mean_cosine(deflated: DeflatedMMV, images: Tensor, wanted: Tensor) -> float:
    """Mean cosine of the fine embeddings of images to `wanted` [B, F]."""
    return float(F.cosine_similarity(deflated(images)["fine"], wanted).mean())


def save_deflated(run: Run, deflated: DeflatedMMV, found: Agreement) -> None:
    """Beside the run's checkpoint: what deflation and the instance heads add to it."""
    state = {"video": deflated.video.state_dict()}
    if deflated.instance is not None and run.network.audio_instance is not None:
        state["instance"] = deflated.instance.state_dict()
        state["audio_instance"] = run.network.audio_instance.state_dict()
    replace_state(run.folder / CHECKPOINT, state)
    (run.folder / "deflation.json").write_text(json.dumps({"naive": found.naive, "trained": found.trained}))


def load_deflated(run: Run) -> tuple[DeflatedMMV, Agreement]:
    """The deflated network of a run, and its network's sound instance head. Raises TrainingError before `deflate`."""
    if not (run.folder / CHECKPOINT).is_file():
        raise TrainingError(f"{run.folder} is not deflated yet; run: mmv-search deflate {run.folder} --data DATA")
    state = torch.load(run.folder / CHECKPOINT, weights_only=True)
    deflated = DeflatedMMV(run.network)
    deflated.video.load_state_dict(state["video"], assign=True)  # not into the shared filters
    if deflated.instance is not None and run.network.audio_instance is not None:
        deflated.instance.load_state_dict(state["instance"])
        run.network.audio_instance.load_state_dict(state["audio_instance"])
    return deflated, Agreement(**json.loads((run.folder / "deflation.json").read_text()))


def make_batches(run: Run, data: Reader | Sequence[Part]) -> Batches:
    """The stream of training batches, of which deflation uses one frame a clip."""
    tokenizer = Tokenizer(run.table.words, run.config.inputs.words, run.config.inputs.hyphens)
    return Batches(
        data, run.config.inputs, tokenizer, run.config.augment, run.config.deflate.batch, run.config.seed + 1
    )


def _frames(cache: ClipCache, config: TrainConfig, rng: np.random.Generator, count: int) -> Tensor:
    rows = rng.choice(len(cache.clips), min(count, len(cache.clips)), replace=False)
    picks = rng.integers(0, cache.frames.shape[1], len(rows))
    return torch.from_numpy(np.ascontiguousarray(centre_crop(cache.frames[rows, picks], config.inputs))).float() / 255
