"""The ablation: one network trained in several ways, with several seeds, each compared with one of them.

Every arm and seed is an ordinary training run in a folder of its own. What is finished is not done again, what was
interrupted goes on; what was measured in another way than is asked for now is measured again, not trained again.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from models.training.ablation_config import Ablation
from models.training.ablation_figures import TRAINED, Figures, chances, deflation_figures, figures
from models.training.ablation_table import MOST_SEEDS, page
from models.training.config import TrainConfig, load_config
from models.training.data.cache import ClipCache, open_cache
from models.training.data.manifest import Clip, read_manifest, write_manifest
from models.training.deflate import CHECKPOINT as DEFLATED
from models.training.deflate import deflate, load_deflated, make_batches
from models.training.progress import progress_bar
from models.training.run import CHECKPOINT, Run, TrainingError, load_run
from models.training.trainer import train, word_table

RESULTS, PAGE, MANIFEST = "results.json", "ablation.md", "manifest.jsonl"


def run_ablation(ablation: Ablation, data: Path, held_out: Path, out: Path, seeds: int, console: Console) -> str:
    """Train and evaluate what is missing in `out`; the table, as Markdown. It is in `out` after every run too.

    Raises TrainingError when `out` holds runs of another ablation.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"seeds must be from 1 to {MOST_SEEDS}, not {seeds}")
    out.mkdir(parents=True, exist_ok=True)
    config = ablation.config_of(ablation.baseline, 0)
    work = _Work(ablation, _first_clips(data, out, ablation.clips), out)
    judged_by = read_manifest(held_out / MANIFEST)
    trained_on = read_manifest(work.data / MANIFEST)
    _same_data(out / "data.json", trained_on, judged_by)
    word_table(out, config, console)
    cache = _decoded(held_out, config, "decoding held-out clips", console)
    _decoded(work.data, config, "decoding clips", console)
    known = {clip.id: clip for clip in judged_by}
    clips = [known[item.id] for item in cache.clips]
    results: dict[str, dict[int, Figures]] = {arm: {} for arm in ablation.arms}
    names = {name: arm.about for name, arm in ablation.arms.items()}
    by_chance = chances(clips, ablation.items)
    about = _about(ablation, config, trained_on, clips)
    found = ""
    # Seed after seed, so that a table that is cut short compares all arms.
    for seed in range(seeds):
        for number, arm in enumerate(ablation.arms, 1):
            console.print(f"seed {seed + 1} of {seeds}, arm {number} of {len(ablation.arms)}: {arm}")
            results[arm][seed] = work.figures_of(arm, seed, cache, clips)
            found = page(about, names, ablation.baseline, results, by_chance)
            (out / PAGE).write_text(found)
            told = {"ablation": asdict(ablation), "chance": by_chance, "figures": results}
            (out / RESULTS).write_text(json.dumps(told, indent=1) + "\n")
    return found


@dataclass(frozen=True)
class _Measured:
    """A run's figures and how they were measured: figures of different kinds do not belong in one table."""

    items: int
    deflated: bool
    figures: Figures

    def about(self) -> str:
        return f"among {self.items} items, {'with' if self.deflated else 'without'} deflation"


def _read_measured(path: Path) -> _Measured:
    """What a finished run left. A version before this one kept the figures alone, mostly of the usual `items`."""
    kept = json.loads(path.read_text())
    if "figures" not in kept:
        return _Measured(Ablation.items, TRAINED in kept, kept)
    return _Measured(**kept)


@dataclass(frozen=True)
class _Work:
    """Makes runs of an ablation on the clips of `data`, in `out`."""

    ablation: Ablation
    data: Path
    out: Path

    def figures_of(self, arm: str, seed: int, held_out: ClipCache, clips: list[Clip]) -> Figures:
        """The figures of one run, which is made, finished or only read."""
        config, folder = self.ablation.config_of(arm, seed), self.out / "runs" / f"{arm}-{seed}"
        done = folder / "figures.json"
        if done.is_file():
            if load_config(folder / "config.yaml") != config:
                raise TrainingError(f"{folder} was made with another configuration; choose another --out")
            kept = _read_measured(done)
            if kept.items == self.ablation.items and (kept.deflated or arm != self.ablation.baseline):
                return kept.figures
            if not (folder / CHECKPOINT).is_file():  # to train it anew would be hours nobody asked for
                raise TrainingError(
                    f"{folder} was measured in another way ({kept.about()}), and its {CHECKPOINT} is not there to "
                    "measure it again; measure as before, or choose another --out"
                )
        else:
            self._train(config, folder)
        run = load_run(folder)
        found = figures(run, held_out, clips, self.ablation.items)
        deflated = arm == self.ablation.baseline
        if deflated:
            found |= self._deflated(run, held_out)
        temporary = done.with_suffix(".tmp")
        measured = _Measured(self.ablation.items, deflated, found)
        temporary.write_text(json.dumps(asdict(measured), indent=1) + "\n")
        temporary.replace(done)
        return found

    def _train(self, config: TrainConfig, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "words.npz").exists():  # one table for all
            shutil.copyfile(self.out / "words.npz", folder / "words.tmp.npz")
            (folder / "words.tmp.npz").replace(folder / "words.npz")
        resume = (folder / CHECKPOINT).exists()
        train(config, self.data, folder, validation=None, resume=resume, console=Console(quiet=True))

    def _deflated(self, run: Run, held_out: ClipCache) -> Figures:
        if not (run.folder / DEFLATED).is_file():
            cache = open_cache(self.data, run.config.inputs, run.config.augment.margin)
            deflate(run, cache, make_batches(run, cache), Console(quiet=True))
        return deflation_figures(run, load_deflated(run)[0], held_out, self.ablation.items)


def _first_clips(data: Path, out: Path, count: int) -> Path:
    """A set of the first clips of another, which stay where they are: in `out`, or `data` itself where all are used."""
    clips = sorted(read_manifest(data / MANIFEST), key=lambda clip: clip.id)
    if not count or count >= len(clips):
        return data
    folder = out / "data"
    folder.mkdir(exist_ok=True)
    write_manifest(folder / MANIFEST, [replace(clip, file=str((data / clip.file).resolve())) for clip in clips[:count]])
    return folder


def _about(ablation: Ablation, config: TrainConfig, trained_on: list[Clip], judged_by: list[Clip]) -> str:
    """What was compared, on what, and how to do it again."""
    seen, maps = {clip.map for clip in trained_on}, sorted({clip.map for clip in judged_by})
    unseen = "" if seen & set(maps) else " that training never saw"
    return (
        f"# Ablation: {config.name.removesuffix('-' + ablation.baseline)}\n\n{ablation.about} Each run: "
        f"{config.optim.steps} steps of {config.optim.batch} out of {len(trained_on)} clips of {len(seen)} maps. "
        f"Judged on {len(judged_by)} clips of {len(maps)} maps{unseen} ({', '.join(maps)}): parts of clips are found "
        f"among {ablation.items}, concepts by sight alone, stills are repeated through the video network.\n\n"
        "Written by `mmv-search ablate CONFIG.yaml --data DATA --held-out HELD_OUT --out RUNS`."
    )


def _same_data(record: Path, *sets: list[Clip]) -> None:
    """Runs on other clips, or other words for them, do not compare. Raises TrainingError."""
    told = [hashlib.sha256("".join(clip.to_json() for clip in clips).encode()).hexdigest() for clips in sets]
    if not record.exists():
        record.write_text(json.dumps(told) + "\n")
    elif json.loads(record.read_text()) != told:
        raise TrainingError(f"{record.parent} holds runs on other clips or narrations; choose another --out")


def _decoded(data: Path, config: TrainConfig, doing: str, console: Console) -> ClipCache:
    with progress_bar(console) as bar:
        task = bar.add_task(doing)
        return open_cache(
            data,
            config.inputs,
            config.augment.margin,
            progress=lambda n, of: bar.update(task, completed=n, total=of),
        )
