"""Held-out evaluation of a bundle on a footage set: every direction that the service searches in, beside chance."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.runtime import Encoders
from models.training.data.footage.mentions import audible, mentioned
from models.training.data.manifest import Clip
from models.training.evaluation import product_ranking as product
from models.training.evaluation.bootstrap import Interval, interval, middle, resamples
from models.training.evaluation.footage_ceiling import ceilings
from models.training.evaluation.footage_clips import (
    HEARD,
    SAID,
    EmbeddedClips,
    described,
    described_by_ear,
    embed_clips,
    said,
    text_rows,
)
from models.training.evaluation.metrics import TOP, Concepts, Naming, Retrieval, concept_precision, naming, retrieval
from models.training.evaluation.product_ranking import best_frame, fused
from models.training.evaluation.wordings import FOOTAGE_WORDINGS, GENERATOR, PLAIN_LANGUAGE, Wordings, pairs

# What a disjoint graph cannot do.
SOUND_AND_TEXT = ("text -> video + sound", "audio -> text", "text -> audio", HEARD)
ALIKE = ("monster", "weapon")  # what a still of it shows large
# Naming: which concepts compete, and on clips of which events (of any, where none is said).
NAMED = {
    "monster": ("monster:", {"monster", "fight"}),
    "weapon": ("weapon:", {"fire"}),
    "pickup": ("pickup:", {"pickup"}),
    "place": ("place:", set[str]()),
}


def evaluate(
    encoders: Encoders,
    data: Path,
    items: int = 300,
    progress: Callable[[int, int], None] | None = None,
    wordings: Wordings = FOOTAGE_WORDINGS,
    found: EmbeddedClips | None = None,
) -> dict[str, Any]:
    """Every direction's metrics as plain values; in a disjoint graph those between sound and text are left out.

    Item retrieval is among `items` clips (see `metrics.retrieval`): those that have text and sound, and for stills all.
    `wordings` are the concepts' text queries; one that asks for nothing that is there is left out. `found` are the
    clips, where they are embedded already.
    """
    found = found or embed_clips(encoders, data, progress)
    wordings = {name: queries for name, queries in wordings.items() if relevance(found, queries).any()}
    directions = item_retrieval(encoders, found, items)
    scores = {name: concept_scores(encoders, found, queries) for name, queries in wordings.items()}
    concepts = {
        name: concept_precision(scores[name], relevance(found, queries), _labels(queries))
        for name, queries in wordings.items()
    }
    return {
        "data": {"clips": len(found.clips), "items": items, "maps": sorted({c.map for c in found.clips})},
        "retrieval": {k: asdict(v) for k, v in directions.items()},
        "ceiling": {k: asdict(v) for k, v in ceilings(found, items).items()},
        "heard_perfectly": {k: asdict(v) for k, v in heard_perfectly(encoders, found, items).items()},
        "concepts": {k: asdict(v) for k, v in concepts.items()},
        "naming": {
            name: {wording: asdict(n) for wording, n in rows.items()}
            for name, rows in named_right(encoders, found, wordings).items()
        },
        "alike": {k: asdict(v) for k, v in found_alike(found).items()},
        **({"gap": gap(concepts)} if {GENERATOR, PLAIN_LANGUAGE} <= set(concepts) else {}),
    }


def item_retrieval(encoders: Encoders, found: EmbeddedClips, items: int) -> dict[str, Retrieval]:
    """Every direction in which one clip's part finds another part of it."""
    rows = _told_and_heard(found)
    truth, everyone = np.arange(len(rows)), np.arange(len(found.clips))
    clips = [found.clips[i] for i in rows]
    text = text_rows(encoders, [described(clip) for clip in clips])
    v_fine, v_coarse, a_fine = found.video_fine[rows], found.video_coarse[rows], found.sound_fine[rows]
    found_by_still = found.image_fine @ found.video_fine.T
    directions = {
        "text -> video": retrieval(text @ v_coarse.T, truth, items),
        SAID: retrieval(text_rows(encoders, [said(clip) for clip in clips]) @ v_coarse.T, truth, items),
        "audio -> video": retrieval(a_fine @ v_fine.T, truth, items),
        "video -> audio": retrieval(v_fine @ a_fine.T, truth, items),
        "image -> video": retrieval(found_by_still, everyone, items),
        "image -> moment, as the service searches": retrieval(_by_still(found), everyone, items),
    }
    if found.sound_coarse is not None:
        a_coarse = found.sound_coarse[rows]
        directions["text -> video + sound"] = retrieval(by_words(found, text)[:, rows], truth, items)
        directions["audio -> text"] = retrieval(a_coarse @ text.T, truth, items)
        directions["text -> audio"] = retrieval(text @ a_coarse.T, truth, items)
        by_ear = text_rows(encoders, [described_by_ear(clip) for clip in clips])
        directions[HEARD] = retrieval(by_ear @ a_coarse.T, truth, items)
    first = ("text -> video", "text -> video + sound", SAID)
    order = (*first, *(d for d in directions if d not in first))
    return {name: directions[name] for name in order if name in directions}


def heard_perfectly(encoders: Encoders, found: EmbeddedClips, items: int) -> dict[str, Retrieval]:
    """Words for sounds if nothing were misheard: the order stays, but clips that lack something audible which the text
    names come last. Nothing where no text names any such thing, as in data that is not the footage generator's.
    """
    if found.sound_coarse is None:
        return {}
    rows = _told_and_heard(found)
    clips = [found.clips[i] for i in rows]
    heard = [audible(clip.concepts) for clip in clips]
    out = {}
    for name, text_of in {"text -> audio": described, HEARD: described_by_ear}.items():
        texts = [text_of(clip) for clip in clips]
        named = [audible(mentioned(text)) & own for text, own in zip(texts, heard, strict=True)]
        if not any(named):
            return {}
        lacking = np.array([[not names <= has for has in heard] for names in named])
        scores = np.where(lacking, -np.inf, text_rows(encoders, texts) @ found.sound_coarse[rows].T)
        out[name] = retrieval(scores, np.arange(len(rows)), items)
    return out


def _told_and_heard(found: EmbeddedClips) -> np.ndarray:
    """Which clips have words and sound."""
    return np.array([i for i, c in enumerate(found.clips) if c.has_audio and c.narrations])


def by_words(found: EmbeddedClips, text: np.ndarray) -> np.ndarray:
    """Scores [Q, N] of every clip for texts, coarse [Q, C], as the service ranks: sight and sound together."""
    sound = None if found.sound_coarse is None else text @ found.sound_coarse.T
    return fused([(product.TEXT_VISUAL, text @ found.video_coarse.T), (product.TEXT_SOUND, sound)])


def _by_still(found: EmbeddedClips) -> np.ndarray:
    """Scores [N, N] of every clip for every clip's still, as the service ranks: its library holds the frames too."""
    instance = None
    if found.image_instance is not None and found.frame_instance is not None:
        instance = best_frame(found.image_instance, found.frame_instance)
    return fused(
        [
            (product.FRAME_INSTANCE, instance),
            (product.FRAME_FINE, best_frame(found.image_fine, found.frame_fine)),
            (product.VISUAL_FINE, found.image_fine @ found.video_fine.T),
            (product.VISUAL_COARSE, found.image_coarse @ found.video_coarse.T),
        ]
    )


def concept_scores(encoders: Encoders, found: EmbeddedClips, queries: dict[str, list[str]]) -> np.ndarray:
    """Scores [Q, N] of every clip for the concepts' queries, in the order of `wordings.pairs`."""
    return by_words(found, text_rows(encoders, [query for _, query in pairs(queries)]))


def relevance(found: EmbeddedClips, queries: dict[str, list[str]]) -> np.ndarray:
    """bool [Q, N]: which clips have the concept that a query is for."""
    return np.array([[concept in c.concepts for c in found.clips] for concept, _ in pairs(queries)])


def named_right(encoders: Encoders, found: EmbeddedClips, wordings: Wordings) -> dict[str, dict[str, Naming]]:
    """For each kind of concept and each wording: whether a clip's concept is the best of all of its kind.

    A concept is the mean of its queries' embeddings, and is scored as the service ranks.
    """
    out: dict[str, dict[str, Naming]] = {}
    for kind, (prefix, events) in NAMED.items():
        for wording, queries in wordings.items():
            names = [concept for concept in queries if concept.startswith(prefix)]
            rows = [i for i, c in enumerate(found.clips) if _is_of(c, names, events)]
            if not names or not rows:
                continue
            means = np.stack([text_rows(encoders, queries[name]).mean(axis=0) for name in names])
            means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
            relevant = np.array([[name in found.clips[i].concepts for name in names] for i in rows])
            out.setdefault(kind, {})[wording] = naming(by_words(found, means)[:, rows].T, relevant)
    return out


@dataclass(frozen=True)
class Alike:
    """The share of a still's first `TOP` clips (or as many as there are) beside its own that have its concept too."""

    stills: int
    precision: float
    chance: float
    interval: Interval


def found_alike(found: EmbeddedClips) -> dict[str, Alike]:
    """By kind of concept: whether a still finds other clips of what it shows, as the service ranks."""
    scores = _by_still(found)
    np.fill_diagonal(scores, -np.inf)
    first = np.argsort(-scores, axis=1, kind="stable")[:, : min(TOP, len(scores) - 1)]
    out = {}
    for kind in ALIKE:
        prefix, events = NAMED[kind]
        own = [{c for c in clip.concepts if c.startswith(prefix)} for clip in found.clips]
        rows = [i for i, clip in enumerate(found.clips) if _is_of(clip, list(own[i]), events)]
        same = np.array([[bool(own[i] & other) for other in own] for i in rows]).reshape(len(rows), len(own))
        same[np.arange(len(rows)), rows] = False
        there = same.any(axis=1)
        if there.any():
            others = same[there].sum(axis=1)
            hits = np.take_along_axis(same, first[rows], axis=1)[there]
            looked_at = np.minimum(TOP, others)
            right = (hits & (np.arange(hits.shape[1]) < looked_at[:, None])).sum(axis=1) / looked_at
            out[kind] = Alike(len(right), float(right.mean()), float(others.mean() / (len(own) - 1)), interval(right))
    return out


def _is_of(clip: Clip, names: list[str], events: set[str]) -> bool:
    return bool(set(names) & set(clip.concepts)) and (not events or any(e.kind in events for e in clip.events))


def gap(concepts: dict[str, Concepts]) -> dict[str, dict[str, Any]]:
    """How much lower plain language scores than the generator's own wording, a share of 1, by metric.

    Over the concepts that both ask for, each the mean of its queries; the interval resamples the concepts.
    """
    out = {}
    for metric, values in (("precision_at_5", "per_query"), ("mean_average_precision", "per_query_ap")):
        own, plain = (_by_concept(getattr(concepts[w], values)) for w in (GENERATOR, PLAIN_LANGUAGE))
        both = [concept for concept in own if concept in plain]
        differences = np.array([own[concept] - plain[concept] for concept in both])
        drawn = differences[resamples(len(differences))].mean(axis=1)
        out[metric] = {"points": float(differences.mean()), "interval": middle(drawn), "concepts": len(both)}
    return out


def _labels(queries: dict[str, list[str]]) -> list[str]:
    return [f"{query} [{concept}]" for concept, query in pairs(queries)]


def _by_concept(per_query: dict[str, float]) -> dict[str, float]:
    concepts: dict[str, list[float]] = {}
    for label, value in per_query.items():
        concepts.setdefault(label.rpartition(" [")[2].rstrip("]"), []).append(value)
    return {concept: float(np.mean(values)) for concept, values in concepts.items()}
