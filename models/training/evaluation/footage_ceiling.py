"""What a perfect ranker of concepts reaches with the texts that evaluation asks with: clips of like content are ties.

A text names some of what its clip shows, and other clips show that too. Whoever ranked every clip by how many of the
named concepts it has, and like ones at random, would find so much and no more by knowing concepts alone.
"""

from collections.abc import Iterable

import numpy as np

from models.training.data.footage.mentions import mentioned
from models.training.evaluation.footage_clips import EmbeddedClips, described, said
from models.training.evaluation.metrics import Retrieval, retrieval

_AUDIBLE = ("monster:", "weapon:", "action:")


def ceilings(found: EmbeddedClips, items: int) -> dict[str, Retrieval]:
    """By direction; nothing for clips whose texts name no concept of the footage generator's."""
    clips = [c for c in found.clips if c.has_audio and c.narrations]
    shown = [frozenset(c.concepts) for c in clips]
    told = {"text -> video": described, "what is said at the event -> video": said}
    out = {}
    for name, text in told.items():
        named = [mentioned(text(clip)) for clip in clips]
        if not any(named):
            return {}
        out[name] = _ranked(named, shown, items)
    heard = [_heard(mentioned(described(clip))) for clip in clips]
    out["text -> audio"] = _ranked(heard, [_heard(concepts) for concepts in shown], items)
    return out


def _heard(concepts: Iterable[str]) -> frozenset[str]:
    """Monsters, weapons and actions have sounds of their own; all items that are picked up share theirs."""
    picked = {"action:pickup"} if any(c.startswith("pickup:") for c in concepts) else set()
    return frozenset({c for c in concepts if c.startswith(_AUDIBLE)} | picked)


def _ranked(named: list[frozenset[str]], shown: list[frozenset[str]], items: int) -> Retrieval:
    scores = np.array([[len(names & concepts) for concepts in shown] for names in named], float)
    scores += np.random.default_rng(0).random(scores.shape) / 2
    return retrieval(scores, np.arange(len(shown)), items)
