"""Searching: query vectors -> ranked segments -> moments -> a page of results."""

import base64
import binascii
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from index.protocol import IdArray
from index.rows import contains
from models.runtime import Encoders
from service.catalogue import Catalogue, Video
from service.catalogue.lookups import VideoFilter, matching_videos
from service.library_view import LibraryView, View
from service.plans import CONFIDENCE, Curve, Kind, Match, Plan, Space, plan_for
from service.problems import Refused, not_found, text_unavailable
from service.queries import Vectors, segment_query, text_vectors
from service.ranking import Part, Ranking, pick_moments, rank_parts, score
from service.result_cache import ResultCache

# How far down a ranking the pages go: nobody reads on, and each page ranks all that is above it again.
DEEPEST = 1000
# How deep each part of a query of several is searched, however much is shown: the best by one part may be the worst by
# all, and pages that looked deeper than those before them would pass over what has moved up.
PARTS_DEPTH = 4096
REMEMBERED = 5  # moments by which a page finds where to go on: some may be deleted meanwhile


@dataclass(frozen=True)
class Options:
    """What is common to all searches."""

    limit: int = 20
    cursor: str | None = None
    match: Match = "both"
    space: Space = "auto"
    group_by: Literal["moment", "video"] = "moment"
    min_confidence: float = 0.0
    videos: VideoFilter = field(default_factory=VideoFilter)

    def identity(self, query: str) -> str:
        """A digest of everything but the page: pages of one search share it."""
        said = {**asdict(self), "limit": None, "cursor": None, "query": query}
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Asked:
    """What is asked with, alone or beside others: a file, a moment of the library, or words.

    `identity` tells it from others of its kind (a file's sha256). A negative `weight`: moments unlike it.
    """

    kind: Kind
    identity: str
    vectors: Vectors
    weight: float = 1.0
    segment_id: int | None = None  # of a moment of the library, which is not to find itself


@dataclass(frozen=True)
class Query:
    """All that is asked with, ready to be ranked by."""

    identity: str
    parts: list[Part]
    curve: Curve
    without: IdArray  # segments that are not to be found, ascending


@dataclass(frozen=True)
class Found:
    """A moment in a ranking."""

    segment_id: int
    score: float
    confidence: float
    evidence: dict[str, float]


@dataclass(frozen=True)
class Moment:
    """A moment with what is shown of it."""

    found: Found
    video: Video
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Page:
    """One page of results; times in milliseconds."""

    moments: list[Moment]
    next_cursor: str | None
    generation: str | None
    embed_ms: float
    search_ms: float


class Searcher:
    """Answers queries over one library with one model. Thread-safe; everything here blocks, so call it in a thread."""

    def __init__(
        self, catalogue: Catalogue, library: LibraryView, encoders: Encoders, cache: ResultCache | None = None
    ):
        self.catalogue, self.library, self.encoders, self.cache = catalogue, library, encoders, cache
        # Answers of other libraries and other models may be in the same Redis.
        self._cache_key = f"{catalogue.library_id()}:{encoders.bundle.fingerprint}"
        self._spaces = encoders.spaces()

    def text(self, words: str, options: Options) -> Page:
        """By words. Raises Refused and UnknownWords."""
        started = time.perf_counter()
        plan = self._plan("text", options)
        view = self.library.current()
        # Filters look at titles and tags that change without a new revision.
        cacheable = self.cache is not None and options.videos.passes_all
        key = f"{self._cache_key}:{view.revision}:{view.generation}:{options.limit}:{options.cursor}:"
        key += options.identity(words)
        cached = self.cache.get(key) if cacheable and self.cache else None
        embed_ms = 0.0
        if cached is not None:
            found, next_cursor = [Found(*entry) for entry in cached["found"]], cached["next_cursor"]
        else:
            before = time.perf_counter()
            vectors = text_vectors(self.encoders, words)
            embed_ms = _since(before)
            found, next_cursor = self._page(view, _alone("text", words, plan, vectors), options)
            if cacheable and self.cache:
                entries = [[f.segment_id, f.score, f.confidence, f.evidence] for f in found]
                self.cache.put(key, {"found": entries, "next_cursor": next_cursor})
        moments = self._describe(view, found)
        return Page(moments, next_cursor, view.generation, embed_ms, _since(started) - embed_ms)

    def example(self, asked: Asked, options: Options) -> Page:
        """By a file that is embedded already. Raises Refused."""
        started = time.perf_counter()
        query = _alone(asked.kind, asked.identity, self._plan(asked.kind, options), asked.vectors)
        view = self.library.current()
        found, next_cursor = self._page(view, query, options)
        return Page(self._describe(view, found), next_cursor, view.generation, 0.0, _since(started))

    def words(self, words: str, weight: float = 1.0) -> Asked:
        """Words to ask with. Raises Refused and UnknownWords."""
        return Asked("text", words, text_vectors(self.encoders, words), weight)

    def moment(self, segment_id: int, weight: float = 1.0) -> Asked:
        """A moment of the library to ask with. Raises Refused(segment_not_found)."""
        stored = self.catalogue.segment_vectors(self.encoders.bundle.fingerprint, segment_id)
        if not stored:
            raise not_found("segment", segment_id)
        kind, vectors = segment_query(stored)
        return Asked(kind, f"segment {segment_id}", vectors, weight, segment_id)

    def composed(self, asked: Sequence[Asked], options: Options) -> Page:
        """By several things at once, at least one of them with a positive weight. Raises Refused."""
        started = time.perf_counter()
        view = self.library.current()
        wanted = [one for one in asked if one.weight > 0]
        share = sum(one.weight for one in wanted)
        curves = [(one.weight / share, CONFIDENCE[one.kind]) for one in wanted]
        query = Query(
            json.dumps([[one.kind, one.identity, one.weight] for one in asked]),
            [Part(self._plan(one.kind, options), one.vectors, one.weight) for one in asked],
            Curve(sum(w * curve.middle for w, curve in curves), sum(w * curve.width for w, curve in curves)),
            _around(view, [one.segment_id for one in asked if one.segment_id is not None]),
        )
        found, next_cursor = self._page(view, query, options)
        return Page(self._describe(view, found), next_cursor, view.generation, 0.0, _since(started))

    def timeline(self, video_id: str, words: str, options: Options) -> tuple[Video, list[Moment], float, float]:
        """Every segment of one video for words, in order of time; then milliseconds of embedding and of the rest."""
        started = time.perf_counter()
        plan = self._plan("text", options)
        video = self.catalogue.video(video_id)
        if video is None:
            raise not_found("video", video_id)
        view = self.library.current()
        before = time.perf_counter()
        vectors = text_vectors(self.encoders, words)
        embed_ms = _since(before)
        ids = view.segments.of_videos([video_id])
        ranking = score(view.index, plan, vectors, sample=view.sample, ids=ids)
        times = view.segments.times[view.segments.places(ranking.ids)]
        moments = [
            Moment(_found(ranking, place, CONFIDENCE["text"]), video, float(start), float(end))
            for place, (start, end) in enumerate(times)
        ]
        moments.sort(key=lambda moment: (moment.start_s, moment.found.segment_id))
        return video, moments, embed_ms, _since(started) - embed_ms

    def _plan(self, kind: Kind, options: Options) -> Plan:
        """Raises Refused when there is nothing to compare the query by."""
        if kind == "text" and "text" not in self._spaces:
            raise text_unavailable()
        plan = plan_for(kind, options.match, options.space, self._spaces)
        if plan:
            return plan
        if not plan_for(kind, options.match, options.space):
            raise Refused("invalid_request", "Words live in the coarse space only; leave out space=fine.")
        query = "words" if kind == "text" else f"a query by {kind}"
        raise Refused(
            "invalid_request",
            f"The model in use cannot compare {query} with match={options.match} and space={options.space}; "
            "leave out one or both.",
        )

    def _page(self, view: View, query: Query, options: Options) -> tuple[list[Found], str | None]:
        identity = options.identity(query.identity)
        last = _read_cursor(options.cursor, identity)
        begin, wanted = last.count, min(last.count + options.limit, DEEPEST) + 1
        found = self._best(view, query, options, wanted)
        if last.count:
            # Films that came or went since have moved the ranking: the page goes on after the moment shown last.
            while (place := _place(found, last.segment_ids[-1])) is None and len(found) >= wanted <= DEEPEST:
                wanted = min(2 * wanted, DEEPEST + 1)
                found = self._best(view, query, options, wanted)
            if place is None:  # it is gone: after the one shown before it, or as far down as those have moved up
                places = [_place(found, segment_id) for segment_id in last.segment_ids]
                place = next((p for p in reversed(places) if p is not None), last.count - len(places) - 1)
            begin = place + 1
        end = min(begin + options.limit, DEEPEST)
        if end >= wanted and len(found) >= wanted:
            found = self._best(view, query, options, end + 1)
        page, more = found[begin:end], len(found) > end and end < DEEPEST
        shown = tuple(one.segment_id for one in found[max(0, end - REMEMBERED) : end])
        return page, _write_cursor(Last(end, shown), identity) if more and page else None

    def _best(self, view: View, query: Query, options: Options, wanted: int) -> list[Found]:
        """The best `wanted` moments of the library, or all that there are."""
        table = view.segments
        allowed = (
            None if options.videos.passes_all else table.of_videos(matching_videos(self.catalogue, options.videos))
        )
        total = len(table.ids) if allowed is None else len(allowed)
        if not total:
            return []
        least = 100 if len(query.parts) == 1 else PARTS_DEPTH
        depth = min(max(4 * wanted, least), total)  # several overlapping windows make one moment
        while True:
            ranking = rank_parts(view.index, query.parts, sample=view.sample, k=depth, allowed=allowed)
            # One that was deleted while the view was put together has vectors but no place.
            known = np.flatnonzero(table.known(ranking.ids) & ~contains(query.without, ranking.ids))
            rows = table.places(ranking.ids[known])
            picked = pick_moments(
                table.videos[rows],
                table.times[rows, 0],
                table.times[rows, 1],
                wanted=wanted,
                one_per_video=options.group_by == "video",
            )
            if len(picked) < wanted and options.group_by == "video":  # no more than there are
                at = slice(None) if allowed is None else table.places(allowed[table.known(allowed)])
                wanted = min(wanted, len(np.unique(table.videos[at])))
            if len(picked) >= wanted or depth >= total:
                found = [_found(ranking, int(known[place]), query.curve) for place in picked]
                return [f for f in found if f.confidence >= options.min_confidence]
            depth = min(4 * depth, total)

    def _describe(self, view: View, found: list[Found]) -> list[Moment]:
        table = view.segments
        # A cached answer may name what is gone: the catalogue can be restored from a backup, and count on from there.
        known = table.known(np.array([f.segment_id for f in found], np.int64)).tolist()
        found = [f for f, there in zip(found, known, strict=True) if there]
        rows = table.places(np.array([f.segment_id for f in found], np.int64)).tolist()
        names = [table.video_ids[table.videos[row]] for row in rows]
        videos = self.catalogue.videos_by_id(list(dict.fromkeys(names)))
        return [
            Moment(f, videos[name], float(table.times[row, 0]), float(table.times[row, 1]))
            for f, name, row in zip(found, names, rows, strict=True)
            if name in videos  # else deleted this very moment
        ]


def _alone(kind: Kind, identity: str, plan: Plan, vectors: Vectors) -> Query:
    return Query(f"{kind}:{identity}", [Part(plan, vectors)], CONFIDENCE[kind], np.empty(0, np.int64))


def _around(view: View, segment_ids: Sequence[int]) -> IdArray:
    """Segments and those that share time with them in the same film: who asks by a moment has seen them."""
    table, found = view.segments, [np.empty(0, np.int64)]
    ids = np.array(segment_ids, np.int64)
    for row in table.places(ids[table.known(ids)]).tolist():
        start, end = table.times[row]
        near = (table.times[:, 0] < end) & (table.times[:, 1] > start) & (table.videos == table.videos[row])
        found.append(table.ids[near])
    return np.unique(np.concatenate(found))


def _found(ranking: Ranking, place: int, curve: Curve) -> Found:
    value = float(ranking.scores[place])
    confidence = 1 / (1 + math.exp(min(50.0, -(value - curve.middle) / curve.width)))
    return Found(int(ranking.ids[place]), round(value, 4), round(confidence, 4), ranking.evidence(place))


@dataclass(frozen=True)
class Last:
    """Where the page before ended: how many moments were ranked up to there, and the segments of the last of them."""

    count: int
    segment_ids: tuple[int, ...]


def _place(found: list[Found], segment_id: int) -> int | None:
    return next((place for place, one in enumerate(found) if one.segment_id == segment_id), None)


def _write_cursor(last: Last, identity: str) -> str:
    said = f"{last.count}:{','.join(map(str, last.segment_ids))}:{identity}"
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None, identity: str) -> Last:
    """Where the page begins. Raises Refused(bad_cursor) for a cursor of another search."""
    if cursor is None:
        return Last(0, ())
    try:
        said = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        count, ids, of = said.split(":", 2)
        if of == identity and 0 < int(count) < DEEPEST:
            return Last(int(count), tuple(map(int, ids.split(","))))
    except (ValueError, binascii.Error):
        pass
    raise Refused(
        "bad_cursor", "The cursor belongs to another search: repeat the same query and parameters, or leave it out."
    )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def options_of(values: dict[str, Any]) -> Options:
    """From plain values, as the HTTP parameters carry them."""
    videos = VideoFilter(
        tags=tuple(values.pop("tag", ())),
        video_ids=tuple(values.pop("video_id", ())),
        **{
            name: values.pop(name, None)
            for name in ("has_sound", "min_duration_s", "max_duration_s", "added_after", "added_before")
        },
    )
    return Options(videos=videos, **values)
