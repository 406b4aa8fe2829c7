"""Zero-shot text-to-video retrieval: sentences against films or their segments, nothing trained."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.preprocess.text import UnknownWords
from models.training.evaluation import metrics
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Task
from models.training.evaluation.protocols.films import segment_features
from models.training.evaluation.protocols.result import Coverage, Figure, ProtocolError, Result


@dataclass(frozen=True)
class Described:
    """A film and the sentences that tell of its segments (start, end in seconds; an end of None is the film's)."""

    key: str
    path: Path | None
    segments: list[tuple[float, float | None]]
    sentences: list[str]


def retrieve(
    context: Context, described: list[Described], *, protocol: str, title: str, unit: str, notes: list[str]
) -> Result:
    """Every sentence against every segment that is there. Raises ProtocolError; BundleError with no text encoder."""
    encoders = context.encoders
    encoders.bundle.encoder("video")
    encoders.bundle.encoder("text")
    windows = context.windows()
    tasks = [
        Task(d.key, d.path, len(d.segments), [windows, [list(segment) for segment in d.segments]]) for d in described
    ]
    features = context.embed(
        protocol, "films", tasks, encoders.bundle.dims["coarse"], segment_features(encoders), {"windows": windows}
    )
    used = np.flatnonzero(features.used)
    if not len(used):
        raise ProtocolError(f"{context.data} has no readable film of {title}")
    films = features.stacked(used)
    sentences = [sentence for i in used for sentence in described[i].sentences]
    texts, unknown = embed_sentences(context, sentences)
    found = metrics.retrieval(texts @ films.T, np.arange(len(sentences)))
    figures = [
        Figure(name, value, *found.interval[name], found.chance_recall[name]) for name, value in found.recall.items()
    ]
    figures.append(
        Figure(
            "median rank", found.median_rank, *found.interval["median_rank"], found.chance_median_rank, percent=False
        )
    )
    if unknown:
        notes = [*notes, f"{unknown} of {len(sentences)} sentences have no word of the vocabulary: they find nothing"]
    spec = encoders.bundle.inputs
    recipe = {
        "films": f"{windows} windows of {spec.window_s:g} s, evenly spread over each {unit}; the mean of their coarse "
        "embeddings (each of length 1).",
        "sentences": f"the first {spec.words} words, coarse embedding.",
        "ranking": f"by dot product, each sentence against {len(sentences):,} {unit}s, of which one is its own; ties "
        "count half.",
        "intervals": "bootstrap over the sentences.",
    }
    return Result(protocol, title, figures, [coverage(unit, described, features.sizes)], recipe, notes)


def coverage(unit: str, described: list[Described], sizes: np.ndarray) -> Coverage:
    """In segments, not in films."""
    segments = np.array([len(d.segments) for d in described])
    used, unreadable = int(segments[sizes > 0].sum()), int(segments[sizes < 0].sum())
    return Coverage(f"{unit}s", int(segments.sum()), used, int(segments.sum()) - used - unreadable, unreadable)


def embed_sentences(context: Context, sentences: list[str]) -> tuple[np.ndarray, int]:
    """Coarse [N, C], zeros (which rank all alike) where no word is known; and how many those are."""
    rows, unknown = [], 0
    for i, sentence in enumerate(sentences):
        try:
            rows.append(context.encoders.text([sentence])[0])
        except UnknownWords:
            rows.append(np.zeros(context.encoders.bundle.dims["coarse"], np.float32))
            unknown += 1
        context.progress("sentences", i + 1, len(sentences))
    return np.stack(rows), unknown
