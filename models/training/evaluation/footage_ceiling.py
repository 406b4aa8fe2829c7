"""What a perfect ranker of concepts reaches with the texts that evaluation asks with: clips of like content are ties.

A text names some of what its clip shows, and other clips show that too. Whoever ranked every clip by how many of the
named concepts it has, and like ones at random, would find so much and no more by knowing concepts alone.
"""

import numpy as np

from models.training.data.footage.mentions import audible, mentioned
from models.training.evaluation.footage_clips import HEARD, SAID, EmbeddedClips, described, described_by_ear, said
from models.training.evaluation.metrics import Retrieval, retrieval


def ceilings(found: EmbeddedClips, items: int) -> dict[str, Retrieval]:
    """By direction; nothing for clips whose texts name no concept of the footage generator's."""
    clips = [c for c in found.clips if c.has_audio and c.narrations]
    shown = [frozenset(c.concepts) for c in clips]
    told = {"text -> video": described, SAID: said}
    out = {}
    for name, text in told.items():
        named = [mentioned(text(clip)) for clip in clips]
        if not any(named):
            return {}
        out[name] = _ranked(named, shown, items)
    heard = [audible(concepts) for concepts in shown]
    for name, text in {"text -> audio": described, HEARD: described_by_ear}.items():
        out[name] = _ranked([audible(mentioned(text(clip))) for clip in clips], heard, items)
    return out


def _ranked(named: list[frozenset[str]], shown: list[frozenset[str]], items: int) -> Retrieval:
    scores = np.array([[len(names & concepts) for concepts in shown] for names in named], float)
    scores += np.random.default_rng(0).random(scores.shape) / 2
    return retrieval(scores, np.arange(len(shown)), items)
