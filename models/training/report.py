"""The report of a training run: one HTML page that needs nothing beside itself."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.networks.mmv import parameter_count
from models.preprocess.text import Tokenizer
from models.training.config import config_dict
from models.training.data.cache import ClipCache
from models.training.held_out import search_held_out
from models.training.live_view import CHANCE
from models.training.report_charts import Chart, Line, Points, chart, smoothed
from models.training.report_pictures import examples
from models.training.run import Run
from models.training.run_log import read_log, read_record

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
MEASURED = ("step", "lr", "clips_per_s", "gradient_norm", "seconds")  # of a row; what else it has are losses
NAMES = {"text->video": "words → video", "audio->video": "sound → video"}

Rows = list[dict[str, Any]]


def write_report(run: Run, held_out: ClipCache | None, out: Path | None = None) -> Path:
    """Write RUN/report.html (or `out`) from the run's log, its record and its weights; with held-out clips, pictures.

    Raises TrainingError for a log or a record that cannot be read.
    """
    path = out or run.folder / REPORT
    rows = read_log(run.folder)
    training = [r for r in rows if "validation" not in r]
    evaluations = [(r["step"], r["validation"]) for r in rows if "validation" in r]
    found = []
    if held_out:
        tokenizer = Tokenizer(run.table.words, run.config.inputs.words, run.config.inputs.hyphens)
        searches = search_held_out(run, held_out, tokenizer)
        found = [examples(search, held_out, run.network, run.config) for search in searches]
    page = (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            steps=run.config.optim.steps,
            parameters=parameter_count(run.network),
            tiles=_tiles(training, evaluations),
            charts=charts(training, evaluations),
            figures=figures(evaluations),
            chance=evaluations[-1][1].get(CHANCE) if evaluations else None,
            examples=found,
            settings=_settings(run),
            record=read_record(run.folder),
            duration=_duration(training),
        )
    )
    temporary = path.with_suffix(".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path


def charts(training: Rows, evaluations: list[tuple[int, dict[str, float]]]) -> list[Chart]:
    """Losses, held-out recall of each direction, learning rate, speed, gradient norm: those that were recorded."""
    losses = [
        line
        for name in _names(training)
        if name not in MEASURED
        for raw in [_points(training, name)]
        if any(value for _, value in raw)  # a part of weight 0 is none
        for line in (Line(name, raw, "faint"), Line(name, smoothed(raw)))
    ]
    drawn = [chart("Loss and its parts", losses, from_zero=False)]
    for direction, metrics in _directions(evaluations).items():
        lines = [
            Line(m, [(s, v[f"{direction} {m}"]) for s, v in evaluations if f"{direction} {m}" in v], "dots")
            for m in metrics
        ]
        chance = [(s, v[CHANCE]) for s, v in evaluations if CHANCE in v]
        drawn.append(
            chart(f"Held out: {_name(direction)}", [*lines, Line("R@10 by chance", chance, "dashed")], percent=True)
        )
    drawn += [
        chart("Learning rate", [Line("learning rate", _points(training, "lr"))]),
        chart("Clips per second", [Line("clips/s", _points(training, "clips_per_s"))]),
    ]
    norms = _points(training, "gradient_norm")
    drawn.append(chart("Gradient norm before clipping", [Line("norm", norms, "faint"), Line("norm", smoothed(norms))]))
    return [c for c in drawn if c]


def figures(evaluations: list[tuple[int, dict[str, float]]]) -> list[dict[str, Any]]:
    """A table's rows: each figure at the last evaluation and at its best one, beside chance, where that is known."""
    if not evaluations:
        return []
    last_step, last = evaluations[-1]
    table = []
    for direction, metrics in _directions(evaluations).items():
        for metric in metrics:
            name = f"{direction} {metric}"
            best, step = max(((v[name], -s) for s, v in evaluations if name in v), default=(0.0, 0))
            chance = min(1.0, last[CHANCE] * int(metric[2:]) / 10) if CHANCE in last else None
            row = {"direction": _name(direction), "metric": metric, "last": last.get(name), "last_step": last_step}
            table.append(row | {"best": best, "best_step": -step, "chance": chance})
    return table


def _tiles(training: Rows, evaluations: list[tuple[int, dict[str, float]]]) -> list[tuple[str, str, str]]:
    """The figures at the head of the page: value, what it is, what it is to be seen beside."""
    tiles = [
        (
            f"{100 * row['last']:.0f} %",
            f"{row['direction']}, {row['metric']}",
            f"chance {100 * (row['chance'] or 0):.1f} %",
        )
        for row in figures(evaluations)
        if row["metric"] == "R@10" and row["last"] is not None
    ]
    if training:
        first, last = training[0], training[-1]
        if "loss" in last:
            tiles.append((f"{last['loss']:.2f}", "loss", f"{first['loss']:.2f} at step {first['step']}"))
        speeds = sorted(v for _, v in _points(training, "clips_per_s"))
        if speeds:
            tiles.append((f"{speeds[len(speeds) // 2]:.0f}", "clips per second", "the median"))
    return tiles


def _directions(evaluations: list[tuple[int, dict[str, float]]]) -> dict[str, list[str]]:
    """The directions that were evaluated and the R@k of each, in the order in which they were written."""
    found: dict[str, list[str]] = {}
    for _, values in evaluations:
        for name in values:
            direction, _, metric = name.rpartition(" ")
            if metric.startswith("R@") and metric not in found.setdefault(direction, []):
                found[direction].append(metric)
    return found


def _points(rows: Rows, name: str) -> Points:
    return [(r["step"], r[name]) for r in rows if r.get(name) is not None]


def _names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _name(direction: str) -> str:
    return NAMES.get(direction, direction.replace("->", " → "))


def _duration(training: Rows) -> str | None:
    seconds = max((r["seconds"] for r in training if "seconds" in r), default=None)
    return None if seconds is None else str(timedelta(seconds=round(seconds)))


class _ListsInLine(yaml.SafeDumper):
    """YAML with a list in one line."""


_ListsInLine.add_representer(list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True))


def _settings(run: Run) -> dict[str, str]:
    """The configuration, a block of YAML for each of its parts."""
    plain = json.loads(json.dumps(config_dict(run.config)))  # lists for tuples
    parts = {k: v for k, v in plain.items() if isinstance(v, dict)}
    alone = {k: v for k, v in plain.items() if k not in parts}
    return {k: yaml.dump(v, Dumper=_ListsInLine, sort_keys=False).rstrip() for k, v in {"run": alone, **parts}.items()}


def _environment() -> Environment:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["direction"] = _name
    return environment
