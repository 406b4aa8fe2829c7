"""Deflation of an imported network, on unlabelled stills of the user's.

What the video network gives for the static clips is computed once for each still (seconds each, for a published network
on a CPU), kept in a folder until the import is done, and then learned from in many short steps.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from models.bundle import InputSpec
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.training.config import DeflateConfig
from models.training.data.folder import stills
from models.training.deflate import SPACES, Stills, fit_deflated, mean_cosine, static_outputs
from models.training.progress import progress_bar

STILLS = 256
HELD_OUT = 8  # one still in so many judges, and is not trained on
SAVE_EVERY = 16


def deflate_on_stills(
    network: MMV, deflated: DeflatedMMV, folder: Path, inputs: InputSpec, steps: int, work: Path, console: Console
) -> dict[str, Any]:
    """Train `deflated` in place; what `bundle.json` records of it: stills, steps, mean cosines to the static clips.

    `work` keeps what was computed, for another call after an interruption. Raises ValueError for fewer than 16 stills.
    """
    with console.status("reading stills"):
        images = np.stack(list(stills(folder, inputs, STILLS)))
    if len(images) < 2 * HELD_OUT:
        raise ValueError(f"{folder} has {len(images)} stills; deflation needs at least {2 * HELD_OUT}")
    key = hashlib.sha256(images.tobytes()).hexdigest()[:12]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    deflated.to(device)
    config = DeflateConfig(steps=steps, batch=16)
    work.mkdir(parents=True, exist_ok=True)
    with progress_bar(console) as bar:
        wanted = _static_outputs(network, images, inputs.frames, work / f"static-{key}.npz", bar)
        held = np.arange(len(images)) % HELD_OUT == HELD_OUT - 1
        train, judge = np.flatnonzero(~held), np.flatnonzero(held)

        def of_step(step: int) -> Stills:
            rows = np.random.default_rng(step).choice(train, min(config.batch, len(train)), replace=False)
            static = {s: torch.from_numpy(v[rows]).to(device) for s, v in wanted.items()}
            return Stills(_unit(images[rows], device), static)

        def cosine() -> float:
            target = torch.from_numpy(wanted["fine"][judge]).to(device)
            return mean_cosine(deflated, _unit(images[judge], device), target)

        naive = cosine()  # of the untouched copy: resuming happens in fit_deflated
        fit_deflated(deflated, of_step, config, bar, work / f"fit-{key}-{steps}.pt")
        trained = cosine()
    network.cpu()
    deflated.cpu()
    return {"kind": "trained", "stills": len(train), "steps": steps, "cosine": {"naive": naive, "trained": trained}}


def _static_outputs(network: MMV, images: np.ndarray, frames: int, path: Path, bar: Progress) -> dict[str, np.ndarray]:
    """float32 [N, D] of each space, for images uint8 [N, H, W, 3]; goes on from what `path` holds."""
    rows: dict[str, list[np.ndarray]] = {space: [] for space in SPACES}
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            rows = {space: list(kept[space]) for space in SPACES}
    done = len(rows["fine"])
    task = bar.add_task("video network on static clips", total=len(images), completed=done)
    for i in range(done, len(images)):
        outputs = static_outputs(network, _unit(images[i : i + 1], next(network.parameters()).device), frames)
        for space in SPACES:
            rows[space].append(outputs[space][0].float().cpu().numpy())
        if (i + 1) % SAVE_EVERY == 0 or i + 1 == len(images):
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, **{space: np.stack(v) for space, v in rows.items()})  # type: ignore[arg-type]
            os.replace(temporary, path)
        bar.update(task, completed=i + 1)
    return {space: np.stack(v) for space, v in rows.items()}


def _unit(images: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(images).to(device).float() / 255
