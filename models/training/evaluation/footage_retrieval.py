"""Held-out evaluation of a bundle on a footage set: every direction that the service searches in, beside chance."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.preprocess.media import read_audio, read_frames
from models.preprocess.text import UnknownWords
from models.preprocess.windows import fit_frames
from models.runtime import Encoders
from models.training.data.footage.vocabulary import CONCEPT_QUERIES, PARAPHRASES
from models.training.data.manifest import Clip, read_manifest
from models.training.evaluation.metrics import Concepts, Retrieval, concept_precision, retrieval


@dataclass(frozen=True)
class EmbeddedClips:
    """The middle window of every clip, and one still of it. Rows align with `clips`; silent clips' sound is zero."""

    clips: list[Clip]
    video_fine: np.ndarray
    video_coarse: np.ndarray
    image_fine: np.ndarray
    sound_fine: np.ndarray
    sound_coarse: np.ndarray


def embed_clips(encoders: Encoders, data: Path, progress: Callable[[int, int], None] | None = None) -> EmbeddedClips:
    """Decode and embed every clip of `data/manifest.jsonl`."""
    spec = encoders.bundle.inputs
    clips = read_manifest(data / "manifest.jsonl")
    dims = encoders.bundle.dims
    out = {
        name: np.zeros((len(clips), dims[space]), np.float32)
        for name, space in (
            ("video_fine", "fine"),
            ("video_coarse", "coarse"),
            ("image_fine", "fine"),
            ("sound_fine", "fine"),
            ("sound_coarse", "coarse"),
        )
    }
    for i, clip in enumerate(clips):
        start = max(0.0, (clip.duration_s - spec.window_s) / 2)
        # A grid that starts at the window: read at a fine step, then take every frame of the window.
        fine = read_frames(data / clip.file, spec.step_s / 4, spec.frame_height, spec.frame_width, method=spec.resize)
        frames = np.stack(list(fine))
        first = round(start / spec.step_s * 4)
        window = fit_frames(frames[first::4], spec.frames)
        video = encoders.video(window[None])
        # The still lies between two of the window's frames, so it is a picture the video encoder has not seen.
        still = frames[min(first + 4 * (spec.frames // 2) + 2, len(frames) - 1)]
        out["video_fine"][i] = video.fine[0]
        if video.coarse is not None:
            out["video_coarse"][i] = video.coarse[0]
        out["image_fine"][i] = encoders.image(still[None]).fine[0]
        if clip.has_audio:
            sound = np.concatenate(list(read_audio(data / clip.file, spec.sample_rate)))
            begin = round(start * spec.sample_rate)
            heard = encoders.audio(sound[None, begin : begin + round(spec.window_s * spec.sample_rate)])
            out["sound_fine"][i] = heard.fine[0]
            if heard.coarse is not None:  # else it stays zeros, which find nothing
                out["sound_coarse"][i] = heard.coarse[0]
        if progress:
            progress(i + 1, len(clips))
    return EmbeddedClips(clips, **out)


Wordings = dict[str, dict[str, list[str]]]
FOOTAGE_WORDINGS: Wordings = {"generator's wording": CONCEPT_QUERIES, "paraphrases": PARAPHRASES}

# What a disjoint graph cannot do.
SOUND_AND_TEXT = ("text -> video + sound", "audio -> text", "text -> audio")


def evaluate(
    encoders: Encoders,
    data: Path,
    items: int = 300,
    progress: Callable[[int, int], None] | None = None,
    wordings: Wordings = FOOTAGE_WORDINGS,
) -> dict[str, Any]:
    """Every direction's metrics as plain values; in a disjoint graph those between sound and text are left out.

    Item retrieval is among the first `items` clips that have text and sound; `wordings` are the concepts' text queries.
    """
    found = embed_clips(encoders, data, progress)
    rows = [i for i, c in enumerate(found.clips) if c.has_audio and c.narrations][:items]
    truth = np.arange(len(rows))
    text = encoders.text([_told(found.clips[i]) for i in rows])
    v_fine, v_coarse = found.video_fine[rows], found.video_coarse[rows]
    a_fine, a_coarse, image = found.sound_fine[rows], found.sound_coarse[rows], found.image_fine[rows]
    directions: dict[str, Retrieval] = {
        "text -> video": retrieval(text @ v_coarse.T, truth),
        "text -> video + sound": retrieval(text @ v_coarse.T + text @ a_coarse.T, truth),
        "audio -> video": retrieval(a_fine @ v_fine.T, truth),
        "video -> audio": retrieval(v_fine @ a_fine.T, truth),
        "image -> video": retrieval(image @ v_fine.T, truth),
        "audio -> text": retrieval(a_coarse @ text.T, truth),
        "text -> audio": retrieval(text @ a_coarse.T, truth),
    }
    if encoders.bundle.graph == "disjoint":
        directions = {name: r for name, r in directions.items() if name not in SOUND_AND_TEXT}
    concepts = {name: _concepts(encoders, found, queries) for name, queries in wordings.items()}
    return {
        "data": {"clips": len(found.clips), "items": len(rows), "maps": sorted({c.map for c in found.clips})},
        "retrieval": {k: asdict(v) for k, v in directions.items()},
        "concepts": {k: asdict(v) for k, v in concepts.items()},
    }


def report(metrics: dict[str, Any], command: str) -> str:
    """The metrics as a Markdown page."""
    data = metrics["data"]
    lines = [
        f"{data['clips']} clips of {len(data['maps'])} maps that training never saw ({', '.join(data['maps'])}); "
        f"item retrieval among {data['items']} of them. Chance in brackets.",
        "",
        f"Written by `{command}`.",
        "",
        "| query -> what is found | R@1 | R@5 | R@10 | median rank |",
        "|---|---|---|---|---|",
    ]
    for name, r in metrics["retrieval"].items():
        cells = [f"{100 * r['recall'][k]:.1f} ({100 * r['chance_recall'][k]:.1f})" for k in ("R@1", "R@5", "R@10")]
        lines.append(f"| {name} | {' | '.join(cells)} | {r['median_rank']:g} ({r['chance_median_rank']:g}) |")
    lines += ["", "| concept queries -> moments | queries | P@5 | mAP | chance |", "|---|---|---|---|---|"]
    for name, c in metrics["concepts"].items():
        values = f"{c['precision_at_5']:.2f} | {c['mean_average_precision']:.2f} | {c['chance']:.3f}"
        lines.append(f"| {name} | {c['queries']} | {values} |")
    lines += ["", "Concept precision@5 per query (both wordings):", ""]
    per_query = {q: p for c in metrics["concepts"].values() for q, p in c["per_query"].items()}
    ordered = sorted(per_query.items(), key=lambda item: (-item[1], item[0]))
    lines.append(", ".join(f"{q} {p:.1f}" for q, p in ordered))
    return "\n".join(lines) + "\n"


def _told(clip: Clip) -> str:
    """The narration nearest to the clip's event."""
    at = clip.events[0].at_s if clip.events else clip.duration_s / 2
    return min(clip.narrations, key=lambda n: abs((n.start_s + n.end_s) / 2 - at)).text


def _known_text(encoders: Encoders, query: str) -> np.ndarray:
    """Coarse [1, C]; zeros, which rank nothing first, for a query that the service would refuse as unknown words."""
    try:
        return encoders.text([query])
    except UnknownWords:
        return np.zeros((1, encoders.bundle.dims["coarse"]), np.float32)


def _concepts(encoders: Encoders, found: EmbeddedClips, queries: dict[str, list[str]]) -> Concepts:
    pairs = [(concept, query) for concept, texts in queries.items() for query in texts]
    text = np.concatenate([_known_text(encoders, query) for _, query in pairs])
    # As the service ranks: sight and sound together; a silent clip is ranked by sight, with the mean sound score.
    heard = np.array([c.has_audio for c in found.clips])
    by_sound = text @ found.sound_coarse.T
    by_sound = np.where(heard, by_sound, by_sound[:, heard].mean(axis=1, keepdims=True))
    scores = text @ found.video_coarse.T + by_sound
    relevant = np.array([[concept in c.concepts for c in found.clips] for concept, _ in pairs])
    return concept_precision(scores, relevant, [f"{query} [{concept}]" for concept, query in pairs])
