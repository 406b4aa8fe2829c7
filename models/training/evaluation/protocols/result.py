"""What a protocol hands back: figures beside chance with their intervals, and what of the data set was there."""

from dataclasses import asdict, dataclass, field
from typing import Any

# A share of a set's files that may be missing before its figures are said not to be comparable with published ones.
MISSING_ALLOWED = 0.01


class ProtocolError(ValueError):
    """A data set, or a request, that a protocol cannot work with; the message says what it looked for."""


@dataclass(frozen=True)
class Figure:
    """One number. `low` and `high` are the ends of its 95% interval; `chance` is what guessing gives.

    Shares are in [0, 1] and shown in percent, unless `percent` is False (ranks).
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    percent: bool = True

    def cells(self) -> list[str]:
        """value, interval, chance as a reader sees them."""
        scale, digits = (100.0, 1) if self.percent else (1.0, 1)

        def text(number: float | None) -> str:
            return "-" if number is None else f"{scale * number:.{digits}f}"

        interval = "-" if self.low is None else f"{text(self.low)} to {text(self.high)}"
        return [self.name, text(self.value), interval, text(self.chance)]


@dataclass(frozen=True)
class Coverage:
    """How much of one part of a data set was used. `total` is what the published lists name."""

    part: str
    total: int
    used: int
    missing: int
    unreadable: int = 0

    @property
    def missing_share(self) -> float:
        """Of the total, what could not be used."""
        return (self.total - self.used) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Result:
    """Everything a protocol found. `recipe` says what exactly was computed, `notes` where that is not the paper's."""

    protocol: str
    title: str
    figures: list[Figure]
    coverage: list[Coverage]
    recipe: dict[str, str]
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """One line for each part of which too much is missing for its figures to stand beside published ones."""
        return [
            f"{c.total - c.used:,} of {c.total:,} of {c.part} ({c.missing_share:.1%}) could not be used "
            f"({c.missing:,} missing, {c.unreadable:,} unreadable): "
            "these figures are not comparable with published ones"
            for c in self.coverage
            if c.missing_share > MISSING_ALLOWED
        ]

    def as_json(self, bundle: str, fingerprint: str, command: str) -> dict[str, Any]:
        """Plain values."""
        coverage = [{**asdict(c), "missing_share": c.missing_share} for c in self.coverage]
        return {
            "protocol": self.protocol,
            "title": self.title,
            "bundle": bundle,
            "fingerprint": fingerprint,
            "command": command,
            "warnings": self.warnings(),
            "figures": [asdict(figure) for figure in self.figures],
            "coverage": coverage,
            "recipe": self.recipe,
            "notes": self.notes,
            "details": self.details,
        }

    def page(self, bundle: str, fingerprint: str, command: str) -> str:
        """The same as Markdown, without a heading."""
        lines = [f"Bundle {bundle}, fingerprint {fingerprint[:16]}. Written by `{command}`.", ""]
        for warning in self.warnings():
            lines += [f"**WARNING: {warning}.**", ""]
        lines += ["| figure | value | 95% interval | chance |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(figure.cells())} |" for figure in self.figures]
        lines += ["", "| part of the data set | in its lists | used | missing | unreadable |", "|---|---|---|---|---|"]
        lines += [f"| {c.part} | {c.total:,} | {c.used:,} | {c.missing:,} | {c.unreadable:,} |" for c in self.coverage]
        lines += ["", "How it was computed:", ""]
        lines += [f"- {name}: {text}" for name, text in self.recipe.items()]
        if self.notes:
            lines += ["", "Where this is not, or may not be, the paper's protocol:", ""]
            lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"
