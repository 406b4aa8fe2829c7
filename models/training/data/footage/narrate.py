"""Timed candidate narrations of a clip, as a person talking over the video gives them: early, late, some vague.

They follow from the clip's event alone, as the manifest tells it, and the clip's number: a set made with an older
wording is narrated anew without making its videos again.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from models.training.data.footage import templates
from models.training.data.footage.other_words import other_words
from models.training.data.footage.scenes import CLIP_TICS
from models.training.data.footage.studio import TICS_PER_SECOND
from models.training.data.footage.vocabulary import ACTIONS, BY_CONCEPT, SUBJECTS, WEAPONS
from models.training.data.manifest import Clip, Event, Narration

WORDING = 4  # raised whenever the same clip is told in other words
MOST_WORDS = 16
CLIP_SECONDS = CLIP_TICS / TICS_PER_SECOND
# What nobody counts: no article where the phrase is about it ("ammo for a gun", not "box of ammo").
_UNCOUNTED = re.compile(r"(?!.* (?:of|with|for|in|full) )(?:.* )?(?:armor|ammo|ammunition|medicine|gore|human remains)")
_NO_ARTICLE = set(WEAPONS["Fist"].phrases)
_DYING_S = 1.5  # a monster's death is told so long after the first hit
_OTHERWISE = 0.5  # of the further tellings have a line in other words
_SUBJECT = 0.7  # of those lines are about what happens, the others about what is around
_HURTING = {"place:slime", "place:lava", "place:hot rocks"}
# Slot -> the concepts that may fill it, in the order of the row.
_SLOTS = {"m": "monster:", "w": "weapon:", "i": "pickup:", "o": "thing:", "p": "place:"}
# Slot -> the action whose phrases fill it, whatever the clip is.
_COMMON = {"c": "monster", "n": "pickup", "d": "door", "l": "lift", "s": "switch", "t": "teleport", "b": "barrel"}
_BY_HAND = {WEAPONS["Fist"].concept: "Fist", WEAPONS["Chainsaw"].concept: "Chainsaw"}


def with_article(phrase: str) -> str:
    if phrase in _NO_ARTICLE or _UNCOUNTED.fullmatch(phrase):
        return phrase
    if phrase.startswith(("biggest", "most ", "strongest", "ultimate")):
        return f"the {phrase}"
    return f"{'an' if re.match('(?!one )[aeio]|un(?!i)|ug|ul', phrase) else 'a'} {phrase}"


def _choose(rng: np.random.Generator, lines: tuple[str, ...]) -> str:
    return lines[int(rng.integers(len(lines)))]


def _named(event: Event, slot: str) -> tuple[str, ...]:
    return tuple(name for name in event.concepts if name.startswith(_SLOTS[slot]))


def _fill(pattern: str, event: Event, rng: np.random.Generator) -> str:
    """The pattern with its slots filled, without {p} where the sentence would grow too long."""
    words = {}
    for slot in _SLOTS:
        names = _named(event, slot)
        # The first is what the event is about; beside it, any place it is at and any decoration in view will do.
        if names and (slot == "p" or (slot == "o" and event.kind != "look")):
            first = _choose(rng, names)
            others = tuple(name for name in names if name != first)
            names = (first,)
            if slot == "p" and others and "{q}" in pattern:
                words["q"] = _choose(rng, BY_CONCEPT[_choose(rng, others)].phrases)
        if names:
            words[slot] = _choose(rng, BY_CONCEPT[names[0]].phrases)
    words |= {slot: _choose(rng, ACTIONS[action].phrases) for slot, action in _COMMON.items()}
    words |= {"a" + slot: with_article(phrase) for slot, phrase in words.items()}
    text = " ".join(pattern.format(**words).split())
    if len(text.split()) > MOST_WORDS:
        text = " ".join(pattern.replace("{p}", "").format(**words).split())
    return text


def _patterns(event: Event) -> dict[str, tuple[str, ...]]:
    """The sentence patterns that are true of this clip, by when they are spoken."""
    kind, weapons = event.kind, _named(event, "w")
    way = _BY_HAND.get(weapons[0], "gun") if weapons else ""
    # Some lines fit one way of shooting only.
    key = f"fire_{way}" if kind == "fire" else kind
    before, after = templates.BEFORE.get(key, templates.BEFORE[kind]), templates.AFTER.get(key, templates.AFTER[kind])
    at, short = templates.AT[key], templates.SHORT.get(key, templates.SHORT[kind])
    if kind == "fight":
        at += templates.AT[f"fight_{way}"]
        short += templates.SHORT[f"fight_{way}"]
    if _killed(event):
        after = templates.AFTER["kill"]
    elif kind == "explore" and _HURTING & set(event.concepts):
        after = templates.AFTER["hurt"]
    around = templates.SCENERY
    if way and way != "Fist":
        around += templates.HOLDING
    if _named(event, "o") and kind != "look":
        around += templates.SEEING
        at += templates.BESIDE.get("" if way == "Fist" and kind == "fire" else kind, ())
    if len(_named(event, "p")) > 1:
        around += templates.TWO_PLACES
    return {"before": before, "at": at, "after": after, "short": short, "around": around, "vague": templates.VAGUE}


def _killed(event: Event) -> bool:
    return ACTIONS["kill"].concept in event.concepts


def narrate(event: Event, rng: np.random.Generator) -> list[Narration]:
    """4 to 6 narrations in the order of time, at most one of them vague. Lower case, at most 16 words each."""
    at = event.at_s
    later = min(at + (_DYING_S if _killed(event) else 0.6), CLIP_SECONDS)
    spans = {
        "before": (max(0.0, at - 1.6), at - 0.1),
        "at": (at - 0.4, at + 1.0),
        "after": (later, later + 1.5),
        "short": (at - 0.6, at + 1.2),
        "around": (0.2, CLIP_SECONDS - 0.2),
        "vague": (0.2, CLIP_SECONDS - 0.2),
    }
    if event.kind in ("explore", "look", "monster"):  # it lasts as long as the clip
        spans |= {"before": (0.0, 1.5), "at": (0.8, 3.0), "after": (2.3, 3.8), "short": (0.5, 3.5)}
    moments = ["at", "before", "after", "short"]
    if rng.random() < 0.8:
        # A death shows late and is told in no other line, so that it is told twice now and then.
        more = "after" if _killed(event) and rng.random() < 0.4 else "around"
        moments.append("at" if rng.random() < 0.35 else more)
    if rng.random() < 0.35:
        moments.append("vague")
    patterns = _patterns(event)
    found: dict[str, Narration] = {}
    for moment in moments:
        text = _fill(_choose(rng, patterns[moment]), event, rng)
        while text in found or len(text.split()) > MOST_WORDS:
            text = _fill(_choose(rng, patterns[moment]), event, rng)
        first, last = spans[moment]
        length = 0.5 + 0.22 * len(text.split())  # seconds that a speaker needs
        middle = rng.uniform(first, max(first, last))
        start = float(np.clip(middle - length / 2, 0, CLIP_SECONDS - min(length, CLIP_SECONDS)))
        end = min(CLIP_SECONDS, start + length)
        found[text] = Narration(round(start, 2), round(end, 2), text)
    return sorted(found.values(), key=lambda n: (n.start_s, n.text))


def tell(event: Event, seed: int, index: int, tracks: int = 1) -> list[Narration]:
    """The narrations of clip `index` of a series, told `tracks` times. Track 0 is the same however many there are.

    The others have lines in other words too, which a set that is told once has none of: it asks in known phrases.
    """
    told = narrate(event, np.random.default_rng([seed, 4, index]))
    for track in range(1, tracks):
        rng = np.random.default_rng([seed, 4, index, track])
        told += [replace(n, track=track) for n in _otherwise(narrate(event, rng), event, rng)]
    return told


def _otherwise(told: list[Narration], event: Event, rng: np.random.Generator) -> list[Narration]:
    """One narration of half of the tellings replaced by a line of `other_words`, about something in the clip."""
    lines = {concept: other_words()[concept] for concept in event.concepts if concept in other_words()}
    around = tuple(concept for concept in lines if concept.startswith(("thing:", "place:")))
    subject = tuple(concept for concept in lines if concept not in around)
    if not lines or rng.random() >= _OTHERWISE:
        return told
    about = subject if subject and (not around or rng.random() < _SUBJECT) else around
    which = int(rng.integers(len(told)))
    text = _choose(rng, lines[_choose(rng, about)])
    return [replace(n, text=text) if i == which else n for i, n in enumerate(told)]


def narrate_clip(clip: Clip, tracks: int = 1) -> Clip:
    """The clip in today's wording; one without text stays without. Depends on its seed, number and event alone."""
    if not clip.narrations:
        return clip
    return replace(clip, narrations=tell(clip.events[0], clip.seed, int(clip.id.rpartition("-")[2]), tracks))


def all_words() -> set[str]:
    """Every word that a narration or a concept query can have: the text tower's vocabulary must know them."""
    groups = (templates.BEFORE, templates.AT, templates.AFTER, templates.SHORT)
    lines = [line for group in groups for lines in group.values() for line in lines]
    lines += [line for group in templates.BESIDE.values() for line in group]
    lines += [*templates.TWO_PLACES, *templates.SCENERY, *templates.HOLDING, *templates.SEEING, *templates.VAGUE]
    lines += [phrase for subject in SUBJECTS for phrase in (*subject.phrases, *subject.queries)]
    lines += [line for told in other_words().values() for line in told]
    text = " ".join(re.sub(r"\{\w+\}", " ", line) for line in lines)
    return set(text.split()) | {"a", "an", "the"}
