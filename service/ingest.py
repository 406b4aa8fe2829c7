"""Ingest: a film becomes segments with vectors. A child decodes on one core while this process embeds on the others."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from models.preprocess.media import MediaError, MediaInfo
from models.runtime import Embedding, Encoders
from service.catalogue import Catalogue, Job, NewSegment, Video
from service.media import confined
from service.media.confined import DecodedWindow
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails

T = TypeVar("T")

# Windows embedded in one call: more gain nothing on a CPU (FINDINGS section 5) and make progress coarse.
BATCH = 4
# Decoded windows that may wait: enough to keep both sides busy, a few MB.
AHEAD = 6
# The spaces that are searched, by channel (`plans.py`), of windows and of the pieces in them: stills, and sounds that
# start in between. What something means is searched by windows, whether it is the very same thing by pieces too.
WINDOW_SPACES = {"visual": ("fine", "coarse"), "sound": ("fine", "coarse")}
PIECE_SPACES = {"frame": ("fine", "instance"), "sound": ("instance",)}
Vectors = dict[tuple[str, str], list[np.ndarray]]


@dataclass
class _Building:
    """A segment while its vectors come in."""

    start_s: float
    end_s: float
    vectors: Vectors = field(default_factory=dict)

    def add(self, channel: str, spaces: tuple[str, ...], embedding: Embedding, row: int) -> None:
        for space in spaces:
            rows = getattr(embedding, space)
            if rows is not None:  # a disjoint graph has no coarse space for sound
                self.add_vector(channel, space, rows[row].astype(np.float16))

    def add_vector(self, channel: str, space: str, vector: np.ndarray) -> None:
        self.vectors.setdefault((channel, space), []).append(vector)

    def finished(self) -> NewSegment:
        return NewSegment(self.start_s, self.end_s, {key: np.stack(rows) for key, rows in self.vectors.items()})


@dataclass(frozen=True)
class _Pieces:
    """Stills, or short sounds: the middle of each, in seconds [n], and float16 [n, dim] by space.

    All of a film's are held until its last segment is known, so they carry what is stored and no more.
    """

    channel: str
    middles_s: np.ndarray
    vectors: dict[str, np.ndarray]

    @classmethod
    def of(cls, channel: str, middles_s: np.ndarray, embedding: Embedding) -> "_Pieces":
        # A bundle may have no instance space.
        given = {space: getattr(embedding, space) for space in PIECE_SPACES[channel]}
        return cls(
            channel,
            middles_s,
            {space: rows.astype(np.float16) for space, rows in given.items() if rows is not None},
        )


def ingest_video(
    catalogue: Catalogue,
    store: MediaStore,
    thumbnails: Thumbnails,
    encoders: Encoders,
    video: Video,
    report: Callable[[float, str], None],
    *,
    job: Job | None = None,
    embed_threads: int = 2,
    incoming: Callable[[], Encoders | None] | None = None,
) -> dict[str, Any]:
    """Decodes, embeds and stores one video; what it gave, as counts. Doing it again replaces what was there.

    `report(progress, stage)` is called for every few windows; what it raises ends the ingest with nothing stored.
    `incoming` is asked before storing for a model that is about to be promoted: the video is embedded with that too,
    and both are stored at once. Raises MediaError, VideoGone when the video was deleted meanwhile, and JobLost when
    `job` is no longer its worker's.
    """
    finished = embed_video(store, thumbnails, encoders, video, report, embed_threads=embed_threads)
    coming = incoming() if incoming is not None else None
    also = {}
    if coming is not None and coming.bundle.fingerprint != encoders.bundle.fingerprint:
        again = embed_video(store, thumbnails, coming, video, report, embed_threads=embed_threads)
        also[coming.bundle.fingerprint] = again
    report(0.99, "storing")
    catalogue.store_segments(video.id, encoders.bundle.fingerprint, finished, job, also=also)
    rows = sum(len(vectors) for segment in finished for vectors in segment.vectors.values())
    return {"segments": len(finished), "vectors": rows}


def embed_video(
    store: MediaStore,
    thumbnails: Thumbnails,
    encoders: Encoders,
    video: Video,
    report: Callable[[float, str], None],
    *,
    embed_threads: int = 2,
) -> list[NewSegment]:
    """Decodes and embeds one video: its segments with their vectors, at least one, not stored yet. Raises MediaError.

    Thumbnails of its windows are stored. What `report` raises ends the work.
    """
    path = store.path(video.sha256)
    if not path.is_file():
        raise MediaError(
            "media_missing", "The file is no longer in the media store. Delete the video, upload it again."
        )
    segments: list[_Building] = []
    pieces: list[_Pieces] = []
    report(0.0, "decoding")
    windows = confined.decode_windows(path, encoders.bundle.inputs, media_info(video))
    with ThreadPoolExecutor(embed_threads, thread_name_prefix="embed") as pool:
        for batch in _batches(_ahead(windows), BATCH):
            segments += _embed(batch, encoders, pool, pieces)
            for window in batch:
                if window.thumbnail is not None:
                    thumbnails.put(video.id, window.start_s, window.thumbnail)
            report(0.98 * min(batch[-1].end_s / max(video.duration_s, batch[-1].end_s), 1.0), "embedding")
    _share_out(pieces, segments)
    finished = [segment.finished() for segment in segments if segment.vectors]  # silence has none
    if not finished:
        raise MediaError("nothing_to_find", "Nothing can be seen or heard in this file: it is silent from end to end.")
    return finished


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


def _embed(
    batch: list[DecodedWindow], encoders: Encoders, pool: ThreadPoolExecutor, pieces: list[_Pieces]
) -> list[_Building]:
    """Segments of a few windows, with what is seen and heard in them; their stills and short sounds go to `pieces`."""
    inputs = encoders.bundle.inputs
    segments = [_Building(window.start_s, window.end_s) for window in batch]
    seen = [(i, window.frames) for i, window in enumerate(batch) if window.frames is not None]
    fresh = [(window, window.new_frames) for window in batch if window.new_frames is not None]
    heard = [
        (i, start, wave)
        for i, window in enumerate(batch)
        if window.sound is not None
        for start, wave in zip(window.sound_starts_s, window.sound, strict=True)
    ]
    clips = pool.submit(encoders.video, np.stack([frames for _, frames in seen])) if seen else None
    pictures = pool.submit(encoders.image, np.concatenate([frames for _, frames in fresh])) if fresh else None
    sounds = pool.submit(encoders.audio, np.stack([wave for _, _, wave in heard])) if heard else None
    if clips is not None:
        embedding = clips.result()
        for row, (i, _) in enumerate(seen):
            segments[i].add("visual", WINDOW_SPACES["visual"], embedding, row)
    if sounds is not None:
        embedding = sounds.result()
        for row, (i, start, _) in enumerate(heard):
            if start == batch[i].start_s:
                segments[i].add("sound", WINDOW_SPACES["sound"], embedding, row)
        starts = np.array([start for _, start, _ in heard])
        pieces.append(_Pieces.of("sound", starts + inputs.window_s / 2, embedding))
    if pictures is not None:
        times = [window.new_time_s + inputs.step_s * np.arange(window.new_count) for window, _ in fresh]
        pieces.append(_Pieces.of("frame", np.concatenate(times), pictures.result()))
    return segments


def _share_out(pieces: list[_Pieces], segments: list[_Building]) -> None:
    """Gives each piece to the segment whose middle is nearest, so that each is stored once."""
    middles = np.array([(segment.start_s + segment.end_s) / 2 for segment in segments])
    borders = (middles[1:] + middles[:-1]) / 2
    for part in pieces:
        owners = np.searchsorted(borders, part.middles_s, side="right")
        for row, owner in enumerate(owners.tolist()):
            for space, rows in part.vectors.items():
                segments[owner].add_vector(part.channel, space, rows[row])


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _ahead(windows: Iterator[DecodedWindow]) -> Generator[DecodedWindow, None, None]:
    """Reads a few windows ahead in a thread, since a pipe holds less than one; closing it ends the child."""
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
            close = getattr(windows, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=read, name="decode-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        given_up.set()
        thread.join()
