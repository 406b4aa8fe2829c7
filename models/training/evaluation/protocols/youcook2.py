"""YouCook2: zero-shot text-to-video retrieval of the validation segments."""

import json
from pathlib import Path
from typing import Any

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import VIDEOS, by_stem, first_of
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.retrieval import Described, retrieve

LIST = "youcookii_annotations_trainval.json"


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    path = first_of(
        context.data, [f + LIST for f in ("", "annotations/", "YouCookII/", "YouCookII/annotations/")], LIST
    )
    notes = [
        "all validation segments of the films that are there; published figures are on those that their authors still "
        "found (the MIL-NCE release names 3,350)",
        f"{context.windows()} windows of each segment, as the command of the MIL-NCE release has it; the paper's "
        "number is not known here",
    ]
    return retrieve(
        context,
        read(path, by_stem(context.data, VIDEOS)),
        protocol="youcook2",
        title="YouCook2, zero-shot text to video",
        unit="segment",
        notes=notes,
    )


def read(path: Path, there: dict[str, Path]) -> list[Described]:
    """The films of the subset `validation`, by their ids."""
    try:
        database: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["database"]
        films = {name: film["annotations"] for name, film in database.items() if film["subset"] == "validation"}
        return [
            Described(
                name,
                there.get(name),
                [(float(a["segment"][0]), float(a["segment"][1])) for a in annotations],
                [a["sentence"] for a in annotations],
            )
            for name, annotations in sorted(films.items())
            if annotations
        ]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ProtocolError(f"{path} is not YouCook2's list: {type(error).__name__} {error}") from None
