"""Media work in a child process that may crash, hang or be taken over without harm.

One fresh fork per file, from a fork server that has the decoders loaded: a start takes some milliseconds and inherits
neither this process's ONNX sessions nor its memory. The child has limits on memory, CPU time and open files, may write
no file, and dies with its parent. It answers over a pipe (`pipe.py`).
"""

import contextlib
import logging
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError, MediaInfo
from service.media import decode_child
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
# Windows of a long query that are embedded, evenly spread: each costs some hundredths of a second.
MOST_QUERY_WINDOWS = 8


@dataclass(frozen=True)
class MediaLimits:
    """What is accepted: seconds, and width x height."""

    max_duration_s: float
    max_pixels: int


@dataclass(frozen=True)
class DecodedWindow:
    """One window of a film, in seconds, ready to be embedded.

    frames: uint8 [T, H, W, 3], or None where there is no picture. Of them `frames[new_from:new_from + new_count]` are
    grid frames that no earlier window had; the first of these was on show at `new_time_s`, the others `step_s` apart.
    sound: float32 [n, S]: the window's sound and that of windows which start a little later, at `sound_starts_s`; None
    where all is silent.
    thumbnail: a JPEG of the window's middle, or None where there is no picture.
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
    """Starts the fork server now, so that the first file does not wait for it (half a second)."""
    _running_server()


def probe(path: Path, limits: MediaLimits) -> MediaInfo:
    """What a file holds. Raises MediaError with the code and sentence that the uploader should see."""
    patience_s = PATIENCE_S + path.stat().st_size / SLOW_DISK  # the whole file is read
    header, _ = _one("probe", {"path": str(path), **asdict(limits)}, patience_s)
    return MediaInfo(**header["info"])


def decode_windows(
    path: Path, inputs: InputSpec, info: MediaInfo, *, thumbnail_width: int = 320, threads: int = 1
) -> Iterator[DecodedWindow]:
    """The windows of a film or a sound, in the order of time; the child is never more than a few ahead of the reader.

    Close the generator to stop early. Raises MediaError.
    """
    arguments = {
        "path": str(path),
        "inputs": asdict(inputs),
        "info": asdict(info),
        "thumbnail_width": thumbnail_width,
        "threads": threads,
    }
    with contextlib.closing(_messages("windows", arguments, PATIENCE_S, _window_cpu_s(info))) as messages:
        for header, parts in messages:
            named = dict(zip(header["names"], parts, strict=True))
            thumbnail = named.get("thumbnail")
            yield DecodedWindow(
                start_s=header["start_s"],
                end_s=header["end_s"],
                frames=named.get("frames"),
                new_from=header["new_from"],
                new_count=header["new_count"],
                new_time_s=header["new_time_s"],
                sound_starts_s=header["sound_starts_s"],
                sound=named.get("sound"),
                thumbnail=None if thumbnail is None else thumbnail.tobytes(),
            )


def decode_query_image(path: Path, inputs: InputSpec, limits: MediaLimits) -> np.ndarray:
    """A still to search by: uint8 [H, W, 3]. Raises MediaError (not_an_image, empty_file, media_too_large, ...)."""
    return _one("query_image", _query(path, inputs, limits), QUERY_PATIENCE_S)[1][0]


def decode_query_audio(path: Path, inputs: InputSpec, limits: MediaLimits) -> np.ndarray:
    """A sound to search by, or the sound of a film: float32 [S]. Raises MediaError (no_sound, query_too_long, ...)."""
    return _one("query_audio", _query(path, inputs, limits), QUERY_PATIENCE_S)[1][0]


def decode_query_video(
    path: Path, inputs: InputSpec, limits: MediaLimits, *, most_windows: int = MOST_QUERY_WINDOWS
) -> QueryClip:
    """A clip to search by, as at most `most_windows` windows, evenly spread.

    Raises MediaError (no_picture, query_too_long, ...).
    """
    arguments = {**_query(path, inputs, limits), "most_windows": most_windows}
    _, parts = _one("query_video", arguments, QUERY_PATIENCE_S)
    return QueryClip(parts[0], parts[1] if len(parts) > 1 else None)


def _query(path: Path, inputs: InputSpec, limits: MediaLimits) -> dict[str, Any]:
    return {"path": str(path), "inputs": asdict(inputs), **asdict(limits)}


def _running_server() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([decode_child.__name__])
    # The server ignores ctrl-C, but only once it is up, and would die of an earlier one. It inherits this mask.
    multiprocessing.resource_tracker.ensure_running()  # first, since starting it lifts the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _window_cpu_s(info: MediaInfo) -> float:
    """CPU seconds for a whole film: a bound on work without end, generous, since patience ends what hangs."""
    pixels = (info.width or 0) * (info.height or 0)
    return (120 + 4 * info.duration_s) * max(1.0, pixels / (1280 * 720))


def _one(task: str, arguments: dict[str, Any], patience_s: float) -> tuple[dict[str, Any], Parts]:
    with contextlib.closing(_messages(task, arguments, patience_s, cpu_s=2 * patience_s)) as messages:
        for message in messages:
            return message
    raise CRASHED


def _messages(
    task: str, arguments: dict[str, Any], patience_s: float, cpu_s: float
) -> Generator[tuple[dict[str, Any], Parts], None, None]:
    """Runs one task in a fresh child and yields what it sends. Raises MediaError."""
    context = _running_server()
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=decode_child.main, args=(writer, task, arguments, int(cpu_s) + 1), daemon=True)
    process.start()
    writer.close()
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    try:
        while True:
            # A timer and not poll(): a child could also stop in the middle of a message.
            timer = threading.Timer(patience_s, give_up)
            timer.daemon = True
            timer.start()
            try:
                header, parts = receive(reader)
            finally:
                timer.cancel()
            if header.get("end"):
                return
            if "error" in header:
                raise MediaError(header["error"], header["message"])
            if "crash" in header:
                log.error("the decode child failed on %s: %s", arguments.get("path"), header["crash"])
                raise CRASHED
            yield header, parts
    except (EOFError, OSError, BadMessage):
        process.kill()
        process.join()
        raise (TIMED_OUT if late.is_set() or process.exitcode == -signal.SIGXCPU else CRASHED) from None
    finally:
        reader.close()
        process.kill()
        process.join()
        process.close()
