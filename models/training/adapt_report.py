"""What an adaptation came to: a file that is kept, lines for a person, and the card of the new bundle."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from models.training.adapt_judge import Verdict

REPORT = "adaptation.json"


@dataclass(frozen=True)
class Adaptation:
    """`bundle` is the new one's folder, None where it is not better. `before` and `after` are `adapt_judge.figures`."""

    plan: str
    bundle: str | None
    fingerprint: str | None
    parent: dict[str, str]
    library: dict[str, Any]
    training: dict[str, Any]
    verdict: Verdict
    before: dict[str, Any]
    after: dict[str, Any]


def write_report(folder: Path, adaptation: Adaptation) -> None:
    """Replace the report in a folder."""
    temporary = (folder / REPORT).with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(adaptation), indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / REPORT)


def read_report(folder: Path) -> Adaptation | None:
    """The report in a folder, None where there is none."""
    try:
        data = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return Adaptation(**{**data, "verdict": Verdict(**data["verdict"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def lines(adaptation: Adaptation) -> list[str]:
    """What a person is told."""
    verdict, films = adaptation.verdict, adaptation.library["films"]
    out = [
        f"{films['train']} films to train on, {films['choose']} to choose the best step, {films['judge']} to judge; "
        f"best step {adaptation.training['best_step']} of {adaptation.training['steps']}",
        *table(adaptation.before, adaptation.after),
        f"gain of sound and vision, mean recall: {_points(verdict.gain, verdict.gain_interval)}",
    ]
    if verdict.text_gain is not None and verdict.text_gain_interval is not None:
        out.append(f"gain of words: {_points(verdict.text_gain, verdict.text_gain_interval)}")
    if verdict.text_agreement is not None:
        out.append(f"words find the same as before: rank correlation {verdict.text_agreement:.2f}")
    if verdict.better:
        return [*out, f"better: {verdict.reason}"]
    return [*out, f"not better: {verdict.reason}. Keep the bundle in use; nothing but this report is kept."]


def table(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Markdown: each direction before and after, beside chance."""
    rows = ["| direction (windows) | chance | before | after |", "|---|---|---|---|"]
    for name, was in before.items():
        cells = [
            " / ".join(f"{100 * found[key]:.1f}" for key in ("R@1", "R@5", "R@10"))
            for found in (was["chance_recall"], was["recall"], after[name]["recall"])
        ]
        rows.append(f"| {name} ({was['queries']}) R@1 / 5 / 10 | {' | '.join(cells)} |")
    return rows


def adapted_card(bundle: Bundle) -> str:
    """The page beside an adapted bundle's encoders."""
    provenance, found = bundle.provenance, bundle.metrics["adaptation"]
    parent, library = provenance["adapted_from"], provenance["library"]
    verdict = found["verdict"]
    paragraphs = [
        f"# {bundle.name}",
        f"{parent['name']} ({parent['fingerprint'][:12]}) adapted to the films of one library, by `mmv-search adapt`: "
        "no labels, but that sound belongs to its picture.",
        f"Films to train on: {library['films']['train']} ({library['minutes']['train']} minutes), to choose the best "
        f"step: {library['films']['choose']}, to judge: {library['films']['judge']}; with words: "
        f"{library['films_with_text']}. Step {provenance['steps']} was the best.",
        "## On the films that judged",
        "\n".join(table(found["before"], found["after"])),
        f"Gain in mean recall: {_points(verdict['gain'], verdict['gain_interval'])} (95%, films resampled).",
        "## Licence",
        bundle.licence + ".",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _points(value: float, interval: Any) -> str:
    return f"{100 * value:+.1f} points [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"
