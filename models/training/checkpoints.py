"""Checkpoints: written so that a crash or a full disk leaves the one before, read by whoever goes on with the run."""

import errno
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.training.config import TrainConfig, build_config, config_dict
from models.training.run import CHECKPOINT, Run, TrainingError, read_checkpoint

# What may be another when a run goes on: none of it changes the network or what it is shown.
FREE = ("learning_rate", "gradient_clip", "threads")


def save_checkpoint(run: Run, optimiser: torch.optim.Optimizer) -> None:
    """Replace the run's checkpoint; a crash leaves the old one or the new one. Raises TrainingError if it cannot."""
    state = {
        # The frozen word table is in words.npz already.
        "network": {k: v for k, v in run.network.state_dict().items() if not k.startswith("text.embed.")},
        "optimiser": optimiser.state_dict(),
        "step": run.step,
        "config": json.dumps(config_dict(run.config), sort_keys=True),
        "data": run.data_fingerprint,
    }
    contents = _serialised(state)
    with clear_disk_errors(run.folder, f"the checkpoint of step {run.step} ({len(contents) / 1e6:.3g} MB)"):
        _write(run.folder / CHECKPOINT, contents)


def replace_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors to a file; a crash leaves what was there or the new ones. Raises TrainingError if it cannot."""
    contents = _serialised(state)
    with clear_disk_errors(path.parent, f"{path.name} ({len(contents) / 1e6:.3g} MB)", "run the same command again"):
        _write(path, contents)


def _serialised(state: dict[str, Any]) -> memoryview:
    contents = io.BytesIO()  # torch.save tells of a full disk in no way that could be told from others
    torch.save(state, contents)
    return contents.getbuffer()


def _write(path: Path, contents: memoryview) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


class Keeper:
    """Saves a run, if it is this process that does, and knows which step's weights are in the checkpoint."""

    def __init__(self, run: Run, optimiser: torch.optim.Optimizer, saves: bool):
        self.run, self.optimiser, self.saves = run, optimiser, saves
        self.saved = run.step
        self.between_steps = True

    def save(self) -> None:
        self.saved = self.run.step
        if self.saves:
            save_checkpoint(self.run, self.optimiser)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step: what is left of one that is cut off is not saved, for its batch has moved running statistics."""
        self.between_steps = False
        yield
        self.between_steps = True


@contextmanager
def keeping(run: Run, optimiser: torch.optim.Optimizer, saves: bool) -> Iterator[Keeper]:
    """Save at the beginning of a run, and what was done when an error comes between two steps."""
    keeper = Keeper(run, optimiser, saves)
    if not (run.folder / CHECKPOINT).exists():
        keeper.save()
    try:
        yield keeper
    except BaseException:
        if keeper.between_steps and keeper.saved < run.step:
            keeper.save()
        raise


def restore_checkpoint(run: Run, optimiser: torch.optim.Optimizer) -> list[str]:
    """Load weights, optimiser and step; which settings are others now than they were.

    A finished run can be given a `restart` or a locked course later. Raises TrainingError for another configuration or
    data, and for a file that is no checkpoint.
    """
    path = run.folder / CHECKPOINT
    state = read_checkpoint(run.folder)
    # Read as a configuration, not compared as text: one of before a setting existed has its default.
    before: TrainConfig = build_config(TrainConfig, json.loads(state["config"]))
    changed = {
        k: getattr(run.config.optim, k) for k in FREE if getattr(before.optim, k) != getattr(run.config.optim, k)
    }
    first = run.config.optim.course(0)[0]
    before = replace(before, optim=replace(before.optim, **changed), locked=run.config.locked)
    if before not in (run.config, replace(run.config, optim=first)):
        raise TrainingError(f"{path} was made with another configuration; choose another --out")
    if state["data"] != run.data_fingerprint:
        raise TrainingError(f"{path} was made with other data; choose another --out")
    run.network.load_state_dict(state["network"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    run.step = int(state["step"])
    return [f"optim.{k} is {value:g} from step {run.step} on" for k, value in changed.items()]


@contextmanager
def clear_disk_errors(folder: Path, what: str, go_on: str = "go on with --resume") -> Iterator[None]:
    """Tell what could not be written, and how the run can go on once it can."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
            raise
        left = "what was saved before is whole" if any(folder.glob("*.pt")) else "nothing is saved yet"
        where = Path(error.filename).parent if isinstance(error.filename, str) else folder
        raise TrainingError(
            f"{what} cannot be written to {where}: {error.strerror}; {left}. Make room there and {go_on}"
        ) from error


def _sync(folder: Path) -> None:
    """Make a renaming in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
