"""Which concepts a sentence names, by the phrases that narrations are made of; and which of them can be heard."""

from collections.abc import Iterable
from functools import cache

from models.training.data.footage.vocabulary import SUBJECTS

_AUDIBLE = ("monster:", "weapon:", "action:")


@cache
def _phrases() -> list[tuple[str, str]]:
    """(phrase, concept), the longest phrase first: "shotgun zombie" names no shotgun."""
    found = {(phrase, subject.concept) for subject in SUBJECTS for phrase in subject.phrases}
    return sorted(found, key=lambda pair: (-len(pair[0]), pair))


def mentioned(text: str) -> frozenset[str]:
    """Concepts named in a text, in narrations' own phrases; a phrase of several concepts names them all."""
    left, found, taken = f" {text} ", set(), ""
    for phrase, concept in _phrases():
        if f" {phrase} " in left or phrase == taken:
            found.add(concept)
            left, taken = left.replace(f" {phrase} ", " | "), phrase
    return frozenset(found)


def audible(concepts: Iterable[str]) -> frozenset[str]:
    """What of them has a sound of its own: monsters, weapons, actions. All items that are picked up share theirs."""
    concepts = set(concepts)
    picked = {"action:pickup"} if any(c.startswith("pickup:") for c in concepts) else set()
    return frozenset({c for c in concepts if c.startswith(_AUDIBLE)} | picked)
