"""Golden queries: the same questions to what is served and to what is to be, so that one sees what changes.

Words from a list that comes with the service and from the administrator; and stills and sounds cut from the library's
own videos, whose right answer is known. Answers name videos by their ids alone: a report outlives what it names.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.preprocess.media import MediaError
from models.preprocess.text import UnknownWords
from service.catalogue import Catalogue, Video
from service.ingest import media_info
from service.media import confined
from service.media.store import MediaStore
from service.plans import Kind
from service.problems import Refused
from service.queries import Vectors, audio_vectors, image_vectors
from service.search import Asked, Moment, Options, Searcher

# Words that many libraries have something for, and the shipped model's own world.
SHIPPED_QUERIES = (
    "a person",
    "a dog",
    "a car",
    "water",
    "fire",
    "music",
    "a door opens",
    "an explosion",
    "firing a shotgun",
    "a monster attacks",
    "a spider robot",
    "stepping into a teleporter",
    "a lift goes up",
    "picking up a key",
    "a dark corridor",
    "outdoors",
)
TOP = 10
# Some more are asked for, to compare the first ten of those that both can find.
ASKED = 30
# Videos of the library that stills and sounds are cut from.
SAMPLED_VIDEOS = 6


# What was found, best first; or the code of why there is no answer.
Answer = list[Moment] | str


@dataclass(frozen=True)
class SelfQuery:
    """A still or a sound cut from a video of the library."""

    kind: Kind
    video_id: str
    start_s: float
    array: np.ndarray

    def vectors(self, searcher: Searcher) -> Vectors:
        embed = image_vectors if self.kind == "image" else audio_vectors
        return embed(searcher.encoders, self.array)


def compare(
    old: Searcher,
    new: Searcher,
    catalogue: Catalogue,
    store: MediaStore,
    report: Callable[[float], None],
) -> dict[str, Any]:
    """Asks both, and says how their answers differ. `report(share)` may raise to end it."""
    words = list(dict.fromkeys([*SHIPPED_QUERIES, *catalogue.golden_queries()]))
    entries = []

    def differ(before: Answer, after: Answer) -> dict[str, Any]:
        both = _videos(old) & _videos(new)  # what came in meanwhile is only in one of them, until the switch
        return _difference(*(_among(both, answer) for answer in (before, after)))

    for number, query in enumerate(words):
        report(0.5 * number / len(words))
        entries.append({"kind": "text", "query": query, **differ(_by_words(old, query), _by_words(new, query))})
    videos = _sampled(old, new, catalogue)
    for number, video in enumerate(videos):
        report(0.5 + 0.5 * number / len(videos))
        before = {cut.kind: cut for cut in _cuts(old, video, store)}
        same_input = old.encoders.bundle.inputs == new.encoders.bundle.inputs
        after = before if same_input else {cut.kind: cut for cut in _cuts(new, video, store)}
        for kind in sorted(before.keys() & after.keys()):
            first, second = _by_example(old, before[kind]), _by_example(new, after[kind])
            said = {"kind": kind, "video_id": video.id, "start_s": round(before[kind].start_s, 3)}
            ranks = {"rank_before": _rank(first, video.id), "rank_after": _rank(second, video.id)}
            entries.append({**said, **ranks, **differ(first, second)})
    return {"queries": entries, **_summary(entries)}


def _by_words(searcher: Searcher, query: str) -> Answer:
    try:
        return searcher.text(query, Options(limit=ASKED)).moments
    except UnknownWords:
        return "unknown_words"
    except Refused as refused:
        return refused.code


def _by_example(searcher: Searcher, cut: SelfQuery) -> Answer:
    example = Asked(cut.kind, f"{cut.video_id}:{cut.start_s}", cut.vectors(searcher))
    try:
        return searcher.example(example, Options(limit=ASKED, group_by="video")).moments
    except Refused as refused:
        return refused.code


def _videos(searcher: Searcher) -> set[str]:
    return set(searcher.library.current().segments.video_ids)


def _among(videos: set[str], answer: Answer) -> Answer:
    """The first ten of an answer that are of these videos."""
    return answer if isinstance(answer, str) else [m for m in answer if m.video.id in videos][:TOP]


def _difference(before: Answer, after: Answer) -> dict[str, Any]:
    """The share of the first ten that stayed, and which went and came; or why one of them has no answer."""
    if isinstance(before, str) or isinstance(after, str):
        said = {"before": before, "after": after}
        return {"overlap_at_10": None, **{name: code for name, code in said.items() if isinstance(code, str)}}
    there = list(after)
    left = []
    for moment in before:
        match = next((other for other in there if _same(moment, other)), None)
        if match is None:
            left.append(moment)
        else:
            there.remove(match)
    most = max(len(before), len(after))
    return {
        "overlap_at_10": round((len(before) - len(left)) / most, 3) if most else 1.0,
        "left": [_told(moment) for moment in left],
        "came": [_told(moment) for moment in there],
    }


def _same(one: Moment, other: Moment) -> bool:
    """Whether two moments, maybe windows of two models, show the same: they share most of the shorter one."""
    if one.video.id != other.video.id:
        return False
    shared = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return shared >= 0.5 * min(one.end_s - one.start_s, other.end_s - other.start_s)


def _told(moment: Moment) -> dict[str, Any]:
    return {
        "video_id": moment.video.id,
        "start_s": round(moment.start_s, 3),
        "end_s": round(moment.end_s, 3),
        "confidence": moment.found.confidence,
    }


def _rank(answer: Answer, video_id: str) -> int | None:
    """The place of a video among the first ten, from 1."""
    if isinstance(answer, str):
        return None
    places = [place for place, moment in enumerate(answer[:TOP], 1) if moment.video.id == video_id]
    return places[0] if places else None


def _summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over what both could answer, and how often a cut found its own video."""
    compared = [entry["overlap_at_10"] for entry in entries if entry["overlap_at_10"] is not None]
    known: dict[str, Any] = {}
    for kind in ("image", "audio"):
        asked = [entry for entry in entries if entry["kind"] == kind]
        if asked:
            known[kind] = {"asked": len(asked)} | {
                f"{name}_{when}": sum((entry[f"rank_{when}"] or TOP + 1) <= depth for entry in asked)
                for name, depth in (("first", 1), ("among_ten", TOP))
                for when in ("before", "after")
            }
    mean = round(float(np.mean(compared)), 3) if compared else None
    return {"compared": len(compared), "mean_overlap_at_10": mean, "known_items": known}


def _sampled(old: Searcher, new: Searcher, catalogue: Catalogue) -> list[Video]:
    """Some videos that both can find, spread over the library; the same ones each time."""
    both = sorted(set(old.library.current().segments.video_ids) & set(new.library.current().segments.video_ids))
    step = max(1, len(both) // SAMPLED_VIDEOS)
    found = catalogue.videos_by_id(both[::step][:SAMPLED_VIDEOS])
    return [found[video_id] for video_id in sorted(found)]


def _cuts(searcher: Searcher, video: Video, store: MediaStore) -> Iterator[SelfQuery]:
    """A still and a sound from near the beginning of a video, as far as it has them; nothing of one that is damaged."""
    inputs = searcher.encoders.bundle.inputs
    path, window = store.path(video.sha256), None
    try:
        with contextlib.closing(confined.decode_windows(path, inputs, media_info(video))) as windows:
            for window in windows:
                if window.start_s > 0:  # the second: films begin in black
                    break
    except (MediaError, FileNotFoundError):
        return
    if window is None:
        return
    if window.frames is not None:
        yield SelfQuery("image", video.id, window.start_s, window.frames[len(window.frames) // 2])
    if window.sound is not None:
        start_s = window.sound_starts_s[0]
        yield SelfQuery("audio", video.id, start_s, window.sound[0])
