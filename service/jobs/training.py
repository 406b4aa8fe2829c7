"""Training jobs: a bundle is adapted or made anew by the command line, in a child process of the worker.

Serving never imports torch, and a training takes hours: the worker's thread here only watches the child, so that other
jobs go on beside it. All that the child does is kept in its folder, so that one that was ended goes on there.
"""

import contextlib
import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle import load_bundle
from models.training import stages
from service.catalogue import Catalogue, Job, JobKind
from service.media.store import MediaStore
from service.settings import Settings

log = logging.getLogger(__name__)

KINDS: tuple[JobKind, ...] = ("adapt", "train")
NEEDED = {"adapt": ("torch", "onnx"), "train": ("torch", "onnx", "vizdoom", "wordfreq")}
CONFIGS = Path(stages.__file__).parent / "configs"
NOT_BETTER = 3  # exit status of `mmv-search adapt`
LOOK_S = 0.25
# A worker must stop within two seconds: what is lost then is done again from the last checkpoint.
CHILD_STOPS_WITHIN_S = 0.8
LOG, LAST_BYTES = "log.txt", 4000


class TrainingFailed(Exception):
    """The child ended with an error; the message is its last line."""


@dataclass(frozen=True)
class Training:
    """One child: its arguments for the command line, its folder, and the file in it that tells how far it is."""

    arguments: list[str]
    folder: Path
    state: str
    result: Callable[[Path], dict[str, Any]]


class Trainer:
    """The thread of a worker process in which a training is watched; one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Do the work in the thread, unless it is busy."""
        if not self.busy:
            self._thread = threading.Thread(target=work, name="training")
            self._thread.start()

    def join(self) -> None:
        """Wait until the work is over."""
        if self._thread is not None:
            self._thread.join()


def missing(kind: JobKind) -> list[str]:
    """The packages that a training needs and that are not installed. Imports none of them."""
    return [name for name in NEEDED[kind] if importlib.util.find_spec(name) is None]


def configurations() -> list[str]:
    """Names of the training configurations that come with the package."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def run_training(
    settings: Settings, catalogue: Catalogue, job: Job, report: Callable[[float, str], None]
) -> dict[str, Any]:
    """Do a training job, or go on with it; what came out. What `report` raises ends the child.

    Raises TrainingFailed.
    """
    training = (_adapt if job.kind == "adapt" else _rebuild)(settings, catalogue, job.payload)
    training.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (training.folder / LOG).open("wb") as written:
        child = subprocess.Popen(
            [sys.executable, "-m", "service.jobs.training_child", *training.arguments],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env={**os.environ, "COLUMNS": "200"},
            start_new_session=True,  # a group of its own, which ends as a whole
        )
        try:
            while child.poll() is None:
                with contextlib.suppress(stages.StagesError):
                    report(*stages.progress(training.folder / training.state))
                time.sleep(LOOK_S)
        finally:
            _end(child)
    if child.returncode not in (0, NOT_BETTER):
        raise TrainingFailed(_last_line(training.folder / LOG) or f"it ended with status {child.returncode}")
    return {"folder": str(training.folder), **training.result(training.folder)}


def _adapt(settings: Settings, catalogue: Catalogue, payload: dict[str, Any]) -> Training:
    from service.adaptation import adaptation_folder, library_films

    films = library_films(catalogue, MediaStore(settings.media_dir))
    folder = adaptation_folder(settings, load_bundle(settings.bundle_path()), films, payload["steps"])
    line = ["adapt", "--library", "--steps", str(payload["steps"]), "--out", str(folder)]
    return Training([*line, *_promotion(settings, payload)], folder, "adapt.json", _adapted)


def _rebuild(settings: Settings, _: Catalogue, payload: dict[str, Any]) -> Training:
    wanted = {name: value for name, value in payload.items() if name != "promote"}
    folder = settings.training_dir / f"rebuild-{stages.fingerprint(wanted)[:12]}"
    line = ["train", str(CONFIGS / f"{payload['config']}.yaml"), "--rebuild", "--out", str(folder)]
    for name in ("clips", "held_out_clips", "validation_clips", "seed"):
        line += [f"--{name.replace('_', '-')}", str(payload[name])]
    return Training([*line, *_promotion(settings, payload)], folder, "rebuild.json", _rebuilt)


def _promotion(settings: Settings, payload: dict[str, Any]) -> list[str]:
    return ["--home", str(settings.home), *(["--promote"] if payload["promote"] else [])]


def _adapted(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "adaptation.json").read_text(encoding="utf-8"))
    return {
        "bundle": found["bundle"],
        "fingerprint": found["fingerprint"],
        **found["verdict"],
        "recall_before": {name: value["recall"] for name, value in found["before"].items()},
        "recall_after": {name: value["recall"] for name, value in found["after"].items()},
    }


def _rebuilt(folder: Path) -> dict[str, Any]:
    bundle = load_bundle(folder / "bundle")
    figures = {name: value["recall"] for name, value in bundle.metrics.get("retrieval", {}).items()}
    return {"bundle": str(bundle.path), "name": bundle.name, "fingerprint": bundle.fingerprint, "recall": figures}


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the child to stop, so that it leaves a checkpoint; then end it and all that it started."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CHILD_STOPS_WITHIN_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _last_line(file: Path) -> str:
    lines = [line.strip() for line in file.read_bytes()[-LAST_BYTES:].decode(errors="replace").splitlines()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or [line for line in lines if line] or [""])[-1][:500]
