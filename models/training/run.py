"""A training run on disk: its configuration, its checkpoint, and what is recorded of where its weights come from."""

import json
import pickle
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from models.networks.mmv import MMV
from models.training.config import TrainConfig, config_dict, load_config
from models.training.data.manifest import Clip
from models.training.data.sample import Source, fingerprint_of
from models.training.data.word_vectors import WordTable

CHECKPOINT = "checkpoint.pt"
LOCKED = "locked.pt"  # what a course with the vision backbone locked made of the checkpoint's network
RECORD = "run.json"  # of each start of the run: when, with which code, on which machine


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


def load_run(folder: Path, *, locked: bool = True) -> Run:
    """A run as its last checkpoint left it, and then its course with vision locked, if it had one and `locked`."""
    config = load_config(folder / "config.yaml")
    table = WordTable.load(folder / "words.npz")
    network = MMV(config.network, torch.from_numpy(table.vectors()))
    state = read_checkpoint(folder)
    network.load_state_dict(state["network"], strict=False)
    course = read_locked(folder, state["step"]) if locked else None
    if course:
        network.load_state_dict(course["network"], strict=False)
    network.eval()
    return Run(folder, config, table, network, state["data"], state["step"])


def read_locked(folder: Path, step: int) -> dict[str, Any] | None:
    """What the course with vision locked made of a step's weights, `network` and `config`; None where there is none."""
    if not (folder / LOCKED).is_file():
        return None
    state: dict[str, Any] = torch.load(folder / LOCKED, map_location="cpu", weights_only=True)
    return state if state["step"] == step else None


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """What the checkpoint holds, its tensors in main memory. Raises TrainingError for a file that is none."""
    path = folder / CHECKPOINT
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        why = str(error).split("\n")[0] or "it ends too early"
        raise TrainingError(f"{path} cannot be read as a checkpoint: {why}") from None
    return state


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
        "git_revision": _revision(run.folder),
        "training_data": about,
        "steps": run.step,
        "torch": torch.__version__,
    }


def _revision(folder: Path) -> str:
    """The code that trained a run, several where it went on with another; the present one where that is not known."""
    record = folder / RECORD
    sessions = json.loads(record.read_text())["sessions"] if record.is_file() else []
    return ", ".join(dict.fromkeys(session["git_revision"] for session in sessions)) or git_revision()


def _about_footage(clips: list[Clip]) -> dict[str, Any]:
    return {
        "kind": "clips and narrations of games: " + ", ".join(sorted({clip.game for clip in clips})),
        "clips": len(clips),
        "maps": sorted({clip.map for clip in clips}),
        "fingerprint": fingerprint_of(clips),
    }
