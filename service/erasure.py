"""Deleting for real: after a video's row is gone, all that was made of it is removed, looked for, and looked for again.

`catalogue.delete_video` records an erasure in the transaction that deletes. What follows can be repeated at will and
does the same each time, so a crash in between costs nothing: a job of kind `erase` does it, and the worker queues one
for whatever is pending (`service/chores.py`). An erasure is complete when everything was looked at and nothing found;
`look` does the looking, and it is also what `GET /v1/videos/{id}/erasure` answers with.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from redis import Redis
from redis.exceptions import RedisError

from index import IdArray, IndexFileError
from index.generation import generation_names, held_ids, settle, without
from index.rows import contains
from service.catalogue import Catalogue
from service.catalogue.erasures import Erasure, ScrubLater
from service.catalogue.swaps import SwapBusy
from service.crash_points import crash_point
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.result_cache import PREFIX
from service.settings import Settings

log = logging.getLogger(__name__)

# Files and folders of a video are named by its id or its digest, at most so deep below a folder of the home.
DEPTH = 2
# Of these the insides are not named by videos: the index and Redis are looked at in their own ways.
ELSEWHERE = {"index", "redis", "bundles", "training"}
KEYS_PER_SCAN = 500
# What a training keeps of the films themselves while it is under way (`models/training/adapt.py`).
OF_FILMS = ("*/windows-*", "*/before.npz")


@dataclass(frozen=True)
class Look:
    """What was looked at, how, and how much of the video was found there. None: it could not be looked at just now."""

    place: str
    looked_at: str
    how: str
    found: int | None


@dataclass(frozen=True)
class There:
    """What there is of some deleted videos, read once for all of them: a library may have millions of files and ids."""

    files: Mapping[str, list[Path]]  # by video id
    generations: Mapping[str, IdArray | None]  # the ids that each holds; None: it cannot be read
    cached: frozenset[int] | None  # segments that cached answers name; None: Redis does not answer
    unreadable: int  # cached answers, each of which may be of any video


def read_what_is_there(settings: Settings, catalogue: Catalogue, redis: Redis, erasures: Sequence[Erasure]) -> There:
    """Reads the home's folders, the generations' ids and the cached answers."""
    generations: dict[str, IdArray | None] = {}
    for name in generation_names(settings.index_dir):
        try:
            generations[name] = held_ids(settings.index_dir, name)
        except IndexFileError as error:
            is_gone = not (settings.index_dir / name).exists()
            generations[name] = np.empty(0, np.int64) if is_gone else None
            log.warning("erasure: %s", error)
    cached, unreadable = _cached_segments(catalogue, redis)
    return There(files_of(settings, erasures), generations, cached, unreadable)


def is_clean(looks: list[Look]) -> bool:
    """Whether everything was looked at and nothing found."""
    return all(look.found == 0 for look in looks)


def erase_pending(
    settings: Settings, catalogue: Catalogue, redis: Redis, report: Callable[[float, str], None]
) -> dict[str, Any]:
    """Removes what is left of every deleted video; how many are complete now, and what stands in the way of the others.

    Raises what `report` raises; whatever was done by then stays done.
    """
    pending = catalogue.pending_erasures()
    files = files_of(settings, pending) if pending else {}
    for number, erasure in enumerate(pending):
        report(0.3 * number / len(pending), "removing files")
        remove_files(settings, catalogue, erasure, files[erasure.video_id])
        if not catalogue.active_jobs(("adapt", "train")):  # one that runs removes its own at its end
            for path in training_windows(settings.training_dir, erasure):
                _remove(path)
    crash_point("delete.files_removed")
    scrubbed = False
    if pending:
        forget_vectors(settings, catalogue, report)
        crash_point("delete.vectors_removed")
        with contextlib.suppress(RedisError):
            clear_cache(catalogue, redis)
        crash_point("delete.cache_cleared")
        with contextlib.suppress(ScrubLater):
            catalogue.scrub()
            scrubbed = True
        crash_point("delete.scrubbed")
    waiting: dict[str, list[str]] = {}
    there = read_what_is_there(settings, catalogue, redis, pending) if pending else None
    for number, erasure in enumerate(pending):
        report(0.7 + 0.3 * number / len(pending), "looking")
        looks = look(settings, catalogue, redis, erasure, scrubbed=scrubbed, there=there)
        if is_clean(looks) or catalogue.video(erasure.video_id) is not None:  # it came back: there is nothing to prove
            catalogue.complete_erasure(erasure)
            crash_point("delete.completed")
        else:
            waiting[erasure.video_id] = [each.place for each in looks if each.found != 0]
    return {"complete": len(pending) - len(waiting), "pending": waiting}


def remove_files(settings: Settings, catalogue: Catalogue, erasure: Erasure, files: Sequence[Path]) -> None:
    """Removes the files and folders of the video (`files_of`), unless it came back meanwhile."""
    with MediaStore(settings.media_dir).exclusive():  # so that it cannot come back in between
        if catalogue.video(erasure.video_id) is not None:
            return
        for path in files:
            _remove(path)


def forget_pictures(video_id: str, catalogue: Catalogue, store: MediaStore, thumbnails: Thumbnails) -> None:
    """Removes the pictures of a video that was deleted while they were made; those of one that is there stay."""
    with store.exclusive():  # so that it cannot come back in between
        if catalogue.video(video_id) is None:
            thumbnails.delete(video_id)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def forget_vectors(settings: Settings, catalogue: Catalogue, report: Callable[[float, str], None]) -> None:
    """Replaces every index generation that has vectors of segments which are no more by a copy without them.

    The catalogue names the copy in the place of the old one, in one transaction, before the old one goes: a crash
    leaves one or the other. A generation that is being compared with what is served waits for the next time.
    """
    root = settings.index_dir
    if catalogue.served() is None:
        return  # a library that no service of this version has opened yet: its worker does, and then this
    for name in generation_names(root):
        report(0.3, "removing vectors")
        try:
            held = held_ids(root, name)
            gone = held[~np.isin(held, catalogue.existing_segments(held.tolist()))]
            if len(gone):
                without(root, name, gone, on_named=partial(catalogue.replace_generation, name))
                crash_point("delete.generation_replaced")
        except SwapBusy as error:
            log.info("generation %s keeps deleted segments for now: %s", name, error)
        except IndexFileError as error:
            log.warning("generation %s cannot be read, so nothing is removed from it: %s", name, error)
    settle(root, catalogue.retained_generations)  # also removes what a crash left half-written


def clear_cache(catalogue: Catalogue, redis: Redis) -> None:
    """Removes the library's cached answers, and rewrites what Redis keeps of them on disk."""
    for keys in _cached_keys(catalogue, redis):
        redis.unlink(*keys)
    with contextlib.suppress(RedisError):  # one is under way already, or this server keeps nothing on disk
        redis.bgrewriteaof()


def look(
    settings: Settings,
    catalogue: Catalogue,
    redis: Redis,
    erasure: Erasure,
    *,
    scrubbed: bool | None = None,
    there: There | None = None,
) -> list[Look]:
    """Looks everywhere where something of a video could be. A video that came back is found, of course.

    scrubbed: whether the database let go of the deleted bytes since; None: as the erasure's completion says.
    there: what was read for several erasures; None reads it for this one.
    """
    there = there or read_what_is_there(settings, catalogue, redis, [erasure])
    if scrubbed is None:
        scrubbed = erasure.completed_at is not None
    return [
        *_look_at_rows(catalogue, erasure, scrubbed),
        *_look_at_files(settings, erasure, there),
        _look_at_training(settings, erasure),
        *_look_at_generations(settings.index_dir, erasure, there),
        _look_at_cache(erasure, there),
    ]


def files_of(settings: Settings, erasures: Sequence[Erasure]) -> dict[str, list[Path]]:
    """Every file and folder of each video, by its id: those that its id or digest names, and told uploads."""
    named, told = named_files(settings.home, erasures), told_uploads(settings.upload_dir, erasures)
    return {each.video_id: [*named[each.video_id], *told[each.video_id]] for each in erasures}


def named_files(home: Path, erasures: Sequence[Erasure]) -> dict[str, list[Path]]:
    """Files and folders below the home whose name begins with a video's id or digest, by video id."""
    begins = {begin: each.video_id for each in erasures for begin in (each.video_id, each.sha256)}
    lengths = {len(begin) for begin in begins}
    found: dict[str, list[Path]] = {each.video_id: [] for each in erasures}

    def search(folder: str, depth: int) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                names = (begins[part] for length in lengths if (part := entry.name[:length]) in begins)
                if (video_id := next(names, None)) is not None:
                    found[video_id].append(Path(entry.path))
                elif depth > 1 and entry.is_dir(follow_symlinks=False):
                    search(entry.path, depth - 1)

    for folder in _folders(home):
        search(str(folder), DEPTH)
    return {video_id: sorted(paths) for video_id, paths in found.items()}


def told_uploads(folder: Path, erasures: Sequence[Erasure]) -> dict[str, list[Path]]:
    """Files of resumable uploads of each video: what is remembered of those that are over, and older beginnings.

    One that began after the deletion brings the video back, which is somebody's right.
    """
    found: dict[str, list[Path]] = {each.video_id: [] for each in erasures}
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            said = path.read_text(encoding="utf-8", errors="replace")
            for erasure in erasures:
                if erasure.sha256 not in said and erasure.video_id not in said:
                    continue
                is_over = f'"{erasure.video_id}"' in said  # its answer names the video
                if is_over or path.stat().st_mtime <= erasure.requested_at.timestamp():
                    found[erasure.video_id] += [path, *folder.glob(f"{path.stem}.data")]
    return found


def training_windows(folder: Path, erasure: Erasure) -> list[Path]:
    """Folders of pictures and sounds that were decoded to train on, and their vectors, from before the deletion.

    They do not tell which films they are of. Without them an interrupted training decodes its films again.
    """
    before = erasure.requested_at.timestamp()
    found = []
    for path in sorted(each for pattern in OF_FILMS for each in folder.glob(pattern)):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime <= before:
                found.append(path)
    return found


def _folders(home: Path) -> list[Path]:
    if not home.is_dir():
        return []
    return sorted(path for path in home.iterdir() if path.is_dir() and path.name not in ELSEWHERE)


def _look_at_rows(catalogue: Catalogue, erasure: Erasure, scrubbed: bool) -> list[Look]:
    left = catalogue.rows_left(erasure)
    looks = [
        Look(f"catalogue.{table}", table, f"counted the rows that name {erasure.video_id} or its segments", count)
        for table, count in sorted(left.items())
    ]
    return [*looks, Look("catalogue.pages", "the database itself", catalogue.scrubbing(), 0 if scrubbed else None)]


def _look_at_files(settings: Settings, erasure: Erasure, there: There) -> Iterator[Look]:
    found = there.files[erasure.video_id]
    how = f"listed the folder for names that begin with {erasure.video_id} or its SHA-256"
    folders = {settings.media_dir, settings.thumbnails_dir, settings.upload_dir, settings.orphans_dir}
    for folder in sorted({*folders, *_folders(settings.home)}):
        count = sum(1 for path in found if path.is_relative_to(folder))
        yield Look(f"files.{folder.name}", folder.name, how, count)


def _look_at_training(settings: Settings, erasure: Erasure) -> Look:
    found = len(training_windows(settings.training_dir, erasure))
    how = "listed those that were begun before the deletion, whatever films they are of"
    return Look("files.training", "films decoded to train on", how, found)


def _look_at_generations(index_dir: Path, erasure: Erasure, there: There) -> Iterator[Look]:
    ids = np.array(erasure.segment_ids, np.int64)
    how = f"read the ids of all its vectors, compared them with the {len(ids)} segments that the video had"
    for name, held in there.generations.items():
        found = None if held is None else int(contains(held, ids).sum())
        yield Look(f"index.{name}", f"index generation {name}", how, found)
    yield _look_at_unfinished(index_dir, erasure, ids)


def _look_at_unfinished(index_dir: Path, erasure: Erasure, ids: np.ndarray) -> Look:
    """Writes in progress. One that began before the deletion may hold more than can be read of it yet."""
    found = 0
    unfinished = sorted(index_dir.glob(".tmp-*/")) if index_dir.is_dir() else []
    for path in unfinished:
        if erasure.completed_at is None:
            found += 1
            continue
        for file in path.glob("*.ids.npy"):
            with contextlib.suppress(OSError, ValueError, EOFError):
                found += len(np.intersect1d(np.load(file, allow_pickle=False), ids))
    return Look("index.unfinished", "generations that are being written", "listed them, read what ids they have", found)


def _look_at_cache(erasure: Erasure, there: There) -> Look:
    found = None if there.cached is None else len(there.cached.intersection(erasure.segment_ids)) + there.unreadable
    return Look("cache", "cached answers in Redis", "read them all, looked for segments of the video", found)


def _cached_keys(catalogue: Catalogue, redis: Redis) -> Iterator[list[Any]]:
    cursor = 0
    while True:
        cursor, keys = redis.scan(cursor, match=f"{PREFIX}{catalogue.library_id()}:*", count=KEYS_PER_SCAN)
        if keys:
            yield keys
        if cursor == 0:
            return


def _cached_segments(catalogue: Catalogue, redis: Redis) -> tuple[frozenset[int] | None, int]:
    """The segments that cached answers name, and how many answers cannot be read; None where Redis does not answer."""
    segments: set[int] = set()
    unreadable = 0
    try:
        for keys in _cached_keys(catalogue, redis):
            for raw in redis.mget(keys):
                if not isinstance(raw, bytes):
                    continue  # it went meanwhile
                try:
                    segments.update(entry[0] for entry in json.loads(raw)["found"])
                except (ValueError, LookupError, TypeError):
                    unreadable += 1
    except RedisError:
        return None, 0
    return frozenset(segments), unreadable
