"""A deleted video is gone from every place, however often it is interrupted, and the proof looks for itself."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from index import SpaceKey, current_name
from index.generation import build_generation, generation_names, held_ids
from models.preprocess.media import MediaInfo
from service import erasure as erasure_module
from service.catalogue import Catalogue, NewSegment, Video, open_catalogue
from service.erasure import Look, erase_pending, is_clean, look
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.media.upload import remove_from_library
from service.redis_server import EmbeddedRedis
from service.result_cache import ResultCache
from service.settings import Settings

INFO = MediaInfo(8.0, True, False, 128, 96, 25.0, "mp4", "h264", None)
KEY = SpaceKey("visual", "fine")
BUNDLE, OLD_BUNDLE = "b" * 64, "a" * 64


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One for all tests: libraries share a Redis without meeting in it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    client = Redis.from_url(redis_server.url)
    yield client
    client.close()


def no_report(progress: float, stage: str) -> None:
    assert 0 <= progress <= 1


def add(settings: Settings, library: Catalogue, content: bytes) -> Video:
    """A video with media, segments of two bundles, and pictures."""
    sha256 = hashlib.sha256(content).hexdigest()
    (settings.upload_dir / sha256).write_bytes(content)
    MediaStore(settings.media_dir).put(settings.upload_dir / sha256, sha256)
    video, _, _ = library.add_video(sha256, "secret name.mp4", "Secret title", ["secret"], len(content), INFO)
    for bundle in (OLD_BUNDLE, BUNDLE):
        store(library, video, bundle)
    Thumbnails(settings.thumbnails_dir).put(video.id, 0.0, b"jpeg")
    return video


def vector_of(video: Video, bundle: str, number: int) -> np.ndarray:
    """Bytes that are this segment's alone."""
    seed = int.from_bytes(hashlib.sha256(f"{video.id}{bundle}{number}".encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal((1, 64)).astype(np.float16)


def store(library: Catalogue, video: Video, bundle: str) -> list[int]:
    segments = [NewSegment(i, i + 1, {("visual", "fine"): vector_of(video, bundle, i)}) for i in range(3)]
    return library.store_segments(video.id, bundle, segments)


def build(settings: Settings, library: Catalogue, bundle: str) -> str:
    found = list(library.vectors(bundle))
    ids = np.array([segment_id for _, _, segment_id, _ in found])
    rows = [(KEY, ids, np.concatenate([vectors for _, _, _, vectors in found]))]
    return build_generation(settings.index_dir, rows, bundle=bundle)


def delete(settings: Settings, library: Catalogue, video: Video) -> None:
    store, thumbnails = MediaStore(settings.media_dir), Thumbnails(settings.thumbnails_dir)
    assert remove_from_library(video.id, library, store, thumbnails)


def found(looks: list[Look]) -> dict[str, int | None]:
    return {each.place: each.found for each in looks if each.found != 0}


def test_nothing_of_a_deleted_video_is_left_and_the_others_lose_nothing(
    any_settings: Settings, any_library: Catalogue, redis: Redis, redis_server: EmbeddedRedis
) -> None:
    settings, library = any_settings, any_library
    gone, kept = add(settings, library, b"to be forgotten"), add(settings, library, b"to be kept")
    first = build(settings, library, OLD_BUNDLE)
    store(library, gone, BUNDLE)  # taken in again: an older generation has segments that the catalogue lost since
    before = build(settings, library, BUNDLE)
    store(library, gone, BUNDLE)
    now = build(settings, library, BUNDLE)
    library.begin_serving(BUNDLE, "b", now, before)
    job = library.start_swap("rebuild", BUNDLE, "b", {"bundle": BUNDLE})
    library.cancel_job(job.id)
    library.discard_candidate()
    for folder in ("previews", "uploads", "orphans"):
        (settings.home / folder).mkdir(exist_ok=True)
        (settings.home / folder / f"{gone.id}.mp4").write_bytes(b"x")
        (settings.home / folder / f"{gone.sha256}.part").write_bytes(b"x")
    windows = settings.training_dir / "adapt-1" / "windows-1"
    windows.mkdir(parents=True)
    (windows.parent / "before.npz").write_bytes(b"vectors of films")
    told = settings.upload_dir / f"{'0' * 32}.json"
    told.write_text(f'{{"sha256": "{gone.sha256}", "metadata": {{"filename": "secret name.mp4"}}}}')
    cache = ResultCache(redis_server.url)
    segment = library.segment_ids(BUNDLE)[-1]
    key = f"{library.library_id()}:{BUNDLE}:{library.revision()}:key"
    cache.put(key, {"found": [[segment, 1.0, 1.0, {}]], "next_cursor": None})

    delete(settings, library, gone)
    (erasure,) = library.pending_erasures()
    left = found(look(settings, library, redis, erasure))
    assert left.keys() >= {
        "cache",
        "files.previews",
        "files.training",
        "files.uploads",
        "files.orphans",
        f"index.{now}",
    }
    assert f"index.{before}" in left
    assert f"index.{first}" in left
    assert not {"catalogue.videos", "catalogue.segments", "catalogue.vectors", "files.media"} & left.keys()

    assert erase_pending(settings, library, redis, no_report) == {"complete": 1, "pending": {}}
    done = library.erasure(gone.id)
    assert done is not None
    assert done.completed_at is not None
    assert is_clean(look(settings, library, redis, done))
    assert library.pending_erasures() == []
    assert not told.exists()
    assert list(windows.parent.iterdir()) == []
    assert cache.get(key) is None
    served = library.served()
    assert served is not None
    assert current_name(settings.index_dir) == served.generation
    names = generation_names(settings.index_dir)
    assert set(names) == {served.generation, served.parent_generation}
    own = library.segment_ids(BUNDLE)
    for name in names:
        assert held_ids(settings.index_dir, name).tolist() == own
    assert MediaStore(settings.media_dir).path(kept.sha256).is_file()
    assert Thumbnails(settings.thumbnails_dir).path(kept.id, 0.0).is_file()
    assert len(list(library.vectors(BUNDLE))) == 3
    cache.close()


def test_a_thousand_deletions_read_the_library_as_often_as_one(
    settings: Settings, library: Catalogue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [add(settings, library, bytes([i])) for i in range(9)]
    library.begin_serving(BUNDLE, "b", build(settings, library, BUNDLE), None)
    calls = {"held_ids": 0, "named_files": 0}
    for name in calls:
        real = getattr(erasure_module, name)

        def counted(*arguments: Any, name: str = name, real: Any = real) -> Any:
            calls[name] += 1
            return real(*arguments)

        monkeypatch.setattr(erasure_module, name, counted)
    delete(settings, library, videos[0])
    assert erase_pending(settings, library, redis, no_report) == {"complete": 1, "pending": {}}
    of_one = dict(calls)
    for video in videos[1:8]:
        delete(settings, library, video)
    assert erase_pending(settings, library, redis, no_report) == {"complete": 7, "pending": {}}
    assert calls["named_files"] == 2 * of_one["named_files"]
    assert calls["held_ids"] <= 2 * of_one["held_ids"] + 2
    assert MediaStore(settings.media_dir).path(videos[8].sha256).is_file()
    assert library.erasure(videos[8].id) is None


def test_no_byte_of_a_deleted_vector_or_title_is_left_in_the_database_file(
    settings: Settings, library: Catalogue, redis: Redis
) -> None:
    videos = [add(settings, library, f"film {number}".encode()) for number in range(40)]  # some pages
    gone = videos[7]
    library.update_video(gone.id, title="Most secret")
    wanted = [vector_of(gone, BUNDLE, 1).tobytes(), b"Most secret"]
    library.begin_serving(BUNDLE, "b", None, None)
    library.scrub()
    database = settings.home / "catalogue.sqlite3"
    assert all(each in database.read_bytes() for each in wanted)
    delete(settings, library, gone)
    assert erase_pending(settings, library, redis, no_report)["complete"] == 1
    for file in settings.home.glob("catalogue.sqlite3*"):
        assert not any(each in file.read_bytes() for each in wanted), file
    assert vector_of(videos[8], BUNDLE, 1).tobytes() in database.read_bytes()


def test_a_catalogue_of_an_older_version_is_written_anew_once(settings: Settings, redis: Redis) -> None:
    library = open_catalogue(settings)
    gone = add(settings, library, b"film")
    add(settings, library, b"another")
    raw = library._database.engine.raw_connection()
    raw.cursor().execute("PRAGMA secure_delete = OFF")  # as it was
    raw.cursor().execute("DELETE FROM vectors")
    raw.cursor().execute("PRAGMA user_version = 0")
    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.invalidate()
    database = settings.home / "catalogue.sqlite3"
    assert vector_of(gone, BUNDLE, 1).tobytes() in database.read_bytes()
    library.scrub()
    assert vector_of(gone, BUNDLE, 1).tobytes() not in database.read_bytes()
    library.close()


def test_a_reader_that_holds_on_to_the_old_state_keeps_the_erasure_pending(
    settings: Settings, library: Catalogue, redis: Redis
) -> None:
    gone = add(settings, library, b"film")
    library.begin_serving(BUNDLE, "b", None, None)
    with library._database.read() as session:
        session.connection().exec_driver_sql("SELECT count(*) FROM videos").one()
        delete(settings, library, gone)
        assert erase_pending(settings, library, redis, no_report) == {
            "complete": 0,
            "pending": {gone.id: ["catalogue.pages"]},
        }
    assert erase_pending(settings, library, redis, no_report) == {"complete": 1, "pending": {}}


def test_without_redis_an_erasure_stays_pending_and_what_can_go_goes(
    settings: Settings, library: Catalogue, tmp_path: Path
) -> None:
    gone = add(settings, library, b"film")
    library.begin_serving(BUNDLE, "b", None, None)
    delete(settings, library, gone)
    nobody = Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0))
    assert erase_pending(settings, library, nobody, no_report) == {"complete": 0, "pending": {gone.id: ["cache"]}}


def test_a_video_that_comes_back_is_not_taken_away_again(settings: Settings, library: Catalogue, redis: Redis) -> None:
    gone = add(settings, library, b"film")
    library.begin_serving(BUNDLE, "b", None, None)
    delete(settings, library, gone)
    back = add(settings, library, b"film")
    assert erase_pending(settings, library, redis, no_report) == {"complete": 1, "pending": {}}
    assert MediaStore(settings.media_dir).path(back.sha256).is_file()
    assert library.video(back.id) is not None
    delete(settings, library, back)
    assert [erasure.video_id for erasure in library.pending_erasures()] == [back.id]
    assert erase_pending(settings, library, redis, no_report) == {"complete": 1, "pending": {}}
    assert not MediaStore(settings.media_dir).path(back.sha256).is_file()
