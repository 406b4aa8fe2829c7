"""Lines in other words than the narrations' patterns and phrases: what people call a thing, and what it does to them.

Written by hand in `other_words.txt`, by writers who knew the concepts and the narrations' phrases but none of the
queries of the evaluation. A clip's second and further tellings have some of them (`narrate.tell`).
"""

from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "other_words.txt"


@cache
def other_words() -> dict[str, tuple[str, ...]]:
    """The lines of each concept: lower case, at most 12 words each."""
    found: dict[str, tuple[str, ...]] = {}
    for part in _FILE.read_text(encoding="utf-8").strip().split("\n\n"):
        concept, *lines = part.split("\n")
        found[concept.strip("[]")] = tuple(lines)
    return found
