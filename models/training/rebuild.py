"""`train --rebuild`: from nothing to a bundle, by one call that goes on where it was interrupted.

footage -> train (-> lock) -> deflate -> export -> evaluate -> bundle. Every arrow is a stage (`stages.py`), and each
goes on by itself in the middle: footage at its last clip, training and deflation at their last checkpoint.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from models.bundle import MANIFEST, Bundle, load_bundle
from models.training.card import CARD
from models.training.config import TrainConfig, build_config, config_dict
from models.training.data.cache import fingerprint_of
from models.training.data.footage.generate import generate_footage
from models.training.data.manifest import read_manifest
from models.training.data.splits import expand_maps
from models.training.deflate import CHECKPOINT as DEFLATED
from models.training.finish import deflate_run, evaluate_into, export_run, lock_run, require_verified, write_card
from models.training.outputs import of_bundle, of_file
from models.training.progress import progress_bar
from models.training.run import CHECKPOINT, LOCKED
from models.training.stages import Result, Stage, read_state, run_stages
from models.training.trainer import train_in_processes

STATE = "rebuild.json"
BUNDLE = "bundle"
# The sets by the maps they are filmed on, and how far their seeds are from the rebuild's.
SETS = {"train": 0, "validation": 2000, "test": 1000}
# Decorations and places make no sound and are one card in five of the deck: the training set has a second series of
# these alone, 3 clips for every 23.
SCENERY, SCENERY_SEED = ("look", "explore"), 2
TRACKS = 8  # wordings of every training clip, one of them at a time


@dataclass(frozen=True)
class Footage:
    """How many clips to film for training, for early evaluation and for the figures; no two sets share a map."""

    clips: int = 11_500
    validation_clips: int = 300
    held_out_clips: int = 1000
    seed: int = 1

    @property
    def scenery_clips(self) -> int:
        """Clips of decorations and places, beside the `clips` of everything."""
        return self.clips * 3 // 23


@dataclass(frozen=True)
class Sets:
    """Folders with manifest.jsonl that are there already."""

    data: Path
    validation: Path | None = None
    held_out: Path | None = None


def rebuild(
    config: TrainConfig,
    material: Footage | Sets,
    folder: Path,
    console: Console,
    *,
    processes: int = 1,
    device: str = "auto",
) -> Bundle:
    """The finished bundle, in `folder`; what `folder` holds already of this rebuild is not done again.

    `processes` and `device` are those of the training, as in `train_in_processes`; going on, they may be others.
    Raises StagesError when it holds another one, and what the stages raise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets = material if isinstance(material, Sets) else _sets(folder / "footage", material)
    plan = _plan(config, material)
    _read_config_of_before(folder / STATE, plan)
    stages = [*_footage(sets, material, console), *_stages(config, sets, folder, console, processes, device)]
    run_stages(folder / STATE, plan, stages, lambda line: console.print(line, highlight=False, soft_wrap=True))
    return load_bundle(folder / BUNDLE)


def _stages(
    config: TrainConfig, sets: Sets, folder: Path, console: Console, processes: int, device: str
) -> list[Stage]:
    run, out = folder / "run", folder / BUNDLE

    def do_train() -> Result:
        resume = (run / CHECKPOINT).exists()
        train_in_processes(
            processes,
            config,
            sets.data,
            run,
            validation=sets.validation,
            resume=resume,
            console=console,
            device=device,
        )
        return {"steps": config.optim.steps}

    def do_lock() -> Result:
        lock_run(run, sets.data, console)
        return {"steps": config.locked.steps}

    def do_deflate() -> Result:
        found = deflate_run(run, sets.data, console)
        return {"cosine": {"naive": found.naive, "trained": found.trained}}

    def do_export() -> Result:
        return {"fingerprint": export_run(run, sets.data, out).fingerprint}

    def do_evaluate() -> Result:
        if sets.held_out is None:
            console.print("no --held-out clips: the bundle has no figures")
            return {}
        metrics = evaluate_into(load_bundle(out), sets.held_out, console).metrics
        return {name: value["recall"] for name, value in metrics["retrieval"].items()}

    def do_bundle() -> Result:
        bundle = load_bundle(out)
        write_card(bundle, run)
        return {"largest_difference_to_torch": require_verified(bundle)}

    return [
        Stage("train", 0.45, do_train, lambda: of_file(run / CHECKPOINT), lambda: _trained(run, config.optim.steps)),
        *([Stage("lock", 0.10, do_lock, lambda: of_file(run / LOCKED))] if config.locked.steps else []),
        Stage("deflate", 0.08, do_deflate, lambda: of_file(run / DEFLATED)),
        Stage("export", 0.01, do_export, lambda: of_bundle(out)),
        Stage("evaluate", 0.05, do_evaluate, lambda: of_file(out / MANIFEST)),
        Stage("bundle", 0.01, do_bundle, lambda: of_file(out / CARD)),
    ]


def _footage(sets: Sets, material: Footage | Sets, console: Console) -> list[Stage]:
    """The stage that films the sets; none where they are there."""
    if isinstance(material, Sets):
        return []
    sizes = {
        "train": (sets.data, material.clips),
        "validation": (sets.validation, material.validation_clips),
        "test": (sets.held_out, material.held_out_clips),
    }
    wanted = {maps: (out, clips) for maps, (out, clips) in sizes.items() if out is not None}
    series = [_Series(out, maps, clips, material.seed + SETS[maps]) for maps, (out, clips) in wanted.items()]
    series.append(_Series(sets.data, "train", material.scenery_clips, material.seed + SCENERY_SEED, SCENERY))
    done = [0] * len(series)

    def film() -> Result:
        with progress_bar(console) as bar:
            for i, one in enumerate(series):
                task = bar.add_task(f"filming {', '.join(one.kinds)}, {one.maps} maps", total=one.clips)

                def report(there: int, _: int, i: int = i, task: Any = task) -> None:
                    done[i] = there
                    bar.update(task, completed=there)

                generate_footage(
                    one.folder,
                    one.clips,
                    one.seed,
                    expand_maps(one.maps),
                    progress=report,
                    kinds=one.kinds,
                    tracks=TRACKS if one.maps == "train" else 1,
                )
        return {maps: clips for maps, (_, clips) in wanted.items()} | {"scenery": material.scenery_clips}

    def output() -> str | None:
        found = [_manifest(out) for out, _ in wanted.values()]
        return None if None in found else ",".join(map(str, found))

    total = max(1, sum(one.clips for one in series))
    return [Stage("footage", 0.40, film, output, lambda: sum(done) / total)]


@dataclass(frozen=True)
class _Series:
    """Clips of one seed in the folder of a set."""

    folder: Path
    maps: str
    clips: int
    seed: int
    kinds: tuple[str, ...] = ()


def _sets(folder: Path, footage: Footage) -> Sets:
    return Sets(
        folder / "train",
        folder / "validation" if footage.validation_clips else None,
        folder / "held-out" if footage.held_out_clips else None,
    )


def _plan(config: TrainConfig, material: Footage | Sets) -> dict[str, Any]:
    """All that the bundle depends on, in plain values."""
    if isinstance(material, Footage):
        return {"config": config_dict(config), "footage": vars(material)}
    folders = {name: folder for name, folder in vars(material).items() if folder is not None}
    return {"config": config_dict(config), "sets": {name: _manifest(folder) for name, folder in folders.items()}}


def _read_config_of_before(file: Path, plan: dict[str, Any]) -> None:
    """A configuration is compared as such: one that was written before a setting existed has its default."""
    before = read_state(file).get("plan", {}).get("config")
    if before and build_config(TrainConfig, before) == build_config(TrainConfig, plan["config"]):
        plan["config"] = before


def _trained(run: Path, steps: int) -> float:
    """How much of the training is done, by the last line of its log."""
    try:
        lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return max(json.loads(line)["step"] for line in lines[-2:]) / steps
    except (OSError, ValueError, KeyError):
        return 0.0


def _manifest(folder: Path) -> str | None:
    file = folder / "manifest.jsonl"
    return fingerprint_of(read_manifest(file)) if file.is_file() else None
