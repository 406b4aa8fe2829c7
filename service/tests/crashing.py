"""What the processes of the crash tests do: one thing after which they die, or a clean start with a look around.

All of it is the service's own code, with real databases, Redis, decoding and index files; the bundle is a plain one.
"""

import hashlib
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from redis import Redis
from sqlalchemy import select

from index import current_name, open_generation
from index.generation import generation_names
from service.app import create_app
from service.backup import Repository, back_up, restore
from service.bundles import ensure_serving, keep
from service.catalogue import Catalogue, open_catalogue
from service.catalogue.tables import SegmentRow
from service.chores import queue_erasures
from service.jobs.intake import Intake
from service.jobs.queue import JobQueue
from service.jobs.recovery import redeliver
from service.jobs.tasks import Runner
from service.library_view import LibraryView
from service.media import children
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.media.upload import Incoming, remove_from_library
from service.model_pool import ActiveModel, ModelPool
from service.settings import Settings
from service.spool import sweep_spool
from service.swap_job import Swapper, tidy_home
from service.swap_requests import SwapRequests
from service.sweep import sweep_home
from service.taking_in import describe, take_in

WORKER = "local-1"
CLIPS = ("first.mp4", "second.mp4", "third.mp4")
SILENCE = "silence.wav"
OLD, NEW, THIRD = "old", "new", "third"
MOST_JOBS = 40


class Service:
    """A service of one process: what a start opens, and what a worker does, without their threads and servers."""

    def __init__(self, given: dict[str, Any]) -> None:
        _borrow_decoders()
        self.settings = settings = Settings(**given)
        settings.prepare_home()
        assert settings.redis_url is not None
        self.catalogue = catalogue = open_catalogue(settings)
        ensure_serving(settings, catalogue, starting=True)
        self.store, self.thumbnails = MediaStore(settings.media_dir), Thumbnails(settings.thumbnails_dir)
        self.queue = JobQueue(settings.redis_url, catalogue.library_id())
        self.pool = ModelPool(settings)
        model = ActiveModel(catalogue, self.pool)
        model.encoders()
        stopping = threading.Event()
        self.runner = Runner(
            name=WORKER,
            settings=settings,
            catalogue=catalogue,
            store=self.store,
            thumbnails=self.thumbnails,
            model=model,
            queue=self.queue,
            swapper=Swapper(settings, catalogue, self.pool),
            intake=Intake(1, settings.embed_threads, stopping),
            stopping=stopping,
        )

    def start(self) -> None:
        """What `serve` and its worker do at a start, before and beside anything else."""
        if self.settings.spool_dir.is_file():
            self.settings.spool_dir.unlink()  # the operator's part
        sweep_home(self.settings, self.catalogue)
        tidy_home(self.settings, self.catalogue)
        sweep_spool(self.settings.spool_dir, self.catalogue.active_videos)
        served = self.catalogue.served()
        assert served is not None
        self.catalogue.queue_waiting(served.bundle)
        self.work()

    def work(self) -> None:
        """Does every job that there is, as the worker does that finds them."""
        for _ in range(MOST_JOBS):
            queue_erasures(self.catalogue, self.queue)
            redeliver(self.catalogue, self.queue, worker=WORKER)
            waiting = self.queue.waiting()
            self.queue._queue.empty()
            ours = [job for job in self.catalogue.abandoned_jobs(worker=WORKER) if job in waiting]
            if not ours:
                return
            self.runner.run(ours[0])
            self.runner.swap_thread.join()
            self.runner.tidy_thread.join()
            for thread in list(self.runner.intake._threads):
                thread.join()
        raise AssertionError(f"after {MOST_JOBS} jobs there are still more: {self.catalogue.jobs()[0][:5]}")

    def upload(self, clip: Path) -> str:
        """Takes a file in as the HTTP interface does; its job."""
        with Incoming(self.settings.upload_dir, self.settings.max_upload_bytes) as incoming:
            incoming.write(clip.read_bytes())
            incoming.close()
            parts: Any = SimpleNamespace(
                settings=self.settings,
                catalogue=self.catalogue,
                store=self.store,
                queue=self.queue,
                encoders=self.runner.encoders,
            )
            _, job, _ = take_in(parts, incoming, describe(clip.name, None, ["t"]))
        return job.id

    def close(self) -> None:
        self.queue.close()
        self.catalogue.close()


def make_world(given: dict[str, Any], materials: str, bundles: list[str]) -> None:
    """The library that all begin with: two films, an index, the old bundle served and the new one at hand."""
    settings = Settings(**given)
    settings.prepare_home()
    kept = [keep(Path(materials) / bundle, settings) for bundle in bundles]
    settings.active_bundle_file.write_text(f"{kept[0].path.name}\n")
    service = Service(given)
    for clip in CLIPS[:2]:
        service.upload(Path(materials) / clip)
    service.work()
    rebuild(service, materials)
    check(service)
    service.close()


def upload(service: Service, materials: str) -> None:
    service.upload(Path(materials) / CLIPS[2])


def resumable(service: Service, materials: str) -> None:
    """The same over HTTP in two parts, gone on with where it was, by a client that remembers where it sends to."""
    content = (Path(materials) / CLIPS[2]).read_bytes()
    memory = service.settings.home.parent / "upload-address"
    headers = {"Authorization": f"Bearer {service.settings.admin_token()}", "Tus-Resumable": "1.0.0"}
    app = create_app(service.settings)
    with TestClient(app, base_url=f"http://127.0.0.1:{service.settings.port}", headers=headers) as client:
        address = memory.read_text() if memory.is_file() else None
        if address is None or client.head(address).status_code == 404:
            answer = client.post("/v1/uploads", headers={"Upload-Length": str(len(content))})
            assert answer.status_code == 201, answer.text
            address = answer.headers["location"]
            memory.write_text(address)
        half = len(content) // 2
        while (offset := int(client.head(address).headers["upload-offset"])) < len(content):
            part = content[offset : half if offset < half else None]
            kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
            answer = client.patch(address, content=part, headers=kind)
            assert answer.status_code == 204, answer.text
    service.work()


def ingest(service: Service, materials: str) -> None:
    service.upload(Path(materials) / CLIPS[2])
    service.work()


def hiccup(service: Service, materials: str) -> None:
    """The first try fails for a reason that passes: something is in the way where parts of films go."""
    spool = service.settings.spool_dir
    if service.catalogue.counts()["videos"] == len(CLIPS) - 1:
        shutil.rmtree(spool, ignore_errors=True)
        spool.write_bytes(b"")
    ingest(service, materials)


def poison(service: Service, materials: str) -> None:
    """A film with nothing in it: it is set aside with a reason, and what comes behind it is taken in."""
    service.upload(Path(materials) / SILENCE)
    service.upload(Path(materials) / CLIPS[2])
    service.work()


def rebuild(service: Service, materials: str) -> None:
    _requests(service).rebuild(auto=True)
    service.work()


def hold(service: Service, materials: str) -> None:
    """A rebuild that waits for a word, and the word."""
    if service.catalogue.candidate() is None:
        _requests(service).rebuild(auto=False)
        service.work()
    _requests(service).confirm()
    service.work()


def copy_bundle(service: Service, materials: str) -> None:
    keep(Path(materials) / THIRD, service.settings)


def promote(service: Service, materials: str) -> None:
    _promote(service, NEW)


def promote_third(service: Service, materials: str) -> None:
    """After another promotion: what the first bundle made is not kept any more."""
    _promote(service, THIRD)


def promote_both(service: Service, materials: str) -> None:
    """To begin `promote_third` with."""
    copy_bundle(service, materials)
    promote(service, materials)


def roll_back(service: Service, materials: str) -> None:
    served = service.catalogue.served()
    assert served is not None
    if served.bundle_name == NEW:
        _requests(service).roll_back("bundle")
    service.work()


def delete(service: Service, materials: str) -> None:
    sha256 = hashlib.sha256((Path(materials) / CLIPS[0]).read_bytes()).hexdigest()
    remove_from_library(f"v_{sha256[:16]}", service.catalogue, service.store, service.thumbnails)
    queue_erasures(service.catalogue, service.queue)
    service.work()


def backup(service: Service, materials: str) -> None:
    folder = _backups(service.settings)
    back_up(service.settings, folder, _no_report)
    assert Repository(folder).verify(Repository(folder).read(), _no_report) == []
    assert not list(folder.glob(".tmp-*"))


def _requests(service: Service) -> SwapRequests:
    return SwapRequests(service.settings, service.catalogue, "me", service.queue)


def _promote(service: Service, name: str) -> None:
    served = service.catalogue.served()
    assert served is not None
    if served.bundle_name != name:
        _requests(service).promote(name, auto=True)
    service.work()


ACTIONS: dict[str, Callable[[Service, str], None]] = {
    "upload": upload,
    "resumable": resumable,
    "ingest": ingest,
    "hiccup": hiccup,
    "poison": poison,
    "rebuild": rebuild,
    "hold": hold,
    "copy_bundle": copy_bundle,
    "promote": promote,
    "promote_both": promote_both,
    "promote_third": promote_third,
    "roll_back": roll_back,
    "delete": delete,
    "backup": backup,
}


def act(given: dict[str, Any], action: str, materials: str) -> None:
    """Does one thing, and perhaps dies of it."""
    if action == "restore":
        bring_back(given)
        return
    service = Service(given)
    ACTIONS[action](service, materials)
    service.close()


def start_again(given: dict[str, Any], action: str, materials: str, complete: dict[str, Any] | None) -> dict[str, Any]:
    """A clean start after a crash; what the library is then, and after the same action once more.

    Once more only if the library is not `complete` already.
    """
    if action == "restore":
        return _restored_again(given)
    service = Service(given)
    service.start()
    after_start = after_again = check(service)
    if after_start != complete:
        ACTIONS[action](service, materials)
        service.work()
        after_again = check(service)
    service.close()
    return {"after_start": after_start, "after_again": after_again}


def state_of(given: dict[str, Any]) -> dict[str, Any]:
    """What a library is."""
    service = Service(given)
    service.start()
    found = check(service)
    service.close()
    return found


def bring_back(given: dict[str, Any]) -> None:
    """The home is replaced by its own backup."""
    settings = Settings(**given)
    restore(settings, _backups(settings), _no_report, replace=True)


def _restored_again(given: dict[str, Any]) -> dict[str, Any]:
    settings = Settings(**given)
    half_done = (settings.home / ".restoring" / "moving").exists()
    after_start = None if half_done else state_of(given)  # while it is half done nothing opens it
    bring_back(given)
    assert not list(settings.home.glob(".restor*"))
    after_again = state_of(given)
    return {"after_start": after_again if after_start is None else after_start, "after_again": after_again}


def check(service: Service) -> dict[str, Any]:
    """Raises AssertionError unless the library is in order with nothing left over; a digest of what is in it."""
    settings, catalogue = service.settings, service.catalogue
    videos = catalogue.videos(limit=100)[0]
    for video in videos:
        path = service.store.path(video.sha256)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == video.sha256, "a film is not what was accepted"
    ids = {video.id for video in videos}
    assert set(service.store.stored()) == {video.sha256 for video in videos}, "films without a video"
    assert {path.name for path in settings.thumbnails_dir.iterdir()} <= ids, "pictures without a video"
    jobs = catalogue.jobs(limit=100)[0]
    assert [job for job in jobs if job.status in ("queued", "running")] == []
    given_up = {video.id for video in videos if video.status == "failed"}
    assert [job for job in jobs if job.status == "failed" and job.video_id not in given_up] == []
    assert catalogue.pending_erasures() == []
    candidate = catalogue.candidate()
    assert candidate is None or candidate.state == "ready", "a candidate that nobody works on"
    _check_index(settings, catalogue)
    left = [path for path in settings.home.rglob("*") if _is_leftover(path)]
    assert left == [], left
    return {
        "videos": {video.id: _digest(catalogue, video.id, video.status) for video in videos},
        "bundles": sorted(path.name for path in settings.bundles_dir.iterdir()),
        **_served(catalogue),
    }


def _check_index(settings: Settings, catalogue: Catalogue) -> None:
    served = catalogue.served()
    assert served is not None
    serving, kept = catalogue.retained_generations()
    names = generation_names(settings.index_dir)
    assert set(names) == kept, "generations that nothing refers to, or that are gone"
    assert current_name(settings.index_dir) == serving
    existing = set(_all_segments(catalogue))
    erased = {i for row in _erased(catalogue) for i in row}
    for name in names:
        generation = open_generation(settings.index_dir, name)
        generation.verify()
        assert not erased & set(generation.ids().tolist()), "a generation has vectors of a deleted video"
    pointed = settings.bundle_path().name
    assert pointed.startswith(served.bundle_name), "the home names another bundle than the catalogue"
    view = LibraryView(catalogue, served.bundle, settings.index_dir, served.generation).current()
    segments = catalogue.segment_ids(served.bundle)
    assert set(segments) <= existing
    assert view.segments.ids.tolist() == segments == view.index.ids().tolist(), "not what the catalogue has is searched"


def _digest(catalogue: Catalogue, video_id: str, status: str) -> dict[str, Any]:
    """Of each bundle how many segments there are, each once, and a digest of all their vectors."""
    found: dict[str, Any] = {"status": status}
    with catalogue._database.read() as session:
        rows = session.execute(
            select(SegmentRow.bundle, SegmentRow.start_s).where(SegmentRow.video_id == video_id)
        ).all()
    assert len(rows) == len(set(rows)), "a segment is there twice"
    for bundle in sorted({row.bundle for row in rows}):
        content = [
            f"{channel} {space} {vectors.astype(np.float16).tobytes().hex()}"
            for channel, space, _, vectors in catalogue.vectors(bundle, [video_id])
        ]
        digest = hashlib.sha256("\n".join(sorted(content)).encode()).hexdigest()[:16]
        found[bundle[:8]] = [sum(row.bundle == bundle for row in rows), digest]
    return found


def _served(catalogue: Catalogue) -> dict[str, Any]:
    served = catalogue.served()
    assert served is not None
    return {"served": served.bundle_name, "previous": served.previous_name}


def _all_segments(catalogue: Catalogue) -> list[int]:
    with catalogue._database.read() as session:
        return list(session.scalars(select(SegmentRow.id)))


def _erased(catalogue: Catalogue) -> list[list[int]]:
    from service.catalogue.tables import ErasureRow

    with catalogue._database.read() as session:
        return [list(ids) for ids in session.scalars(select(ErasureRow.segment_ids))]


def _is_leftover(path: Path) -> bool:
    """What no library at rest has. A resumable upload may be gone on with, and what became of it be asked for."""
    name = path.name
    if path.parent.name == "uploads":
        return name.endswith(".tmp") or (path.suffix != ".json" and not path.with_suffix(".json").is_file())
    half_made = name.startswith((".tmp", ".promoting", ".restoring")) or name.endswith((".part", ".tmp"))
    return half_made or path.parent.name == "spool"


def _backups(settings: Settings) -> Path:
    return settings.home.parent / f"{settings.home.name}-backups"


def _no_report(done: float, stage: str) -> None:
    pass


def _borrow_decoders() -> None:
    """The decode children of this process come from the server that the process had which this one is a fork of.

    Starting one costs more than all else here. Only one fork uses it at a time.
    """
    server = children._server
    if server is not None and server._owned_by != os.getpid():
        server._owned_by = os.getpid()
        server._numbers = itertools.count(os.getpid() * 1_000_000 + time.monotonic_ns() % 1000)
        server._lock = threading.Lock()
        server._ready.clear()
        children._running = lambda: server  # it is nobody's child here


def flush(redis_url: str) -> None:
    """Forgets what Redis has, as a restart without its files does."""
    client = Redis.from_url(redis_url)
    client.flushall()
    client.close()
