"""Ingest: a film becomes segments with vectors. A child decodes while threads of this process embed what came before.

The steps are decoding and embedding (in parts, each of which is on the disk once it is done), thumbnails, the preview,
and storing. A worker that dies goes on after the last part (`spool.py`).
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from models.preprocess.media import MediaError, MediaInfo
from models.runtime import Embedding, Encoders
from service.catalogue import Catalogue, Job, NewSegment, Video
from service.crash_points import crash_point
from service.media import confined
from service.media.confined import DecodedWindow, Windows
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.spool import Building, Pieces, Spool, Taken

log = logging.getLogger(__name__)

T = TypeVar("T")
Report = Callable[[float, str], None]

# Windows embedded in one call: more gain nothing on a CPU (FINDINGS section 5) and make progress coarse.
BATCH = 4
# Decoded windows that may wait: enough to keep both sides busy, a few MB.
AHEAD = 6
# While a decoder is silent, it is asked this often whether the film is still wanted.
LOOK_S = 0.1
# Batches that are being embedded, so that no thread is idle while another ends the batch before.
EMBEDDED_AT_ONCE = 2
# A part is put on the disk when so many seconds of work would be lost without.
CHECKPOINT_S = 10.0
# The spaces that are searched, by channel (`plans.py`), of windows and of the pieces in them: stills, and sounds that
# start in between. What something means is searched by windows, whether it is the very same thing by pieces too.
WINDOW_SPACES = {"visual": ("fine", "coarse"), "sound": ("fine", "coarse")}
PIECE_SPACES = {"frame": ("fine", "instance"), "sound": ("instance",)}


def ingest_video(
    catalogue: Catalogue,
    store: MediaStore,
    thumbnails: Thumbnails,
    encoders: Encoders,
    video: Video,
    report: Report,
    *,
    job: Job | None = None,
    embed_threads: int = 2,
    incoming: Callable[[], Encoders | None] | None = None,
    pool: Executor | None = None,
    spool_dir: Path | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> dict[str, Any]:
    """Decodes, embeds and stores one video; what it gave, as counts. Doing it again replaces what was there.

    `report(progress, stage)` is called for every few windows; what it raises ends the ingest with nothing stored.
    `incoming` is asked before storing for a model that is about to be promoted: the video is embedded with that too,
    and both are stored at once. A file that the new one alone cannot embed is stored without: the switch then waits to
    be confirmed. With `job` that is done in the same transaction. Embedding uses the threads of `pool`,
    or its own. Raises MediaError, VideoGone when the video was deleted meanwhile, and JobLost when `job` is no longer
    its worker's.
    """

    def embed(model: Encoders, preview: bool) -> list[NewSegment]:
        return embed_video(
            store,
            thumbnails,
            model,
            video,
            report,
            embed_threads=embed_threads,
            preview=preview,
            pool=pool,
            spool_dir=spool_dir,
            checkpoint_s=checkpoint_s,
        )

    finished = embed(encoders, preview=True)
    coming = incoming() if incoming is not None else None
    also: dict[str, list[NewSegment]] = {}
    if coming is not None and coming.bundle.fingerprint != encoders.bundle.fingerprint:
        try:
            also[coming.bundle.fingerprint] = embed(coming, preview=False)
        except MediaError as error:  # it can be searched; the promotion is held for it, as for those there before
            log.warning("%s cannot be embedded with %s: %s", video.id, coming.bundle.name, error.code)
    report(0.99, "storing")
    rows = sum(len(vectors) for segment in finished for vectors in segment.vectors.values())
    result = {"segments": len(finished), "vectors": rows}
    catalogue.store_segments(video.id, encoders.bundle.fingerprint, finished, job, also=also, result=result)
    crash_point("ingest.stored")
    for model in (encoders, coming):
        if model is not None:
            forget_parts(spool_dir, video.id, model.bundle.fingerprint)
    return result


def embed_video(
    store: MediaStore,
    thumbnails: Thumbnails,
    encoders: Encoders,
    video: Video,
    report: Report,
    *,
    embed_threads: int = 2,
    preview: bool = False,
    pool: Executor | None = None,
    spool_dir: Path | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> list[NewSegment]:
    """Decodes and embeds one video: its segments with their vectors, at least one, not stored yet. Raises MediaError.

    Thumbnails of its windows are stored, and the preview if it is asked for. What `report` raises ends the work. With
    `spool_dir` parts that are done are kept there, and gone on from; `forget_parts` removes them once all is stored.
    """
    path = store.path(video.sha256)
    if not path.is_file():
        raise MediaError(
            "media_missing", "The file is no longer in the media store. Delete the video, upload it again."
        )
    spool = None if spool_dir is None else Spool(spool_dir, video.id, encoders.bundle.fingerprint)
    taken = Taken() if spool is None else spool.load()

    def tell() -> None:
        report(0.98 * _share(taken, video), "embedding" if taken.segments else "decoding")

    tell()
    windows = confined.decode_windows(
        path, encoders.bundle.inputs, media_info(video), preview=preview, first_window=taken.windows
    )
    pictures = thumbnails.writer(video.id)
    with ExitStack() as stack:
        if pool is None:
            pool = stack.enter_context(ThreadPoolExecutor(embed_threads, thread_name_prefix="embed"))
        batches = stack.enter_context(closing(embed_windows(_ahead(windows, tell), encoders, pool)))
        kept, saved = taken.windows, time.monotonic()
        unsaved = Taken()
        for batch, part in batches:
            for window in batch:
                if window.thumbnail is not None:
                    pictures.put(window.start_s, window.thumbnail)
            unsaved.extend(part)
            taken.extend(part)
            if spool is not None and time.monotonic() - saved >= checkpoint_s:
                pictures.settle()
                spool.add(unsaved, kept)
                kept, saved, unsaved = taken.windows, time.monotonic(), Taken()
                crash_point("ingest.part_stored")
            tell()
    finished = share_out(taken)
    if not finished:
        raise MediaError("nothing_to_find", "Nothing can be seen or heard in this file: it is silent from end to end.")
    if preview and taken.preview:
        pictures.put_preview([taken.preview[at] for at in sorted(taken.preview)])
    pictures.settle()
    crash_point("ingest.pictures_stored")
    return finished


def forget_parts(spool_dir: Path | None, video_id: str, bundle: str) -> None:
    """Removes the parts of a film that is done, or given up."""
    if spool_dir is not None:
        Spool(spool_dir, video_id, bundle).clear()


def media_info(video: Video) -> MediaInfo:
    """What the decode child needs to know of a video's file."""
    return MediaInfo(
        duration_s=video.duration_s,
        has_video=video.has_video,
        has_audio=video.has_audio,
        width=video.width,
        height=video.height,
        fps=None,
        container="",
        video_codec=None,
        audio_codec=None,
    )


def embed_windows(
    windows: Iterable[DecodedWindow], encoders: Encoders, pool: Executor
) -> Generator[tuple[list[DecodedWindow], Taken], None, None]:
    """A few windows at a time, in their order, with what they gave. Closing it closes `windows`."""
    waiting: deque[_Batch] = deque()
    try:
        for batch in _batches(windows, BATCH):
            waiting.append(_Batch.start(batch, encoders, pool))
            if len(waiting) == EMBEDDED_AT_ONCE:
                first = waiting.popleft()
                yield first.windows, first.finished(encoders)
        while waiting:
            first = waiting.popleft()
            yield first.windows, first.finished(encoders)
    finally:
        for left in waiting:
            left.cancel()
        close = getattr(windows, "close", None)
        if close is not None:
            close()


def share_out(taken: Taken) -> list[NewSegment]:
    """The segments of a whole film: each piece goes to the one whose middle is nearest, so that each is stored once.

    Silence has no vectors, and is no segment.
    """
    middles = np.array([(segment.start_s + segment.end_s) / 2 for segment in taken.segments])
    borders = (middles[1:] + middles[:-1]) / 2
    for part in taken.pieces:
        owners = np.searchsorted(borders, part.middles_s, side="right")
        for row, owner in enumerate(owners.tolist()):
            for space, rows in part.vectors.items():
                taken.segments[owner].add_vector(part.channel, space, rows[row])
    return [
        NewSegment(segment.start_s, segment.end_s, {key: np.stack(rows) for key, rows in segment.vectors.items()})
        for segment in taken.segments
        if segment.vectors
    ]


@dataclass
class _Batch:
    """A few windows whose pictures and sounds are being embedded."""

    windows: list[DecodedWindow]
    seen: list[int]  # the windows that have pictures
    heard: list[tuple[int, float]]  # window, start of the sound in seconds
    clips: Future[Embedding] | None
    stills: Future[Embedding] | None
    sounds: Future[Embedding] | None

    @classmethod
    def start(cls, batch: list[DecodedWindow], encoders: Encoders, pool: Executor) -> "_Batch":
        seen = [(i, window.frames) for i, window in enumerate(batch) if window.frames is not None]
        fresh = [window.new_frames for window in batch if window.new_frames is not None]
        heard = [
            (i, start, wave)
            for i, window in enumerate(batch)
            if window.sound is not None
            for start, wave in zip(window.sound_starts_s, window.sound, strict=True)
        ]
        return cls(
            batch,
            [i for i, _ in seen],
            [(i, start) for i, start, _ in heard],
            clips=pool.submit(encoders.video, np.stack([frames for _, frames in seen])) if seen else None,
            stills=pool.submit(encoders.image, np.concatenate(fresh)) if fresh else None,
            sounds=pool.submit(encoders.audio, np.stack([wave for _, _, wave in heard])) if heard else None,
        )

    def finished(self, encoders: Encoders) -> Taken:
        """Waits for the vectors: the segments, with the pieces in them."""
        inputs = encoders.bundle.inputs
        taken = Taken([Building(window.start_s, window.end_s) for window in self.windows])
        for window in self.windows:
            taken.preview |= window.preview
        if self.clips is not None:
            embedding = self.clips.result()
            for row, i in enumerate(self.seen):
                _add(taken.segments[i], "visual", embedding, row)
        if self.sounds is not None:
            embedding = self.sounds.result()
            for row, (i, start) in enumerate(self.heard):
                if start == self.windows[i].start_s:
                    _add(taken.segments[i], "sound", embedding, row)
            starts = np.array([start for _, start in self.heard])
            taken.pieces.append(_pieces("sound", starts + inputs.window_s / 2, embedding))
        if self.stills is not None:
            fresh = [window for window in self.windows if window.new_frames is not None]
            times = [window.new_time_s + inputs.step_s * np.arange(window.new_count) for window in fresh]
            taken.pieces.append(_pieces("frame", np.concatenate(times), self.stills.result()))
        return taken

    def cancel(self) -> None:
        """Nobody waits for them."""
        for future in (self.clips, self.stills, self.sounds):
            if future is not None:
                future.cancel()


def _add(segment: Building, channel: str, embedding: Embedding, row: int) -> None:
    for space in WINDOW_SPACES[channel]:
        rows = getattr(embedding, space)
        if rows is not None:  # a disjoint graph has no coarse space for sound
            segment.add_vector(channel, space, rows[row].astype(np.float16))


def _pieces(channel: str, middles_s: np.ndarray, embedding: Embedding) -> Pieces:
    """All of a film's are held until its last segment is known, so they carry what is stored and no more."""
    given = {space: getattr(embedding, space) for space in PIECE_SPACES[channel]}
    # A bundle may have no instance space.
    return Pieces(
        channel, middles_s, {space: rows.astype(np.float16) for space, rows in given.items() if rows is not None}
    )


def _share(taken: Taken, video: Video) -> float:
    """How much of a film is embedded, 0 to 1."""
    if not taken.segments:
        return 0.0
    until = taken.segments[-1].end_s
    return min(until / max(video.duration_s, until), 1.0)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _ahead(windows: Windows, look: Callable[[], None]) -> Generator[DecodedWindow, None, None]:
    """Reads a few windows ahead in a thread, since a pipe holds less than one; closing it ends the child.

    `look` is called again and again while no window comes; what it raises ends the child at once.
    """
    ready: queue.Queue[DecodedWindow | BaseException | None] = queue.Queue(AHEAD)
    given_up = threading.Event()

    def put(item: DecodedWindow | BaseException | None) -> bool:
        while not given_up.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for window in windows:
                if not put(window):
                    return
            put(None)
        except BaseException as error:  # handed to the reader below, whatever it is
            put(error)
        finally:
            windows.close()

    thread = threading.Thread(target=read, name="decode-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = ready.get(timeout=LOOK_S)
            except queue.Empty:
                look()
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        given_up.set()
        windows.close()
        thread.join()
