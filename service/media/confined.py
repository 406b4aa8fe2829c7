"""Media work in a child process that may crash, hang or be taken over without harm.

One fresh child per file, forked and confined beforehand (`children.py`, `sandbox.py`): it can open no file, no
connection and no process, and is handed the one file that it is for, open for reading. Memory, CPU time and patience
are limited. It answers in messages (`pipe.py`) that are never unpickled.
"""

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError, MediaInfo
from models.preprocess.windows import window_starts
from service.media import children
from service.media.children import Child
from service.media.pipe import BadMessage, Parts, receive

log = logging.getLogger(__name__)

CRASHED = MediaError(
    "decoder_crashed", "The file breaks the decoder: it is damaged, or made to do harm. Convert it to another format."
)
TIMED_OUT = MediaError(
    "decoder_timeout", "Decoding this file takes too long: it is damaged, or too heavy. Convert it to a common format."
)
# The longest silence of a child that decodes: the first frame of a large film on a busy machine takes some seconds.
PATIENCE_S = 60.0
QUERY_PATIENCE_S = 20.0
SLOW_DISK = 20e6  # bytes a second
# What a child may sleep while it is waited for, in all: in any case, for each second of its film, and for its bytes.
# Computing and waiting for a processor are not sleeping; the former has a limit of its own.
IDLE_S, IDLE_PER_S = 300.0, 4.0
SLOWEST_DISK = 1e6  # bytes a second
# A picture of a moment, 320 wide, has some 20 kB; it is kept on the disk.
MOST_PICTURE_BYTES = 1024 * 1024
# Windows of a long query that are embedded, evenly spread: each costs some hundredths of a second.
MOST_QUERY_WINDOWS = 8


@dataclass(frozen=True)
class MediaLimits:
    """What is accepted: seconds, width x height, tracks of any kind, pictures in all."""

    max_duration_s: float
    max_pixels: int
    max_streams: int = 64
    max_frames: int = 2_000_000


@dataclass(frozen=True)
class DecodedWindow:
    """One window of a film, in seconds, ready to be embedded.

    frames: uint8 [T, H, W, 3], or None where there is no picture. Of them `frames[new_from:new_from + new_count]` are
    grid frames that no earlier window had; the first of these was on show at `new_time_s`, the others `step_s` apart.
    sound: float32 [n, S]: the window's sound and that of windows which start a little later, at `sound_starts_s`; None
    where all is silent.
    thumbnail: a JPEG of the window's middle, or None where there is no picture.
    preview: which of the film's preview pictures are in here, and these, uint8 [h, w, 3].
    """

    start_s: float
    end_s: float
    frames: np.ndarray | None
    new_from: int
    new_count: int
    new_time_s: float
    sound_starts_s: list[float]
    sound: np.ndarray | None
    thumbnail: bytes | None
    preview: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def new_frames(self) -> np.ndarray | None:
        """uint8 [new_count, H, W, 3]; None when there are none."""
        if self.frames is None or not self.new_count:
            return None
        return self.frames[self.new_from : self.new_from + self.new_count]


@dataclass(frozen=True)
class QueryClip:
    """A clip to search by: windows uint8 [N, T, H, W, 3], and its sound float32 [S] or None."""

    windows: np.ndarray
    waveform: np.ndarray | None


def start() -> None:
    """Makes the first children now, so that the first file does not wait for them (half a second)."""
    children.start()


def protections() -> dict[str, list[str]]:
    """What confines the children here (`confined_by`), and what one `refused` to do of what it `tried`.

    Raises MediaError.
    """
    header, _ = _one("check", {}, None, PATIENCE_S)
    return {name: header[name] for name in ("confined_by", "refused", "tried")}


def probe(path: Path, limits: MediaLimits) -> MediaInfo:
    """What a file holds. Raises MediaError with the code and sentence that the uploader should see."""
    patience_s = PATIENCE_S + path.stat().st_size / SLOW_DISK  # the whole file is read
    header, _ = _one("probe", asdict(limits), path, patience_s)
    with _of_ours():
        info = MediaInfo(**header["info"])
        # The child checked this; but it has read the file, and what it says now is the file's word.
        if not 0 <= info.duration_s <= limits.max_duration_s or not 0 <= (info.width or 0) * (info.height or 0) < 2**40:
            raise ValueError(info)
    return info


class Windows(Iterator[DecodedWindow]):
    """The windows of a film, as its child decodes them (`decode_windows`)."""

    def __init__(self, begin: Callable[[], Child], windows: Callable[[Child], Generator[DecodedWindow, None, None]]):
        self._begin, self._windows_of = begin, windows
        self._child: Child | None = None
        self._closed = False
        self._windows = self._decoded()

    def __next__(self) -> DecodedWindow:
        return next(self._windows)

    def close(self) -> None:
        """Ends the child at once, even while another thread waits for the next window. May be called again."""
        self._closed = True
        if self._child is not None:
            self._child.kill()
        with contextlib.suppress(ValueError):  # another thread is at it, and sees that the child is gone
            self._windows.close()

    def _decoded(self) -> Generator[DecodedWindow, None, None]:
        self._child = self._begin()
        if self._closed:  # meanwhile
            self._child.kill()
        yield from self._windows_of(self._child)


def decode_windows(
    path: Path,
    inputs: InputSpec,
    info: MediaInfo,
    *,
    thumbnail_width: int = 320,
    preview: bool = False,
    threads: int = 1,
    first_window: int = 0,
) -> Windows:
    """The windows of a film or a sound, in the order of time, from the one with the number `first_window` on.

    The child is never more than a few windows ahead of the reader. Close them to stop early. To ask for the next one
    raises MediaError.
    """
    arguments = {
        "inputs": asdict(inputs),
        "info": asdict(info),
        "thumbnail_width": thumbnail_width,
        "preview": preview,
        "threads": threads,
        "first_window": first_window,
    }
    starts = window_starts(info.duration_s, inputs.window_s, inputs.hop_s, inputs.step_s)

    def windows(child: Child) -> Generator[DecodedWindow, None, None]:
        with contextlib.closing(_messages(child, PATIENCE_S, _idle_s(info, path))) as messages:
            for number, (header, parts) in enumerate(messages, first_window):
                with _of_ours():
                    if number >= len(starts):
                        raise ValueError(f"more than {len(starts)} windows")
                    window = _window(header, parts)
                yield window

    return Windows(lambda: _begin("windows", arguments, path, _window_cpu_s(info)), windows)


def decode_query_image(path: Path, inputs: InputSpec, limits: MediaLimits) -> np.ndarray:
    """A still to search by: uint8 [H, W, 3]. Raises MediaError (not_an_image, empty_file, media_too_large, ...)."""
    return _one("query_image", _query(inputs, limits), path, QUERY_PATIENCE_S)[1][0]


def decode_query_audio(path: Path, inputs: InputSpec, limits: MediaLimits) -> np.ndarray:
    """A sound to search by, or the sound of a film: float32 [S]. Raises MediaError (no_sound, query_too_long, ...)."""
    return _one("query_audio", _query(inputs, limits), path, QUERY_PATIENCE_S)[1][0]


def decode_query_video(
    path: Path, inputs: InputSpec, limits: MediaLimits, *, most_windows: int = MOST_QUERY_WINDOWS
) -> QueryClip:
    """A clip to search by, as at most `most_windows` windows, evenly spread.

    Raises MediaError (no_picture, query_too_long, ...).
    """
    arguments = {**_query(inputs, limits), "most_windows": most_windows}
    _, parts = _one("query_video", arguments, path, QUERY_PATIENCE_S)
    return QueryClip(parts[0], parts[1] if len(parts) > 1 else None)


def _window(header: dict[str, Any], parts: Parts) -> DecodedWindow:
    named = dict(zip(header["names"], parts, strict=True))
    thumbnail = named.get("thumbnail")
    if thumbnail is not None and thumbnail.nbytes > MOST_PICTURE_BYTES:
        raise ValueError(f"a picture of {thumbnail.nbytes:,} bytes")
    return DecodedWindow(
        start_s=header["start_s"],
        end_s=header["end_s"],
        frames=named.get("frames"),
        new_from=header["new_from"],
        new_count=header["new_count"],
        new_time_s=header["new_time_s"],
        sound_starts_s=header["sound_starts_s"],
        sound=named.get("sound"),
        thumbnail=None if thumbnail is None else thumbnail.tobytes(),
        preview=dict(zip(header.get("preview_at", ()), named.get("preview", ()), strict=True)),
    )


@contextlib.contextmanager
def _of_ours() -> Iterator[None]:
    """What a child of ours would not say is a child that was taken over. Raises MediaError."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        log.error("the decode child says what makes no sense: %r", error)
        raise CRASHED from None


def _query(inputs: InputSpec, limits: MediaLimits) -> dict[str, Any]:
    return {"inputs": asdict(inputs), "limits": asdict(limits)}


def _window_cpu_s(info: MediaInfo) -> float:
    """CPU seconds for a whole film: a bound on work without end, generous, since patience ends what hangs."""
    pixels = (info.width or 0) * (info.height or 0)
    return (120 + 4 * info.duration_s) * max(1.0, pixels / (1280 * 720))


def _idle_s(info: MediaInfo, path: Path) -> float:
    """Seconds that the child of a whole film may sleep: a bound on a film that comes in drops."""
    return IDLE_S + IDLE_PER_S * info.duration_s + path.stat().st_size / SLOWEST_DISK


def _one(task: str, arguments: dict[str, Any], path: Path | None, patience_s: float) -> tuple[dict[str, Any], Parts]:
    child = _begin(task, arguments, path, cpu_s=2 * patience_s)
    with contextlib.closing(_messages(child, patience_s)) as messages:
        for message in messages:
            return message
    raise CRASHED


def _begin(task: str, arguments: dict[str, Any], path: Path | None, cpu_s: float) -> Child:
    """A child at work on a task. Raises OSError for a file that cannot be opened."""
    file = None if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for last in (False, True):
            child = children.take()
            try:
                child.start(task, arguments, int(cpu_s) + 1, file)
            except OSError:  # it died before it had anything to do: not the file's fault
                child.close()
                if last:
                    raise
                continue
            return child
        raise AssertionError("not reached")
    finally:
        if file is not None:
            os.close(file)


def _messages(
    child: Child, patience_s: float, idle_s: float = math.inf
) -> Generator[tuple[dict[str, Any], Parts], None, None]:
    """What a child sends, until its task is done; then it is ended. Raises MediaError.

    While it is waited for it may be silent for `patience_s` at a time, and sleep for `idle_s` in all.
    """
    late, waited_s = threading.Event(), 0.0

    def give_up() -> None:
        late.set()
        child.kill()

    assert child.connection is not None
    try:
        while True:
            since = time.monotonic()
            header, parts = _receive_within(child.connection, patience_s, give_up)
            waited_s += time.monotonic() - since
            if waited_s > idle_s and (busy_s := child.busy_s()) is not None and waited_s - busy_s > idle_s:
                log.error("a decode child that was waited for for %.0f s was busy for %.0f s alone", waited_s, busy_s)
                raise TIMED_OUT
            if header.get("end"):
                return
            if "error" in header:
                if "because" in header:
                    log.info("a file cannot be decoded: %s", header["because"])
                raise MediaError(header["error"], header["message"])
            if "crash" in header:
                log.error("the decode child failed: %s", header["crash"])
                raise CRASHED
            yield header, parts
    except (EOFError, OSError, BadMessage):
        status = child.close()
        raise (TIMED_OUT if late.is_set() or status == -signal.SIGXCPU else CRASHED) from None
    finally:
        child.close()


def _receive_within(
    connection: Connection, patience_s: float, give_up: Callable[[], None]
) -> tuple[dict[str, Any], Parts]:
    """The next message; `give_up` is called when it takes too long."""
    # A timer and not poll(): a child could also stop in the middle of a message.
    timer = threading.Timer(patience_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        return receive(connection)
    finally:
        timer.cancel()
