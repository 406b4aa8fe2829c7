"""Timed candidate narrations of a clip, as a person talking over the video gives them: early, late, some vague."""

from __future__ import annotations

import re

import numpy as np

from models.training.data.footage import templates
from models.training.data.footage.scenes import CLIP_TICS, Facts
from models.training.data.footage.studio import TICS_PER_SECOND
from models.training.data.footage.vocabulary import MONSTERS, PICKUPS, PLACES, SUBJECTS, THINGS, WEAPONS
from models.training.data.manifest import Narration

MOST_WORDS = 16
CLIP_SECONDS = CLIP_TICS / TICS_PER_SECOND
_NO_ARTICLE = {"fists", "bare hands", "bare fists", "knuckles", "blue energy cells", "power cells"}
_PLURALS = {"night vision goggles", "green goggles", "light goggles", "shotgun ammo"}


def with_article(phrase: str) -> str:
    if phrase in _NO_ARTICLE:
        return phrase
    if phrase in _PLURALS:
        return f"some {phrase}"
    if phrase == "few bullets":
        return f"a {phrase}"
    if phrase.startswith("biggest"):
        return f"the {phrase}"
    return f"{'an' if phrase[0] in 'aeio' else 'a'} {phrase}"


def _choose(rng: np.random.Generator, lines: tuple[str, ...]) -> str:
    return lines[int(rng.integers(len(lines)))]


def _fill(pattern: str, facts: Facts, rng: np.random.Generator) -> str:
    """The pattern with its slots filled, without {p} where the sentence would grow too long."""
    words = {"p": _choose(rng, PLACES[_choose(rng, tuple(facts.places))].phrases)}
    tables = [("m", MONSTERS, facts.subject), ("w", WEAPONS, facts.weapon), ("i", PICKUPS, facts.subject)]
    # A decoration is either the subject or something seen beside it.
    thing = facts.subject if facts.kind == "look" else _choose(rng, tuple(facts.sees)) if facts.sees else ""
    for slot, table, name in [*tables, ("o", THINGS, thing)]:
        if name in table:
            phrase = _choose(rng, table[name].phrases)
            words[slot], words["a" + slot] = phrase, with_article(phrase)
    text = " ".join(pattern.format(**words).split())
    if len(text.split()) > MOST_WORDS:
        text = " ".join(pattern.replace("{p}", "").format(**words).split())
    return text


def _patterns(facts: Facts) -> dict[str, tuple[str, ...]]:
    """The sentence patterns that are true of this clip, by when they are spoken."""
    kind = facts.kind
    at = templates.AT[kind] if kind != "fire" else templates.AT.get(f"fire_{facts.subject}", templates.AT["fire_gun"])
    after = templates.AFTER["fire_Fist" if (kind, facts.subject) == ("fire", "Fist") else kind]
    if facts.killed_at is not None:
        after = templates.AFTER["kill"]
    elif facts.note in templates.AFTER:
        after = templates.AFTER[facts.note]
    around = templates.SCENERY
    if facts.weapon:
        around += templates.HOLDING
    if facts.sees and kind != "look":
        around += templates.SEEING
    return {"before": templates.BEFORE[kind], "at": at, "after": after, "around": around, "vague": templates.VAGUE}


def narrate(facts: Facts, rng: np.random.Generator) -> list[Narration]:
    """3 to 5 narrations in the order of time, at most one of them vague. Lower case, at most 16 words each."""
    at = facts.at / TICS_PER_SECOND
    later = (facts.killed_at if facts.killed_at is not None else facts.at + 20) / TICS_PER_SECOND
    spans = {
        "before": (max(0.0, at - 1.6), at - 0.1),
        "at": (at - 0.4, at + 1.0),
        "after": (later, later + 1.5),
        "around": (0.2, CLIP_SECONDS - 0.2),
        "vague": (0.2, CLIP_SECONDS - 0.2),
    }
    if facts.kind in ("explore", "look", "monster"):  # it lasts as long as the clip
        spans |= {"before": (0.0, 1.5), "at": (0.8, 3.0), "after": (2.3, 3.8)}
    moments = ["at", "before", "after", "at" if rng.random() < 0.5 else "around"]
    if rng.random() < 0.4:
        moments.append("vague")
    if len(moments) == 4 and rng.random() < 0.35:
        moments.remove("before" if rng.random() < 0.5 else "after")
    patterns = _patterns(facts)
    found: dict[str, Narration] = {}
    for moment in moments:
        text = _fill(_choose(rng, patterns[moment]), facts, rng)
        while text in found or len(text.split()) > MOST_WORDS:
            text = _fill(_choose(rng, patterns[moment]), facts, rng)
        first, last = spans[moment]
        length = 0.5 + 0.22 * len(text.split())  # seconds that a speaker needs
        middle = rng.uniform(first, max(first, last))
        start = float(np.clip(middle - length / 2, 0, CLIP_SECONDS - min(length, CLIP_SECONDS)))
        end = min(CLIP_SECONDS, start + length)
        found[text] = Narration(round(start, 2), round(end, 2), text)
    return sorted(found.values(), key=lambda n: (n.start_s, n.text))


def all_words() -> set[str]:
    """Every word that a narration or a concept query can have: the text tower's vocabulary must know them."""
    groups = (templates.BEFORE, templates.AT, templates.AFTER)
    lines = [line for group in groups for lines in group.values() for line in lines]
    lines += [*templates.SCENERY, *templates.HOLDING, *templates.SEEING, *templates.VAGUE]
    lines += [phrase for subject in SUBJECTS for phrase in (*subject.phrases, *subject.queries)]
    text = " ".join(re.sub(r"\{\w+\}", " ", line) for line in lines)
    return set(text.split()) | {"a", "an", "the", "some"}
