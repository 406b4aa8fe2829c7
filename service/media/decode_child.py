"""What runs inside the confined child: the only code of the service that parses media."""

import contextlib
import io
import os
import resource
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

import av
import numpy as np
from PIL import Image

from models.bundle import InputSpec
from models.preprocess import media
from models.preprocess.media import MediaError, MediaInfo
from models.preprocess.windows import fit_frames, spread, window_starts
from service.media.pipe import Parts, send
from service.parent_death import end_with_parent

# Frame-threaded decoding of the largest pictures that are accepted (50 megapixels) needs about 2 GiB of addresses.
MEMORY_BYTES = 4 * 1024**3
OPEN_FILES = 32
# A window is silent below -80 dBFS: its embedding would be that of any other silence.
SILENCE = 1e-4
# Sounds are indexed this often per hop, so that three seconds from anywhere are at most 0.2 s off an indexed start
# (docs/decisions.md has what that gives).
SOUNDS_PER_HOP = 4

Message = tuple[dict[str, Any], Parts]


def main(connection: Connection, task: str, arguments: dict[str, Any], cpu_s: int) -> None:
    """Runs one task under limits; sends its messages, and then the end or an error."""
    _confine(cpu_s)
    try:
        for header, parts in TASKS[task](**arguments):
            send(connection, header, parts)
        send(connection, {"end": True}, [])
    except MediaError as error:
        send(connection, {"error": error.code, "message": error.message}, [])
    except MemoryError:
        message = "Decoding this file needs more memory than is allowed. Send it in a smaller picture size."
        send(connection, {"error": "media_too_large", "message": message}, [])
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, Image.DecompressionBombError):
        message = "The file is damaged: it begins well, but cannot be decoded. Convert it, or send another copy."
        with contextlib.suppress(OSError):  # the parent may be gone
            send(connection, {"error": "truncated_media", "message": message}, [])
    except Exception:  # a fault of ours, or something that a hostile file found: the parent's log should say which
        with contextlib.suppress(OSError):
            send(connection, {"crash": traceback.format_exc()[-4000:]}, [])
    finally:
        connection.close()


def _confine(cpu_s: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the parent's to handle
    end_with_parent()  # the fork server, which itself ends with the process that started it
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some of them
            resource.setrlimit(limit, (value, value))
    av.logging.set_level(None)


def probe(path: str, max_duration_s: float, max_pixels: int) -> Iterator[Message]:
    """One message with what the file holds."""
    info = media.probe(path, max_duration_s=max_duration_s, max_pixels=max_pixels)
    yield {"info": asdict(info)}, []


def query_image(path: str, inputs: dict[str, Any], max_duration_s: float, max_pixels: int) -> Iterator[Message]:
    """One message with a still, uint8 [H, W, 3]."""
    spec = InputSpec(**inputs)
    yield {}, [media.read_image(path, spec.frame_height, spec.frame_width, max_pixels, spec.resize)]


def query_audio(path: str, inputs: dict[str, Any], max_duration_s: float, max_pixels: int) -> Iterator[Message]:
    """One message with a sound, float32 [S]."""
    spec = InputSpec(**inputs)
    info = _probe_query(path, max_duration_s, max_pixels)
    if not info.has_audio:
        raise MediaError("no_sound", "The file has no sound to search by. Send a sound, or a film that has one.")
    waveform = _whole_sound(path, spec.sample_rate, max_duration_s)
    if waveform is None:
        raise MediaError("no_sound", "The sound of this file is silent from start to end, so there is nothing to find.")
    yield {}, [waveform]


def query_video(
    path: str, inputs: dict[str, Any], max_duration_s: float, max_pixels: int, most_windows: int
) -> Iterator[Message]:
    """One message with windows, uint8 [N, T, H, W, 3], and the sound, float32 [S], where there is one."""
    spec = InputSpec(**inputs)
    info = _probe_query(path, max_duration_s, max_pixels)
    if not info.has_video:
        raise MediaError("no_picture", "The file has no moving picture. Search by sound instead.")
    if info.is_image:
        raise MediaError("no_picture", "The file is a still image, not a clip. Search by image instead.")
    frames = media.read_frames(path, spec.step_s, spec.frame_height, spec.frame_width, 2, spec.resize)
    grid = np.stack(list(frames) or [_none()])
    starts = window_starts(len(grid) * spec.step_s, spec.window_s, spec.hop_s, spec.step_s)
    firsts = [round(starts[i] / spec.step_s) for i in spread(len(starts), most_windows)]
    windows = np.stack([fit_frames(grid[first : first + spec.frames], spec.frames) for first in firsts])
    waveform = _whole_sound(path, spec.sample_rate, max_duration_s) if info.has_audio else None
    yield {}, [windows] if waveform is None else [windows, waveform]


def _none() -> np.ndarray:
    raise MediaError("truncated_media", "No picture of this clip can be decoded. Convert it, or send another copy.")


def _probe_query(path: str, max_duration_s: float, max_pixels: int) -> MediaInfo:
    try:
        return media.probe(path, max_duration_s=max_duration_s, max_pixels=max_pixels)
    except MediaError as error:
        if error.code == "media_too_long":
            message = f"A query lasts at most {max_duration_s:.0f} s. Cut out the moment that you are after."
            raise MediaError("query_too_long", message) from None
        raise


def _whole_sound(path: str, rate: int, max_duration_s: float) -> np.ndarray | None:
    """float32 [S]; None when it is silent or cannot be decoded."""
    chunks: list[np.ndarray] = []
    for chunk in media.read_audio(path, rate):
        chunks.append(chunk)
        if len(chunks) > max_duration_s + 2:  # chunks of one second: a header may lie about the length
            break
    waveform = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return waveform if _audible(waveform) else None


def _audible(waveform: np.ndarray) -> bool:
    return bool(len(waveform)) and float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) >= SILENCE


def windows(
    path: str, inputs: dict[str, Any], info: dict[str, Any], thumbnail_width: int, threads: int
) -> Iterator[Message]:
    """A message for each window of the film (see `confined.DecodedWindow`)."""
    spec, facts = InputSpec(**inputs), MediaInfo(**info)
    starts = window_starts(facts.duration_s, spec.window_s, spec.hop_s, spec.step_s)
    firsts = [round(start / spec.step_s) for start in starts]
    picture = _Picture(path, spec, firsts, thumbnail_width, threads) if facts.has_video else None
    sound = _Sound(path, spec, facts.duration_s) if facts.has_audio else None
    for number, (start, first) in enumerate(zip(starts, firsts, strict=True)):
        following = starts[number + 1] if number + 1 < len(starts) else None
        named: dict[str, np.ndarray] = {}
        new_from = new_count = 0
        if picture is not None:
            frames, new_from, new_count = picture.window(first, loop=len(starts) == 1)
            if frames is not None:
                named["frames"] = frames
                if (jpeg := picture.thumbnail(first)) is not None:
                    named["thumbnail"] = jpeg
        sound_starts: list[float] = []
        if sound is not None and (heard := sound.window(start, following)) is not None:
            sound_starts, named["sound"] = heard
        header = {
            "start_s": round(start, 6),
            "end_s": round(min(start + spec.window_s, facts.duration_s) or spec.step_s, 6),
            "new_from": new_from,
            "new_count": new_count,
            "new_time_s": round((first + new_from) * spec.step_s, 6),
            "sound_starts_s": [round(at, 6) for at in sound_starts],
            "names": list(named),
        }
        yield header, list(named.values())


class _Picture:
    """The frame grid of a film, read forwards and kept only as long as a window needs it."""

    def __init__(self, path: str, spec: InputSpec, firsts: list[int], thumbnail_width: int, threads: int):
        self._source = media.frames_on_grid(path, spec.step_s, threads)
        self._spec = spec
        self._middles = {first + spec.frames // 2 for first in firsts}
        self._width = thumbnail_width
        self._frames: deque[np.ndarray] = deque()
        self._first = 0  # index of _frames[0]
        self._embedded = 0  # frames before this one were new in an earlier window
        self._thumbnails: dict[int, np.ndarray] = {}
        self._last: tuple[av.VideoFrame, np.ndarray] | None = None
        self._last_jpeg: np.ndarray | None = None

    def window(self, first: int, loop: bool) -> tuple[np.ndarray | None, int, int]:
        """uint8 [T, H, W, 3] from grid index `first` on, where its new frames begin, and how many there are.

        None when less than half of the window has a picture; a shorter lack is filled with the last frame, and a film
        of one short window is repeated.
        """
        count = self._spec.frames
        while self._first + len(self._frames) < first + count and self._read():
            pass
        while self._frames and self._first < first:
            self._frames.popleft()
            self._first += 1
        there = list(self._frames)[:count] if self._first == first else []
        if not there or (not loop and len(there) * 2 < count):
            return None, 0, 0
        new_from = max(0, self._embedded - first)
        new_count = max(0, len(there) - new_from)
        self._embedded = max(self._embedded, first + len(there))
        if loop:
            return fit_frames(np.stack(there), count), new_from, new_count
        return np.stack(there + [there[-1]] * (count - len(there))), new_from, new_count

    def thumbnail(self, first: int) -> np.ndarray | None:
        """JPEG bytes, uint8 [n], of a window's middle, or of the last picture before it."""
        middle = first + self._spec.frames // 2
        jpeg = self._thumbnails.get(middle, self._last_jpeg)
        for old in [index for index in self._thumbnails if index <= first]:
            del self._thumbnails[old]
        return jpeg

    def _read(self) -> bool:
        frame = next(self._source, None)
        if frame is None:
            return False
        index = self._first + len(self._frames)
        if self._last is None or self._last[0] is not frame:
            small = media.resize_cover(frame, self._spec.frame_height, self._spec.frame_width, self._spec.resize)
            self._last = (frame, small)
        self._frames.append(self._last[1])
        if index in self._middles or self._last_jpeg is None:
            self._last_jpeg = _jpeg(frame, self._width)
            self._thumbnails[index] = self._last_jpeg
        return True


class _Sound:
    """The sound of a film, read forwards and kept only as long as a window needs it."""

    def __init__(self, path: str, spec: InputSpec, duration_s: float):
        self._source = media.read_audio(path, spec.sample_rate)
        self._rate = spec.sample_rate
        self._length = round(spec.window_s * spec.sample_rate)
        self._spec = spec
        self._step_s = spec.hop_s / SOUNDS_PER_HOP
        self._duration_s = duration_s
        self._held = np.zeros(0, np.float32)
        self._at = 0  # sample number of _held[0]

    def window(self, start_s: float, following_s: float | None) -> tuple[list[float], np.ndarray] | None:
        """Start times, in seconds, and float32 [n, S]: the window's sound, and that from steps before the next one.

        None when all is silent. A sound of a single window keeps its own length; what ends within a window is followed
        by silence.
        """
        if following_s is not None:
            later = np.arange(start_s + self._step_s, following_s - 1e-6, self._step_s).tolist()
        else:  # the last window lies on the frame grid: go to the very end of the sound too
            end = self._duration_s - self._spec.window_s
            later = [end] if end > start_s + 1e-3 else []
        main = self._cut(start_s)
        if start_s == 0.0 and following_s is None and len(main) < self._length:
            return ([0.0], main[None]) if _audible(main) else None
        cuts = [(start_s, np.pad(main, (0, self._length - len(main))))] if 2 * len(main) >= self._length else []
        cuts += [(at, cut) for at in later if len(cut := self._cut(at)) == self._length]
        cuts = [(at, cut) for at, cut in cuts if _audible(cut)]
        return ([at for at, _ in cuts], np.stack([cut for _, cut in cuts])) if cuts else None

    def _cut(self, start_s: float) -> np.ndarray:
        start = round(start_s * self._rate)
        if start > self._at:
            skipped = min(start - self._at, len(self._held))
            self._held, self._at = self._held[skipped:], self._at + skipped
        chunks = [self._held]
        held = len(self._held)
        while self._at + held < start + self._length:
            chunk = next(self._source, None)
            if chunk is None:
                break
            chunks.append(chunk)
            held += len(chunk)
        self._held = np.concatenate(chunks)
        offset = start - self._at
        return self._held[offset : offset + self._length]


def _jpeg(frame: av.VideoFrame, width: int) -> np.ndarray:
    """A frame as a JPEG of `width` pixels, in its own shape (turned and stretched as it is to be shown)."""
    shown_w, shown_h = frame.width, frame.height
    if media.quarter_turns(frame) % 2:
        shown_w, shown_h = shown_h, shown_w
    height = min(max(round(width * shown_h / shown_w), 16), 4 * width)
    buffer = io.BytesIO()
    Image.fromarray(media.resize_cover(frame, height, width)).save(buffer, "JPEG", quality=82)
    return np.frombuffer(buffer.getvalue(), np.uint8)


TASKS: dict[str, Callable[..., Iterator[Message]]] = {
    "probe": probe,
    "windows": windows,
    "query_image": query_image,
    "query_audio": query_audio,
    "query_video": query_video,
}
