"""Searching a real catalogue and a real index, with vectors made up so that the right answer is known."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete

from index.generation import current_name, write_generation
from index.spaces import SpaceKey
from models.bundle import load_bundle
from models.preprocess.media import MediaInfo
from models.preprocess.text import UnknownWords
from models.runtime import Encoders
from service import search
from service.catalogue import Catalogue, NewSegment, open_catalogue
from service.catalogue.lookups import VideoFilter
from service.catalogue.tables import SegmentRow
from service.jobs.queue import JobQueue
from service.library_view import LibraryView
from service.problems import Refused
from service.redis_server import EmbeddedRedis
from service.result_cache import ResultCache
from service.search import Asked, Options, Page, Searcher
from service.settings import Settings

KEY = ("visual", "fine")
DIM = 16


@dataclass
class Library:
    """A library of made-up films over a real bundle (its text tower is used)."""

    settings: Settings
    catalogue: Catalogue
    encoders: Encoders
    random: np.random.Generator

    def add(
        self,
        name: str,
        windows: int = 4,
        *,
        sound: bool = False,
        tags: tuple[str, ...] = (),
        near: np.ndarray | None = None,
    ) -> tuple[str, np.ndarray]:
        """A film of `windows` overlapping windows; its id and its vectors [windows, DIM], all `near` one if given."""
        info = MediaInfo(1.6 * windows + 1.6, True, sound, 320, 240, 25.0, "mp4", "h264", "aac" if sound else None)
        sha256 = self.random.bytes(32).hex()
        video, _, _ = self.catalogue.add_video(sha256, f"{name}.mp4", name, list(tags), 1000, info)
        vectors = self.random.normal(size=(windows, DIM)).astype(np.float32)
        if near is not None:
            vectors = near + 0.1 * vectors
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        segments = [
            NewSegment(1.6 * i, 1.6 * i + 3.2, {KEY: row[None].astype(np.float16)}) for i, row in enumerate(vectors)
        ]
        self.catalogue.store_segments(video.id, self.bundle, segments)
        return video.id, vectors

    @property
    def bundle(self) -> str:
        return self.encoders.bundle.fingerprint

    def searcher(self, cache: ResultCache | None = None) -> Searcher:
        folder = self.settings.index_dir
        view = LibraryView(self.catalogue, self.bundle, folder, current_name(folder))
        return Searcher(self.catalogue, view, self.encoders, cache)

    def rebuild(self) -> str:
        """A generation of all that is in the catalogue."""
        rows: dict[SpaceKey, tuple[list[int], list[np.ndarray]]] = {}
        for channel, space, segment_id, vectors in self.catalogue.vectors(self.bundle):
            ids, found = rows.setdefault(SpaceKey(channel, space), ([], []))
            ids += [segment_id] * len(vectors)
            found.append(vectors)
        gathered = {key: (ids, np.concatenate(found)) for key, (ids, found) in rows.items()}
        return write_generation(self.settings.index_dir, gathered, bundle=self.bundle)


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders(load_bundle(Settings().bundle_path()))


@pytest.fixture
def library(tmp_path: Path, encoders: Encoders) -> Iterator[Library]:
    settings = Settings(home=tmp_path)
    settings.prepare_home()
    catalogue = open_catalogue(settings)
    yield Library(settings, catalogue, encoders, np.random.default_rng(0))
    catalogue.close()


def by_vector(vector: np.ndarray, name: str = "query") -> Asked:
    return Asked("image", name, {SpaceKey(*KEY): vector[None].astype(np.float32)})


def videos_of(page: Page) -> list[str]:
    return [moment.video.id for moment in page.moments]


def test_the_very_moment_comes_first(library: Library) -> None:
    for i in range(5):
        library.add(f"other {i}")
    video_id, vectors = library.add("wanted")
    best = library.searcher().example(by_vector(vectors[2]), Options()).moments[0]
    assert (best.video.id, best.start_s, best.end_s) == (video_id, 3.2, pytest.approx(6.4))
    assert best.found.evidence["visual.fine"] == pytest.approx(1.0, abs=2e-3)
    assert best.found.confidence > 0.5


def test_what_is_added_while_it_runs_is_found_and_what_is_deleted_is_not(library: Library) -> None:
    library.add("first")
    searcher = library.searcher()
    video_id, vectors = library.add("second")
    assert videos_of(searcher.example(by_vector(vectors[0]), Options()))[0] == video_id
    library.catalogue.delete_video(video_id)
    assert video_id not in videos_of(searcher.example(by_vector(vectors[0]), Options()))


def test_a_generation_and_what_came_and_went_since_give_the_same_results_as_the_catalogue_alone(
    library: Library,
) -> None:
    films = [library.add(f"film {i}") for i in range(6)]
    library.rebuild()
    library.catalogue.delete_video(films[0][0])
    films.append(library.add("late"))
    with_generation = library.searcher()
    assert with_generation.library.current().generation is not None
    alone = Searcher(
        library.catalogue,
        LibraryView(library.catalogue, library.bundle, library.settings.home / "nowhere"),
        library.encoders,
    )
    for _, vectors in films:
        a, b = (s.example(by_vector(vectors[1]), Options(limit=100)) for s in (with_generation, alone))
        assert [(m.video.id, m.start_s, m.found.score) for m in a.moments] == [
            (m.video.id, m.start_s, m.found.score) for m in b.moments
        ]


def test_a_view_of_another_generation_goes_on_from_what_one_has_read(library: Library) -> None:
    video_id, vectors = library.add("film")
    first = library.searcher()
    assert first.example(by_vector(vectors[0]), Options()).generation is None
    name = library.rebuild()
    late, late_vectors = library.add("late")
    folder = library.settings.index_dir
    view = LibraryView(library.catalogue, library.bundle, folder, name, like=first.library)
    second = Searcher(library.catalogue, view, library.encoders)
    for wanted, rows in ((video_id, vectors), (late, late_vectors)):
        page = second.example(by_vector(rows[0]), Options())
        assert page.generation == name
        assert videos_of(page)[0] == wanted
    assert view.current().index.delta_rows == len(late_vectors)
    assert first.library.current().generation is None


def test_a_damaged_generation_is_passed_over(library: Library) -> None:
    video_id, vectors = library.add("film")
    name = library.rebuild()
    (library.settings.index_dir / name / "visual.fine.faiss").write_bytes(b"junk")
    page = library.searcher().example(by_vector(vectors[0]), Options())
    assert (page.generation, videos_of(page)[0]) == (None, video_id)


def test_an_empty_library_gives_no_results(library: Library) -> None:
    searcher = library.searcher()
    page = searcher.example(by_vector(np.ones(DIM)), Options())
    assert (page.moments, page.next_cursor) == ([], None)
    assert searcher.text("a door opens", Options()).moments == []


def test_overlapping_windows_of_a_film_are_one_result(library: Library) -> None:
    _, vectors = library.add("film", windows=9)
    page = library.searcher().example(by_vector(vectors[4]), Options(limit=100))
    starts = sorted(moment.start_s for moment in page.moments)
    assert all(b - a >= 3.2 - 1e-6 for a, b in pairwise(starts))
    assert 6.4 in [round(start, 3) for start in starts]


def test_pages_put_together_are_the_whole_ranking(library: Library) -> None:
    vectors = [library.add(f"film {i}")[1] for i in range(12)]
    searcher, query = library.searcher(), by_vector(vectors[3][0])
    whole = [m.found.segment_id for m in searcher.example(query, Options(limit=100)).moments]
    options, pieces = Options(limit=5), []
    while True:
        page = searcher.example(query, options)
        pieces += [m.found.segment_id for m in page.moments]
        if page.next_cursor is None:
            break
        options = replace(options, cursor=page.next_cursor)
    assert pieces == whole
    assert len(whole) > 10


def test_pages_go_on_where_they_ended_while_films_come_and_go(library: Library) -> None:
    films = [library.add(f"film {i}") for i in range(12)]
    query = by_vector(films[3][1][0])

    def page(cursor: str | None = None) -> tuple[list[int], str | None]:
        found = library.searcher().example(query, Options(limit=5, cursor=cursor))
        return [m.found.segment_id for m in found.moments], found.next_cursor

    whole = [m.found.segment_id for m in library.searcher().example(query, Options(limit=100)).moments]
    first, cursor = page()
    assert first == whole[:5]
    for i in range(20):  # that rank above nearly everything, so that what was last is far down now
        library.add(f"better {i}", windows=1, near=films[3][1][0])
    assert page()[0] != first
    assert page(cursor)[0] == whole[5:10]
    gone = library.searcher().example(query, Options(limit=100)).moments
    last = next(m for m in gone if m.found.segment_id == first[-1])
    assert library.catalogue.delete_video(last.video.id)
    left = {m.found.segment_id for m in library.searcher().example(query, Options(limit=100)).moments}
    following = [segment for segment in whole[5:] if segment in left]
    assert page(cursor)[0] == following[:5]  # nothing is left out
    for moment in gone:
        if moment.found.segment_id in first:
            library.catalogue.delete_video(moment.video.id)
    left = {m.found.segment_id for m in library.searcher().example(query, Options(limit=100)).moments}
    assert len(page(cursor)[0]) == 5  # nothing of the page is there to go on after


def test_films_grouped_by_video_are_not_ranked_to_the_last_window(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = [library.add(f"film {i}", windows=300) for i in range(3)]
    depths = []
    real = search.rank_parts

    def noted(*arguments: Any, **options: Any) -> Any:
        depths.append(options["k"])
        return real(*arguments, **options)

    monkeypatch.setattr(search, "rank_parts", noted)
    found = library.searcher().example(by_vector(films[1][1][0]), Options(limit=20, group_by="video"))
    assert len(found.moments) == 3
    assert found.next_cursor is None
    assert max(depths) < 900


def test_what_is_not_wanted_is_kept_away_from_also_where_the_nearest_of_all_are_it(library: Library) -> None:
    """Three hundred dark doors are a little nearer to a door than any in the light."""
    door, dark = np.eye(DIM, dtype=np.float32)[:2]
    library.add("anything", windows=200)
    library.add("dark doors", windows=300, near=door + dark)
    bright, _ = library.add("bright doors", windows=60, near=0.9 * door)
    searcher = library.searcher()
    wanted, unwanted = by_vector(door + 0.5 * dark, "door"), replace(by_vector(dark, "dark"), weight=-1.0)
    assert bright not in videos_of(searcher.example(wanted, Options(limit=20)))
    first = searcher.composed([wanted, unwanted], Options(limit=5))
    assert set(videos_of(first)) == {bright}
    following = searcher.composed([wanted, unwanted], Options(limit=5, cursor=first.next_cursor))
    whole = searcher.composed([wanted, unwanted], Options(limit=10))
    found = [moment.found.segment_id for moment in [*first.moments, *following.moments]]
    assert found == [moment.found.segment_id for moment in whole.moments]


@pytest.mark.parametrize("cursor", ["", "nonsense", "MDow", "é", "LTE6YWJj"])
def test_a_cursor_that_was_never_given_out_is_refused(library: Library, cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        library.searcher().example(by_vector(np.ones(DIM)), Options(cursor=cursor))
    assert refused.value.code == "bad_cursor"


def test_a_cursor_of_another_search_is_refused(library: Library) -> None:
    vectors = [library.add(f"film {i}")[1] for i in range(4)]
    searcher = library.searcher()
    cursor = searcher.example(by_vector(vectors[0][0], "one"), Options(limit=1)).next_cursor
    with pytest.raises(Refused) as refused:
        searcher.example(by_vector(vectors[1][0], "two"), Options(limit=1, cursor=cursor))
    assert refused.value.code == "bad_cursor"


def test_filters_keep_to_the_videos_that_pass(library: Library) -> None:
    plain, vectors = library.add("plain")
    tagged, _ = library.add("tagged", tags=("red", "blue"))
    loud, _ = library.add("loud", sound=True, windows=20)
    searcher, query = library.searcher(), by_vector(vectors[0])

    def found(**wanted: object) -> set[str]:
        return set(videos_of(searcher.example(query, Options(limit=100, videos=VideoFilter(**wanted)))))  # type: ignore[arg-type]

    now = datetime.now(UTC)
    assert found() == {plain, tagged, loud}
    assert found(tags=("red", "blue")) == {tagged}
    assert found(tags=("red", "green")) == set()
    assert found(video_ids=(plain, loud)) == {plain, loud}
    assert found(has_sound=True) == {loud}
    assert found(has_sound=False) == {plain, tagged}
    assert found(min_duration_s=20.0) == {loud}
    assert found(max_duration_s=20.0) == {plain, tagged}
    assert found(added_after=now + timedelta(hours=1)) == set()
    assert found(added_before=now + timedelta(hours=1)) == {plain, tagged, loud}


def test_grouped_by_video_each_comes_once_with_its_best_moment(library: Library) -> None:
    films = [library.add(f"film {i}", windows=10) for i in range(5)]
    page = library.searcher().example(by_vector(films[2][1][7]), Options(group_by="video", limit=100))
    assert sorted(videos_of(page)) == sorted(video_id for video_id, _ in films)
    assert page.moments[0].start_s == pytest.approx(1.6 * 7)


def test_min_confidence_cuts_the_tail(library: Library) -> None:
    vectors = [library.add(f"film {i}")[1] for i in range(10)]
    searcher, query = library.searcher(), by_vector(vectors[0][0])
    everything = searcher.example(query, Options(limit=100)).moments
    sure = searcher.example(query, Options(limit=100, min_confidence=0.5)).moments
    assert 0 < len(sure) < len(everything)
    assert [m.found for m in sure] == [m.found for m in everything[: len(sure)]]


def test_the_same_film_twice_ties_and_the_earlier_one_comes_first(library: Library) -> None:
    _, vectors = library.add("film")
    twins = []
    for name in ("twin a", "twin b"):
        info = MediaInfo(3.2, True, False, 320, 240, 25.0, "mp4", "h264", None)
        video, _, _ = library.catalogue.add_video(library.random.bytes(32).hex(), name, name, [], 1, info)
        library.catalogue.store_segments(
            video.id, library.bundle, [NewSegment(0, 3.2, {KEY: vectors[:1].astype(np.float16)})]
        )
        twins.append(video.id)
    page = library.searcher().example(by_vector(vectors[0]), Options())
    assert len({m.found.score for m in page.moments[:3]}) == 1
    assert videos_of(page)[1:3] == twins


def test_words_searched_before_come_from_the_cache_until_the_library_changes(library: Library) -> None:
    redis = EmbeddedRedis(library.settings.redis_dir)
    redis.start()
    library.add("film")
    searcher = library.searcher(ResultCache(redis.url))
    first = searcher.text("a door opens", Options())
    again = searcher.text("a door opens", Options())
    assert first.embed_ms > 0
    assert again.embed_ms == 0
    assert again.moments == first.moments
    assert searcher.text("a door opens", Options(limit=1)).embed_ms > 0
    library.add("late")
    assert searcher.text("a door opens", Options()).embed_ms > 0
    redis.stop()
    assert searcher.text("a door opens", Options()).embed_ms > 0


def add_described(library: Library, name: str) -> str:
    """A film of one segment that words can find; its id."""
    video_id, _ = library.add(name, 1)
    vector = np.ones((1, library.encoders.bundle.dims["coarse"]), np.float16)
    library.catalogue.store_segments(video_id, library.bundle, [NewSegment(0.0, 3.2, {("visual", "coarse"): vector})])
    return video_id


def test_libraries_on_one_redis_have_their_own_answers(library: Library, tmp_path: Path) -> None:
    redis = EmbeddedRedis(library.settings.redis_dir)
    redis.start()
    settings = Settings(home=tmp_path / "other")
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        other = Library(settings, catalogue, library.encoders, np.random.default_rng(1))
        mine, theirs = add_described(library, "mine"), add_described(other, "theirs")
        assert library.catalogue.revision() == other.catalogue.revision()
        assert set(videos_of(library.searcher(ResultCache(redis.url)).text("a door opens", Options()))) == {mine}
        assert set(videos_of(other.searcher(ResultCache(redis.url)).text("a door opens", Options()))) == {theirs}
        sent = JobQueue(redis.url, library.catalogue.library_id())
        assert sent.enqueue("j_1")
        assert sent.waiting() == {"j_1"}
        assert JobQueue(redis.url, catalogue.library_id()).waiting() == set()
    redis.stop()


def test_a_cached_answer_that_names_segments_that_are_gone_is_not_shown(library: Library) -> None:
    redis = EmbeddedRedis(library.settings.redis_dir)
    redis.start()
    add_described(library, "film")
    assert library.searcher(ResultCache(redis.url)).text("a door opens", Options()).moments
    with library.catalogue._database.write() as session:  # as when an older state of the catalogue is put back
        session.execute(delete(SegmentRow))
    page = library.searcher(ResultCache(redis.url)).text("a door opens", Options())
    redis.stop()
    assert (page.embed_ms, page.moments) == (0, [])


def test_searches_go_on_while_the_library_changes(library: Library) -> None:
    kept, vectors = library.add("kept")
    searcher = library.searcher()
    over = threading.Event()

    def look() -> int:
        count = 0
        while not over.is_set():
            page = searcher.example(by_vector(vectors[1]), Options(limit=100))
            assert videos_of(page)[0] == kept
            assert len({m.found.segment_id for m in page.moments}) == len(page.moments)
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        lookers = [pool.submit(look) for _ in range(3)]
        for i in range(12):
            video_id, _ = library.add(f"film {i}")
            if i % 2:
                library.catalogue.delete_video(video_id)
            if i % 5 == 4:  # as `serving.py` does it
                folder, name = library.settings.index_dir, library.rebuild()
                view = LibraryView(library.catalogue, library.bundle, folder, name, like=searcher.library)
                searcher = Searcher(library.catalogue, view, library.encoders)
        over.set()
        assert all(looker.result() > 0 for looker in lookers)
    assert set(videos_of(searcher.example(by_vector(vectors[1]), Options(limit=100)))) == {
        video.id for video in library.catalogue.videos()[0]
    }


@pytest.mark.parametrize("words", ["", "   ", "\n\t", "?!", "..."])
def test_blank_words_are_an_empty_query(library: Library, words: str) -> None:
    with pytest.raises(Refused) as refused:
        library.searcher().text(words, Options())
    assert refused.value.code == "empty_query"


def test_words_that_the_model_does_not_know_are_named(library: Library) -> None:
    with pytest.raises(UnknownWords) as unknown:
        library.searcher().text("qwxzzy plokijuh", Options())
    assert unknown.value.words == ["qwxzzy", "plokijuh"]


def test_words_are_refused_by_a_bundle_without_a_text_encoder(library: Library) -> None:
    bundle = library.encoders.bundle
    files = {name: digest for name, digest in bundle.files.items() if name != "text.onnx"}
    mute = replace(library, encoders=Encoders(replace(bundle, files=files)))
    with pytest.raises(Refused) as caught:
        mute.searcher().text("door", Options())
    assert caught.value.code == "text_unavailable"


def test_words_have_no_fine_space(library: Library) -> None:
    with pytest.raises(Refused) as refused:
        library.searcher().text("a door opens", Options(space="fine"))
    assert refused.value.code == "invalid_request"


def test_the_timeline_has_every_window_in_order_of_time(library: Library) -> None:
    video_id, _ = library.add("film", windows=7)
    video, moments, _, _ = library.searcher().timeline(video_id, "a door opens", Options())
    assert video.id == video_id
    assert [round(m.start_s, 3) for m in moments] == [round(1.6 * i, 3) for i in range(7)]


def test_the_timeline_of_an_unknown_video_is_refused(library: Library) -> None:
    with pytest.raises(Refused) as refused:
        library.searcher().timeline("v_0000000000000000", "a door opens", Options())
    assert refused.value.code == "video_not_found"
