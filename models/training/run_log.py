"""What a training run writes down as it goes: log.jsonl, events for TensorBoard, and where and by what it was run."""

import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from models.training.run import RECORD, Run, TrainingError, git_revision

LOG = "log.jsonl"
EVENTS = "tensorboard"
EVERY = 20  # steps from one row of losses to the next


@dataclass(frozen=True)
class Reading:
    """One step: the loss and its parts, the learning rate, the speed, the gradient's norm before clipping, the time."""

    step: int  # how many are done
    parts: dict[str, float]
    lr: float
    clips_per_s: float
    gradient_norm: float
    seconds: float  # of training so far, over all sessions of the run

    def row(self) -> dict[str, Any]:
        """As it stands in the log."""
        parts = {name: round(value, 4) for name, value in self.parts.items()}
        speed, norm = round(self.clips_per_s, 1), round(self.gradient_norm, 3)
        # JSON has no infinity, and a norm of bfloat16 gradients may be one.
        measured = {"clips_per_s": speed, "gradient_norm": norm if math.isfinite(norm) else None}
        return {"step": self.step, **parts, "lr": self.lr, **measured, "seconds": round(self.seconds, 1)}


class RunLog:
    """Writes the rows of one session. A resumed run keeps those up to the step that it goes on from."""

    def __init__(self, folder: Path, first: int, console: Console):
        kept = [row for row in read_log(folder) if row["step"] <= first]
        self.evaluations = [(row["step"], row["validation"]) for row in kept if "validation" in row]
        self.seconds = max((row.get("seconds", 0.0) for row in kept), default=0.0)
        _replace(folder / LOG, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = (folder / LOG).open("a", encoding="utf-8")
        self._events = _event_writer(folder / EVENTS, first, console)

    def step(self, reading: Reading) -> None:
        """Add a row of losses."""
        row = reading.row()
        self._write(row)
        self._plot(reading.step, {f"training/{k}": v for k, v in row.items() if k not in ("step", "seconds")})

    def evaluated(self, step: int, found: dict[str, float]) -> None:
        """Add a row of held-out figures."""
        self._write({"step": step, "validation": found})
        # TensorBoard wants names of a kind that files may have.
        self._plot(step, {"held-out/" + k.replace("->", " to ").replace("@", " at "): v for k, v in found.items()})

    def close(self) -> None:
        self._file.close()
        if self._events:
            self._events.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def _plot(self, step: int, values: dict[str, float | None]) -> None:
        if self._events:
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(name, value, step)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, none where there is no log; a last line that a crash cut off is passed over.

    Raises TrainingError for any other line that is not a row.
    """
    path = folder / LOG
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            int(row["step"])
        except (ValueError, KeyError, TypeError):
            if number == len(lines):  # no line break after it
                break
            raise TrainingError(f"{path}, line {number} is not a row of a training log; remove that line") from None
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Session:
    """One start of a course of the run: when (UTC), from which step, with which code, on which machine."""

    course: str
    started: str
    from_step: int
    git_revision: str
    torch: str
    machine: str
    device: str
    processes: int


def record_session(run: Run, clips: int, course: str = "training") -> None:
    """Add this start of training, or of a course after it, to the run's record, beside what it trains on."""
    told = read_record(run.folder)
    # A run that starts at 0 has nothing of what was begun before in its folder.
    before = told.get("sessions", []) if run.step else []
    session = Session(
        course=course,
        started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        from_step=run.step,
        git_revision=git_revision(),
        torch=torch.__version__,
        machine=machine(),
        device=next(run.network.parameters()).device.type,
        processes=_processes(),
    )
    clips = told.get("clips", clips) if before else clips
    record = {"clips": clips, "data": run.data_fingerprint, "sessions": [*before, asdict(session)]}
    _replace(run.folder / RECORD, json.dumps(record, indent=1) + "\n")


def read_record(folder: Path) -> dict[str, Any]:
    """What `record_session` wrote; empty for a run of before it existed."""
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        raise TrainingError(f"{path} is not JSON; remove it to go on without") from None
    return record


def machine() -> str:
    """The processor, how many of its cores there are and are computed with, and the accelerator."""
    name = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in cpus.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    found = f"{name}, {torch.get_num_threads()} of {os.cpu_count()} cores, {platform.system()}"
    return f"{found}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else found


def _processes() -> int:
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1


def _event_writer(folder: Path, first: int, console: Console) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        console.print("no TensorBoard log: the package tensorboard is not installed")
        return None
    return SummaryWriter(str(folder), purge_step=first + 1 if first else None)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
