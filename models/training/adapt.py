"""Adaptation: a bundle fine-tuned on somebody's own films without labels, and proposed only where it is better there.

decode -> before -> train -> deflate -> export -> judge (`stages.py`); an interrupted one goes on. Whole films are held
out: some choose the best step, others judge (`adapt_split.py`). What judges is what serves: the bundles' encoders.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from models.bundle import Bundle, load_bundle, rewrite_metrics
from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV, MMVConfig
from models.networks.s3d import S3D
from models.preprocess.text import SPECIAL, Tokenizer
from models.runtime import Encoders
from models.training.adapt_judge import Embedded, Verdict, compare, embed_with, figures
from models.training.adapt_report import Adaptation, adapted_card, read_report, write_report
from models.training.adapt_split import SilentFilms, Split, require_heard, split_films
from models.training.adapt_train import BEST, Keep, Kept, fine_tune, step_seconds
from models.training.adapt_windows import (
    Film,
    Read,
    Windows,
    bytes_needed,
    clip_cache,
    decode_films,
    judging_spec,
    require_space,
    training_spec,
)
from models.training.card import CARD
from models.training.config import DeflateConfig, OptimConfig, TrainConfig, build_config
from models.training.data.batches import Batches
from models.training.data.word_vectors import WordTable
from models.training.deflate import CHECKPOINT as DEFLATED
from models.training.deflate import deflate, load_deflated
from models.training.export import export_bundle
from models.training.outputs import of_bundle, of_file
from models.training.progress import progress_bar
from models.training.restore import Restored, restore
from models.training.run import Run, git_revision
from models.training.stages import Result, Stage, fingerprint, run_stages
from models.training.trainer import measure_audio_scale

STATE, BUNDLE = "adapt.json", "bundle"
EPOCHS, FEWEST_STEPS, MOST_STEPS = 20, 60, 600
WORDS = 400
OF_TRAINING = (
    "kept.json",
    "progress.json",
    "deflation.json",
    "adapting.pt",
    "best.pt",
    "deflated.pt",
    "deflating-*.pt",
)
LEFTOVERS = ("windows-*", "before.npz", "verdict.json", *OF_TRAINING)


@dataclass(frozen=True)
class Options:
    """How to adapt. `steps` 0: as many as the library's length asks for. `keep`: see `adapt_train.Keep`."""

    steps: int = 0
    batch: int = 64
    learning_rate: float = 2e-4
    keep: float = 4.0
    deflation_steps: int = 300
    seed: int = 0
    max_hours: float = 6.0


def adapt(
    bundle: Bundle, films: Sequence[Film], read: Read, folder: Path, options: Options, console: Console
) -> Adaptation:
    """Adapt a bundle to films; what judges said. Where the new bundle is better it is `folder`/bundle.

    What was decoded and trained is removed at the end, and what was decoded of silent films. Raises ValueError for too
    few films, films without sound, too little disk space or too long a time, StagesError when `folder` holds another
    adaptation.
    """
    plan = {
        "bundle": bundle.fingerprint,
        "films": sorted(film.id for film in films),
        "words": fingerprint(sorted([film.id, *(n.text for n in film.narrations)] for film in films)),
        "options": {name: value for name, value in asdict(options).items() if name != "max_hours"},
    }
    before = read_report(folder)
    if before is not None and before.plan == fingerprint(plan) and (not before.verdict.better or _there(before)):
        return before
    work = _Work(bundle, films, read, folder, options, console)
    folder.mkdir(parents=True, exist_ok=True)
    stages = [
        Stage("decode", 0.25, work.decode, work.decoded, work.decoded_share),
        Stage("before", 0.05, work.measure, lambda: of_file(folder / "before.npz")),
        Stage("train", 0.50, work.train, lambda: of_file(folder / BEST), work.trained_share),
        Stage("deflate", 0.12, work.deflate, lambda: work.unless_useless(of_file(folder / DEFLATED))),
        Stage("export", 0.02, work.export, lambda: work.unless_useless(of_bundle(folder / BUNDLE))),
        Stage("judge", 0.06, work.judge, lambda: of_file(folder / "verdict.json")),
    ]
    try:
        run_stages(folder / STATE, plan, stages, lambda line: console.print(line, highlight=False, soft_wrap=True))
    except SilentFilms:  # nothing is trained: the folder is for other films
        work.tidy()
        (folder / STATE).unlink(missing_ok=True)
        raise
    return work.finish(fingerprint(plan))


class _Work:
    """The stages of one adaptation. What one leaves for the next is in the folder."""

    def __init__(
        self, bundle: Bundle, films: Sequence[Film], read: Read, folder: Path, options: Options, console: Console
    ):
        self.bundle, self.films, self.read, self.folder = bundle, films, read, folder
        self.options, self.console = options, console
        self.split: Split = split_films(films, bundle.inputs, options.seed)
        self._seconds_done = 0.0

    @cached_property
    def config(self) -> TrainConfig:
        """The training configuration that stands for the adaptation."""
        o, windows = self.options, sum(film.info.duration_s for film in self.split.train) / self.bundle.inputs.window_s
        batch = min(o.batch, int(windows))
        told = "text" in self.bundle.modalities and any(film.narrations for film in self.split.train)
        steps = o.steps or int(np.clip(EPOCHS * windows / batch, FEWEST_STEPS, MOST_STEPS))
        return TrainConfig(
            name=self.bundle.name if self.bundle.name.endswith("-adapted") else self.bundle.name + "-adapted",
            inputs=self.bundle.inputs,
            network=build_config(MMVConfig, self.bundle.network),
            seed=o.seed,
            optim=OptimConfig(
                steps=steps,
                batch=batch,
                learning_rate=o.learning_rate,
                warmup_steps=max(1, steps // 10),
                weight_text=1.0 if told else 0.0,
                threads=os.cpu_count() or 1,
            ),
            deflate=DeflateConfig(steps=o.deflation_steps, batch=min(32, batch)),
        )

    @cached_property
    def restored(self) -> Restored:
        """The bundle's network."""
        return restore(self.bundle)

    @cached_property
    def training(self) -> Windows:
        windows = self._decode(self.split.train, training_spec(self.bundle.inputs, self.config.augment.margin))
        return require_heard(windows, "learn from")

    @cached_property
    def choosing(self) -> Windows:
        return require_heard(self._decode(self.split.choose, judging_spec(self.bundle.inputs)), "choose by")

    @cached_property
    def judging(self) -> Windows:
        return require_heard(self._decode(self.split.judge, judging_spec(self.bundle.inputs)), "judge by")

    @property
    def kept(self) -> Kept:
        """What training came to."""
        return Kept(**json.loads((self.folder / "kept.json").read_text()))

    def unless_useless(self, output: str | None) -> str | None:
        """A stage's output; there need be none after a training whose best step was none."""
        try:
            return output if self.kept.best_step else "nothing"
        except FileNotFoundError:
            return None

    def decode(self) -> Result:
        """Decode all three parts; first of all, say how long everything takes, and refuse what cannot be."""
        specs = {"train": training_spec(self.bundle.inputs, self.config.augment.margin)}
        parts = {
            name: (part, specs.get(name, judging_spec(self.bundle.inputs))) for name, part in vars(self.split).items()
        }
        require_space(self.folder, sum(bytes_needed(*part) for part in parts.values()))
        self._require_time()
        with progress_bar(self.console) as bar:
            self._bar, self._task = bar, bar.add_task("decoding, s", total=round(self._total_s))
            windows = {"train": self.training, "choose": self.choosing, "judge": self.judging}
        return {name: len(part.heard()) for name, part in windows.items()}

    def decoded(self) -> str | None:
        """Which windows there are."""
        kinds = [part.kind for part in (self.training, self.choosing, self.judging)]
        return hashlib.sha256(np.concatenate(kinds).tobytes()).hexdigest()

    def decoded_share(self) -> float:
        return self._seconds_done / self._total_s

    def measure(self) -> Result:
        """How the bundle does now on the films that judge."""
        found = embed_with(Encoders(self.bundle), self.judging)
        _save_arrays(self.folder / "before.npz", vars(found))
        return figures(found)

    def train(self) -> Result:
        """Fine-tune; leaves the best step's weights."""
        network = self._network()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network.to(device)
        batches = self._batches(self.config.optim.batch, 0)
        kept = fine_tune(network, batches, self.choosing, self.config, self._keep(), self.folder, self.console)
        network.cpu()
        (self.folder / "kept.json").write_text(json.dumps(asdict(kept)))
        return asdict(kept)

    def trained_share(self) -> float:
        try:
            return float(json.loads((self.folder / "progress.json").read_text()))
        except (OSError, ValueError):
            return 0.0

    def deflate(self) -> Result:
        """The scale of sound and the image network are fitted anew."""
        if not self.kept.best_step:
            return {}
        run = self._run()
        _, found = deflate(run, clip_cache(self.training), self._batches(self.config.deflate.batch, 1), self.console)
        return {"naive": found.naive, "trained": found.trained}

    def export(self) -> Result:
        """A bundle that says where it comes from."""
        if not self.kept.best_step:
            return {}
        run = self._run()
        deflated, agreement = load_deflated(run)
        published = "checkpoint" in self.bundle.provenance
        made = export_bundle(
            run.network,
            deflated,
            self.restored.table,
            self.bundle.inputs,
            self.folder / BUNDLE,
            name=run.config.name,
            licence=f"{self.bundle.licence}; adapted to the films of its user",
            provenance=self._provenance(),
            metrics={"deflation_cosine": {"naive": agreement.naive, "trained": agreement.trained}},
            fp16=not published,  # an imported one keeps its float32
        )
        return {"fingerprint": made.fingerprint}

    def judge(self) -> Result:
        """Both bundles on the films that judge."""
        with np.load(self.folder / "before.npz", allow_pickle=False) as kept:
            before = Embedded(**kept)
        if not self.kept.best_step:
            verdict = Verdict(0.0, (0.0, 0.0), None, None, None, False, "no step of the training was better than none")
            after = before
        else:
            new = Encoders(load_bundle(self.folder / BUNDLE))
            after = embed_with(new, self.judging)
            verdict = compare(before, after, Encoders(self.bundle), new)
        result = {"verdict": asdict(verdict), "before": figures(before), "after": figures(after)}
        (self.folder / "verdict.json").write_text(json.dumps(result))
        return result

    def finish(self, plan: str) -> Adaptation:
        """Write the report, put the figures into the bundle or remove it, and remove what was only on the way."""
        found = json.loads((self.folder / "verdict.json").read_text())
        verdict = Verdict(**found["verdict"])
        path = self.folder / BUNDLE
        if verdict.better:
            bundle = load_bundle(path)
            bundle = rewrite_metrics(
                bundle, {"deflation_cosine": bundle.metrics["deflation_cosine"], "adaptation": found}
            )
            (path / CARD).write_text(adapted_card(bundle))
        elif self.kept.best_step and path.exists():  # else none was exported, and what is there is not ours
            shutil.rmtree(path)
        adaptation = Adaptation(
            plan=plan,
            bundle=str(path) if verdict.better else None,
            fingerprint=load_bundle(path).fingerprint if verdict.better else None,
            parent={"name": self.bundle.name, "fingerprint": self.bundle.fingerprint},
            library=self._library(),
            training=asdict(self.kept) | {"steps": self.config.optim.steps},
            verdict=verdict,
            before=found["before"],
            after=found["after"],
        )
        write_report(self.folder, adaptation)
        self.tidy()
        return adaptation

    def tidy(self) -> None:
        """Remove what was only on the way."""
        for name in ("training", "choosing", "judging"):
            self.__dict__.pop(name, None)
        for pattern in LEFTOVERS:  # nothing else: the folder may be one in which its user has other things
            for leftover in self.folder.glob(pattern):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()

    @property
    def _total_s(self) -> float:
        return sum(film.info.duration_s for part in vars(self.split).values() for film in part)

    def _decode(self, films: Sequence[Film], spec: Any) -> Windows:
        def done(seconds: float) -> None:
            self._seconds_done += seconds
            if bar := getattr(self, "_bar", None):
                bar.update(self._task, completed=round(self._seconds_done))

        return decode_films(films, spec, self.folder, self.read, done)

    def _network(self) -> MMV:
        """The bundle's network, laid out as training is fastest."""
        network = self.restored.network
        for part in (network.video, network.audio):
            volumes = isinstance(part, S3D)
            part.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)  # type: ignore[call-overload]
        return network

    def _require_time(self) -> None:
        """Say how long training takes. Raises ValueError for longer than is allowed."""
        network = self._network()
        network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        seconds = step_seconds(network, self.config, self._keep())
        network.cpu()
        hours = seconds * (self.config.optim.steps + self.config.deflate.steps / 4) / 3600
        told = f"{hours:.1f} hours" if hours > 2 else f"{60 * hours:.0f} minutes"
        self.console.print(f"training takes about {told}: {self.config.optim.steps} steps", highlight=False)
        if hours > self.options.max_hours:
            raise ValueError(
                f"adapting {self.bundle.name} takes about {told} here, more than {self.options.max_hours:g}: "
                "do it where a GPU is, or allow it with --max-hours"
            )

    def _batches(self, batch: int, seed: int) -> Batches:
        inputs = self.bundle.inputs
        cache = clip_cache(self.training)
        return Batches(cache, inputs, self._tokenizer(), self.config.augment, batch, self.config.seed + seed)

    def _tokenizer(self) -> Tokenizer:
        inputs = self.bundle.inputs
        words = self.restored.table.words if self.restored.table else list(SPECIAL)
        return Tokenizer(words, inputs.words, inputs.hyphens)

    def _keep(self) -> Keep | None:
        """Words to keep the ranking of, other than those that judge as far as there are; None without words."""
        if self.restored.table is None or not self.options.keep:
            return None
        known = [word for word in self.restored.table.words if word.isalpha()]
        drawn = np.random.default_rng([self.options.seed, 1]).choice(len(known), min(WORDS, len(known)), replace=False)
        return Keep(self.options.keep, self._tokenizer()([known[i] for i in drawn]))

    def _run(self) -> Run:
        """The trained network as a run, which deflation and export know how to use."""
        network = self.restored.network.cpu()
        network.load_state_dict(torch.load(self.folder / BEST, weights_only=True, map_location="cpu"))
        network.eval()
        cache = clip_cache(self.training)
        if isinstance(network.graph, FACGraph):
            network.graph.audio_scale.fill_(measure_audio_scale(network, cache, self.config))
        table = self.restored.table or WordTable(list(SPECIAL), np.zeros((4, 1), np.int8), np.ones((4, 1), np.float32))
        return Run(self.folder, self.config, table, network, cache.fingerprint, self.kept.best_step)

    def _library(self) -> dict[str, Any]:
        parts = vars(self.split)
        return {
            "films": {name: len(part) for name, part in parts.items()},
            "minutes": {name: round(sum(f.info.duration_s for f in part) / 60, 1) for name, part in parts.items()},
            "films_with_text": sum(bool(film.narrations) for film in self.films),
            "fingerprint": fingerprint(sorted(film.id for film in self.films)),
        }

    def _provenance(self) -> dict[str, Any]:
        return {
            "adapted_from": {"name": self.bundle.name, "fingerprint": self.bundle.fingerprint},
            "library": self._library(),
            "options": asdict(self.options),
            "steps": self.kept.best_step,
            "git_revision": git_revision(),
            "torch": torch.__version__,
            "parent": self.bundle.provenance,
        }


def _there(before: Adaptation) -> bool:
    return before.bundle is not None and of_bundle(Path(before.bundle)) == before.fingerprint


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)
