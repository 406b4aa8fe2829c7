"""An ablation's figures as one Markdown page: means over seeds with 95% t-intervals, and differences seed by seed."""

from collections.abc import Mapping

import numpy as np

from models.training.ablation_figures import CLOSED, CONCEPTS, COST, IMAGE_VIDEO, NAIVE, TRAINED, Figures

# Student's t at 97.5% for 1, 2, ... degrees of freedom: of 2, 3, ... seeds.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
MOST_SEEDS = len(T) + 1
NOTHING = "-"

Results = Mapping[str, Mapping[int, Figures]]  # by arm, then seed


def t_interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half of the 95% interval of the mean; NaN of one value."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    return float(np.mean(values)), T[len(values) - 2] * float(np.std(values, ddof=1)) / len(values) ** 0.5


def page(about: str, arms: Mapping[str, str], baseline: str, results: Results, chances: Mapping[str, float]) -> str:
    """The page of the runs that there are so far; `arms` says what each is called."""
    seeds = {name: len(rows) for name, rows in results.items()}
    told = (
        f"{min(seeds.values())} to {max(seeds.values())}" if len(set(seeds.values())) > 1 else str(max(seeds.values()))
    )
    columns = [name for name in chances if name not in (NAIVE, TRAINED)]
    parts = [
        about,
        f"Means over {told} seeds, in percent, with the half-width of their 95% t-interval over seeds.",
        _table(columns, arms, results, chances),
        f'Differences to "{arms[baseline]}", in points, paired by seed (same initial weights where networks are the '
        "same, same order of clips); bold where the 95% interval leaves out 0. These are many comparisons: one in "
        "twenty would be bold by chance.",
        _differences(columns, arms, baseline, results),
        _deflation(results[baseline], chances),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(columns: list[str], arms: Mapping[str, str], results: Results, chances: Mapping[str, float]) -> str:
    lines = _head(columns)
    lines.append("| chance | " + " | ".join(f"{100 * chances[c]:.1f}" for c in columns) + " |")
    for name, about in arms.items():
        cells = [_percent(_values(results[name], column)) for column in columns]
        lines.append(f"| {about} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _differences(columns: list[str], arms: Mapping[str, str], baseline: str, results: Results) -> str:
    lines = _head(columns)
    for name, about in arms.items():
        if name == baseline:
            continue
        cells = []
        for column in columns:
            own, others = results[name], results[baseline]
            both = [(own[s].get(column), others[s].get(column)) for s in own if s in others]
            values = [a - b for a, b in both if a is not None and b is not None]
            mean, half = t_interval(values) if values else (0.0, float("nan"))
            cell = _percent(values, "+")
            cells.append(f"**{cell}**" if abs(mean) > half else cell)
        lines.append(f"| {about} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _deflation(runs: Mapping[int, Figures], chances: Mapping[str, float]) -> str:
    """Three ways to embed a still, of the baseline's runs."""
    if not any(NAIVE in found for found in runs.values()):
        return ""
    names = {NAIVE: "naive deflation", TRAINED: "trained deflation", IMAGE_VIDEO: "input inflation"}
    lines = ["Stills by the baseline's networks, image -> video R@10:", "", *_head(["R@10"], "path")]
    lines.append(f"| chance | {100 * chances[NAIVE]:.1f} |")
    lines += [f"| {name} | {_percent(_values(runs, column))} |" for column, name in names.items()]
    closed, cost = _values(runs, CLOSED), _values(runs, COST)
    if closed:
        lines += [
            "",
            f"Share of the gap between naive deflation and input inflation that training closes: {_percent(closed)}.",
        ]
    if cost:
        lines += [
            "",
            f"Input inflation costs {np.mean(cost):.1f} times as much as deflation for one still on this machine.",
        ]
    return "\n".join(lines)


def _head(columns: list[str], first: str = "arm") -> list[str]:
    short = [column.removeprefix(CONCEPTS) + ", mAP" if column.startswith(CONCEPTS) else column for column in columns]
    return [f"| {first} | {' | '.join(short)} |", "|---" * (len(columns) + 1) + "|"]


def _values(runs: Mapping[int, Figures], column: str) -> list[float]:
    return [value for found in runs.values() if (value := found.get(column)) is not None]


def _percent(values: list[float], sign: str = "") -> str:
    if not values:
        return NOTHING
    mean, half = t_interval(values)
    return f"{100 * mean:{sign}.1f}" + ("" if np.isnan(half) else f" ±{100 * half:.1f}")
