"""A training run on disk: its configuration, its checkpoint, and what is recorded of where its weights come from."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from models.networks.mmv import MMV
from models.training.config import TrainConfig, build_config, config_dict, load_config
from models.training.data.manifest import Clip
from models.training.data.sample import Source, fingerprint_of
from models.training.data.word_vectors import WordTable

CHECKPOINT = "checkpoint.pt"


class TrainingError(Exception):
    """Training cannot go on; the message says why and what is left to resume from."""


@dataclass
class Run:
    """A training run's folder and what is needed to go on with it."""

    folder: Path
    config: TrainConfig
    table: WordTable
    network: MMV
    data_fingerprint: str
    step: int


def load_run(folder: Path) -> Run:
    """A run as its last checkpoint left it, for deflation and export."""
    config = load_config(folder / "config.yaml")
    table = WordTable.load(folder / "words.npz")
    network = MMV(config.network, torch.from_numpy(table.vectors()))
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    network.load_state_dict(state["network"], strict=False)
    network.eval()
    return Run(folder, config, table, network, state["data"], state["step"])


def save_checkpoint(run: Run, optimiser: torch.optim.Adam) -> None:
    """Replace the run's checkpoint; a crash leaves the old one or the new one."""
    path = run.folder / CHECKPOINT
    state = {
        # The frozen word table is in words.npz already.
        "network": {k: v for k, v in run.network.state_dict().items() if not k.startswith("text.embed.")},
        "optimiser": optimiser.state_dict(),
        "step": run.step,
        "config": json.dumps(config_dict(run.config), sort_keys=True),
        "data": run.data_fingerprint,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def restore_checkpoint(path: Path, network: MMV, optimiser: torch.optim.Adam, config: TrainConfig, data: str) -> int:
    """Load weights and optimiser; the step to go on from. Raises TrainingError for another configuration or data."""
    state = torch.load(path, weights_only=True)
    # Read as a configuration, not compared as text: one of before a setting existed has its default.
    if build_config(TrainConfig, json.loads(state["config"])) != config:
        raise TrainingError(f"{path} was made with another configuration; choose another --out")
    if state["data"] != data:
        raise TrainingError(f"{path} was made with other data; choose another --out")
    network.load_state_dict(state["network"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def write_config(run: Run) -> None:
    """Write the configuration beside the checkpoint, where `load_run` reads it."""
    plain = json.loads(json.dumps(config_dict(run.config)))
    (run.folder / "config.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))


def git_revision() -> str:
    """The commit that is checked out, with "+changes" when the tree differs from it; "unknown" outside a checkout."""
    root = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if dirty.strip() else "")


def provenance(run: Run, data: list[Clip] | Source) -> dict[str, Any]:
    """What the bundle records of where its weights come from. Raises TrainingError for data it was not trained on."""
    about = data.about() if isinstance(data, Source) else _about_footage(data)
    if about["fingerprint"] != run.data_fingerprint:
        raise TrainingError(f"{run.folder} was trained on other clips than these")
    return {
        "config": json.loads(json.dumps(config_dict(run.config))),
        "git_revision": git_revision(),
        "training_data": about,
        "steps": run.step,
        "torch": torch.__version__,
    }


def _about_footage(clips: list[Clip]) -> dict[str, Any]:
    return {
        "kind": "clips and narrations of games: " + ", ".join(sorted({clip.game for clip in clips})),
        "clips": len(clips),
        "maps": sorted({clip.map for clip in clips}),
        "fingerprint": fingerprint_of(clips),
    }
