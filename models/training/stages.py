"""Work in stages, each done once. What is done stands in a file, so that the same call goes on after an interruption.

Nothing here needs torch: the service reads the file of a training that runs in another process.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY_S = 1.0  # how often a stage's progress is written

Result = dict[str, Any]


class StagesError(Exception):
    """The stages cannot go on in this folder; the message says why."""


@dataclass(frozen=True)
class Stage:
    """One arrow of the way. `share` is about how much of the whole time it takes.

    `work` goes on with what an interrupted call of it left. `output` is a fingerprint of what it leaves behind, None
    where that is not there; `gauge` how much of it is done, 0 to 1, and is called from another thread.
    """

    name: str
    share: float
    work: Callable[[], Result]
    output: Callable[[], str | None]
    gauge: Callable[[], float] = lambda: 0.0


def run_stages(file: Path, plan: dict[str, Any], stages: Sequence[Stage], tell: Callable[[str], None]) -> list[Result]:
    """Do what is not done yet; what every stage gave.

    `file` keeps the plan and what is done of it. A stage is done again when its output is gone or another, and so is
    then what comes after it. `tell` is given a line at each arrow. Raises StagesError for a file with another plan.
    """
    plan = json.loads(json.dumps(plan))
    state = read_state(file)
    if changed := differences(state.get("plan", plan), plan):
        raise StagesError(f"{file.parent} was begun with another {', '.join(changed)}; choose another --out")
    total = sum(stage.share for stage in stages)
    state = {"done": {}, "seconds": {}, **state, "plan": plan}
    came_in, before, results = fingerprint(plan), 0.0, []
    for stage in stages:
        inputs = fingerprint([came_in, stage.name])
        done = state["done"].get(stage.name)
        if done and done["inputs"] == inputs and done["output"] == stage.output():
            tell(f"{stage.name}: done before")
        else:
            state["done"].pop(stage.name, None)
            done = _do(file, state, stage, inputs, before / total, stage.share / total, tell)
        results.append(done["result"])
        came_in = fingerprint([inputs, done["output"]])
        before += stage.share
    _write(file, {**state, "now": {"stage": "done", "progress": 1.0}})
    return results


def read_state(file: Path) -> dict[str, Any]:
    """What the file says; nothing where there is none. Raises StagesError."""
    try:
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise StagesError(f"{file} is not JSON; remove it to begin anew") from None
    return state


def progress(file: Path) -> tuple[float, str]:
    """How far the work is, 0 to 1, and its stage."""
    now = read_state(file).get("now", {})
    return float(now.get("progress", 0.0)), str(now.get("stage", "starting"))


def fingerprint(value: Any) -> str:
    """16 hex digits of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Names of what is not the same in two plans, nested ones with dots."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [name for key in keys for name in differences(old.get(key), new.get(key), f"{where}.{key}".strip("."))]
    return [] if old == new else [where]


def _do(
    file: Path,
    state: dict[str, Any],
    stage: Stage,
    inputs: str,
    before: float,
    share: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    tell(f"-> {stage.name}")

    def write() -> None:
        now = {"stage": stage.name, "progress": before + share * min(max(stage.gauge(), 0.0), 1.0)}
        _write(file, {**state, "now": now})

    spent = state["seconds"]
    started = time.monotonic() - spent.get(stage.name, 0.0)
    try:
        with _repeatedly(write):
            result = stage.work()
    finally:
        spent[stage.name] = round(time.monotonic() - started, 1)
        write()
    output = stage.output()
    if output is None:
        raise StagesError(f"{stage.name} left nothing behind in {file.parent}")
    state["done"][stage.name] = done = {"inputs": inputs, "output": output, "result": result}
    write()
    tell(f"{stage.name}: {_time(spent[stage.name])}")
    return done


@contextmanager
def _repeatedly(work: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def repeat() -> None:
        work()
        while not over.wait(EVERY_S):
            work()

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _write(file: Path, state: dict[str, Any]) -> None:
    """Replace the file; a crash leaves the old one or the new one."""
    temporary = file.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as out:
        out.write(json.dumps(state, indent=1) + "\n")
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
