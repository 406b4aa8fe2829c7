"""The training loop: step after step until the last one, a signal, or a loss that is not finite."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import fields, replace

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.training.cached_gradients import add_gradients
from models.training.checkpoints import clear_disk_errors, keeping
from models.training.data.batches import Batch, Batches
from models.training.interruption import interruptible
from models.training.observer import observe
from models.training.replicas import Replica, average
from models.training.run import CHECKPOINT, Run, TrainingError
from models.training.schedule import learning_rate

Evaluation = Callable[[], dict[str, float]]


def train_steps(
    run: Run,
    batches: Batches,
    optimiser: torch.optim.Optimizer,
    evaluate: Evaluation | None,
    replica: Replica,
    console: Console,
) -> None:
    """Train `run` from its step to the configuration's last; the first replica observes, evaluates and saves.

    A step depends on nothing but the weights before it, its number and the replica: resumed runs repeat it bit for bit.
    Ctrl-C and SIGTERM end the process after a checkpoint, and so does an error between two steps. One within a step
    leaves the last checkpoint: TrainingError for a loss or a gradient that is not finite, before it reaches the
    weights. TrainingError for a full disk too.
    """
    config, network = run.config, run.network
    parameters = [p for p in network.parameters() if p.requires_grad]
    with ExitStack() as closing:
        closing.enter_context(clear_disk_errors(run.folder, "the log"))
        interruption = closing.enter_context(interruptible())
        observer = closing.enter_context(observe(run, batches.clips, console)) if replica.first else None
        keeper = closing.enter_context(keeping(run, optimiser, replica.first))
        for batch in _prefetch(batches, run.step, config.optim.steps):
            stop = interruption.signal > 0
            with keeper.step():
                network.train()
                rate = learning_rate(run.step, config)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.zero_grad(set_to_none=True)
                seed = int(np.random.SeedSequence([config.seed, run.step, replica.rank]).generate_state(1)[0])
                course = replace(config, optim=config.optim.course(run.step)[0])
                parts = add_gradients(network, moved(batch, replica.device), course, seed)
                if replica.world > 1:
                    parts, stop = _averaged(run, parts, stop)
                norm = torch.nn.utils.clip_grad_norm_(parameters, config.optim.gradient_clip)
                _require_finite(run, {**parts, "gradient": norm}, keeper.saved)
                optimiser.step()
                run.step += 1
            if observer:
                observer.step(parts, rate, norm)
                if evaluate and not stop and (run.step % config.evaluate_every == 0 or run.step == config.optim.steps):
                    observer.evaluated(evaluate())
            if stop or run.step % config.checkpoint_every == 0 or run.step == config.optim.steps:
                keeper.save()
            if stop:
                console.print(f"stopped after step {run.step}, which is saved", soft_wrap=True)
                interruption.end()


def _averaged(run: Run, parts: dict[str, Tensor], stop: bool) -> tuple[dict[str, Tensor], bool]:
    """Average gradients and losses over the replicas; and whether one of them is to stop, for then all are."""
    own = torch.full_like(parts["loss"], float(stop))
    *values, asked = average(run.network, torch.stack([*parts.values(), own])).unbind()
    return dict(zip(parts, values, strict=True)), bool(asked > 0)


def _require_finite(run: Run, found: dict[str, Tensor], saved: int) -> None:
    """Raises TrainingError that names what is not finite; by way of the parts, of which the loss is the sum."""
    wrong = [name for name, value in found.items() if not torch.isfinite(value)]
    if not wrong:
        return
    named = next((name for name in wrong if name != "loss"), "loss")
    what = named if named in ("loss", "gradient") else f"{named} part of the loss"
    optim = run.config.optim
    raise TrainingError(
        f"the {what} is {found[named].item()} at step {run.step}. The weights of step {saved} are in "
        f"{run.folder / CHECKPOINT}: go on from them with --resume and a lower optim.learning_rate "
        f"(now {optim.learning_rate:g}) or optim.gradient_clip (now {optim.gradient_clip:g})"
    )


def moved(batch: Batch, device: torch.device) -> Batch:
    """A batch on the device; the copy goes on while the processor does."""
    if device.type == "cpu":
        return batch
    tensors = {f.name: getattr(batch, f.name).pin_memory() for f in fields(batch)}
    return Batch(**{name: x.to(device, non_blocking=True) for name, x in tensors.items()})


def _prefetch(batches: Batches, first: int, last: int) -> Iterator[Batch]:
    """Batches first..last-1, the next one made while the current one is used."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(batches, first)
        for step in range(first, last):
            batch = upcoming.result()
            if step + 1 < last:
                upcoming = pool.submit(batches, step + 1)
            yield batch
