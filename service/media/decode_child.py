"""What runs inside the confined child: the only code of the service that parses media."""

import codecs
import contextlib
import io
import json
import os
import signal
import socket
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

import av
import numpy as np
from PIL import Image

from models.bundle import InputSpec
from models.preprocess import media
from models.preprocess.media import MediaError, MediaInfo
from models.preprocess.one_pass import OnePass
from models.preprocess.resize import Resizer, quarter_turns
from models.preprocess.windows import fit_frames, spread, window_starts
from service.media import sandbox
from service.media.pipe import Parts, send
from service.parent_death import end_with_parent

# Frame-threaded decoding of the largest pictures that are accepted (50 megapixels) needs about 2 GiB of addresses.
MEMORY_BYTES = 4 * 1024**3
OPEN_FILES = 32
# What texts inside media (titles, comments) may be written in.
ENCODINGS = ("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp437")
# A window is silent below -80 dBFS: its embedding would be that of any other silence.
SILENCE = 1e-4
# Sounds are indexed this often per hop, so that three seconds from anywhere are at most 0.2 s off an indexed start
# (docs/decisions.md has what that gives).
SOUNDS_PER_HOP = 4
# Bytes of a file that may be in memory all at once.
SMALL_FILE = 16 * 1024**2
# A preview is so many small pictures side by side.
PREVIEW_PICTURES = 8
PREVIEW_SIDE = 160

Message = tuple[dict[str, Any], Parts]


class OneFile:
    """The file that was handed over open, as a file object. Each has a place of its own, so two can be read at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._at = 0

    def again(self) -> "OneFile":
        """The same file from its beginning."""
        return OneFile(self._descriptor)

    def read(self, size: int = -1) -> bytes:
        data = os.pread(self._descriptor, self.size if size < 0 else size, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at


Source = OneFile | OnePass


def warm_up() -> None:
    """Loads all that decoding loads on its first use: a confined child can open no file, and is to begin at once."""
    for name in ENCODINGS:
        codecs.lookup(name)
    Image.init()
    av.logging.set_level(None)
    still = Image.new("RGB", (16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a turn
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        file = io.BytesIO()
        still.save(file, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
        media.read_image(file.getvalue(), 8, 8)
    limits = {"max_duration_s": 60.0, "max_pixels": 10**6, "max_streams": 9, "max_frames": 10**6}
    with tempfile.TemporaryFile() as opened:
        opened.write(_small_film())
        opened.flush()
        film = OneFile(opened.fileno())
        ((found, _),) = probe(film.again(), **limits)
        for resize in ("area", "bilinear"):
            spec = InputSpec(0.4, 0.2, 4, 8, 8, 16_000, 16, "waveform", resize)
            list(query_video(film.again(), asdict(spec), limits, 2))
            list(windows(film.again(), asdict(spec), found["info"], 8, True, 1, 0))
    _failure(MemoryError())
    traceback.format_exc()
    sandbox.prepare()


def _small_film() -> bytes:
    """A second of noise, seen and heard, as an mp4."""
    film = io.BytesIO()
    noise = np.random.default_rng(0)
    with av.open(film, "w", format="mp4") as container:
        picture, sound = container.add_stream("mpeg4", 10), container.add_stream("aac", 44_100)
        picture.width = picture.height = 16
        picture.pix_fmt = "yuv420p"
        picture.codec_context.thread_count = sound.codec_context.thread_count = 1
        for _ in range(10):
            shown = noise.integers(0, 256, (16, 16, 3), np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        heard = noise.uniform(-0.5, 0.5, (2, 44_100)).astype(np.float32)
        wave = av.AudioFrame.from_ndarray(heard, "fltp", "stereo")
        wave.sample_rate = 44_100
        container.mux([*sound.encode(wave), *picture.encode(None), *sound.encode(None)])
    return film.getvalue()


def serve(descriptor: int) -> None:
    """All of a child's life: confined first, then one task that comes over the socket `descriptor`, then the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the owner's to handle
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    server = os.getppid()
    confined_by = sandbox.confine(MEMORY_BYTES, OPEN_FILES)
    end_with_parent()  # the fork server; after becoming nobody, which forgets it
    if os.getppid() != server:
        os._exit(1)
    told, files, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(descriptor)), 1, 1)
    if not told:  # the owner needs no more children
        os._exit(0)
    connection = Connection(descriptor)
    order = json.loads(connection.recv_bytes())
    sandbox.limit_cpu(order["cpu_s"])
    given: dict[str, Any] = {"file": OneFile(files[0])} if files else {"confined_by": confined_by}
    _run(connection, order["task"], {**given, **order["arguments"]})
    connection.close()
    os._exit(0)


def _run(connection: Connection, task: str, arguments: dict[str, Any]) -> None:
    """Sends a task's messages, and then the end or an error. Nothing to say means that the owner is gone."""
    with contextlib.suppress(OSError):
        try:
            for header, parts in TASKS[task](**arguments):
                send(connection, header, parts)
            send(connection, {"end": True}, [])
        except Exception as error:
            send(connection, _failure(error), [])


def _failure(error: Exception) -> dict[str, Any]:
    """The message that says why a task came to nothing."""
    if isinstance(error, MediaError):
        return {"error": error.code, "message": error.message}
    if isinstance(error, MemoryError):
        message = "Decoding this file needs more memory than is allowed. Send it in a smaller picture size."
        return {"error": "media_too_large", "message": message}
    if isinstance(error, av.FFmpegError | OSError | ValueError | ArithmeticError | Image.DecompressionBombError):
        message = "The file is damaged: it begins well, but cannot be decoded. Convert it, or send another copy."
        return {"error": "truncated_media", "message": message, "because": repr(error)[:500]}
    # A fault of ours, or something that a hostile file found: the owner's log should say which.
    return {"crash": "".join(traceback.format_exception(error))[-4000:]}


def check(confined_by: list[str]) -> Iterator[Message]:
    """One message with what this child cannot do, tried: for the log, and for tests."""
    attempts: dict[str, Callable[[], object]] = {
        "read a file": lambda: os.open(__file__, os.O_RDONLY),
        "write a file": lambda: os.open("/tmp/mmv-search-child", os.O_WRONLY | os.O_CREAT, 0o600),
        "remove a file": lambda: os.unlink("/tmp/mmv-search-child"),
        "use the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "use a local socket": lambda: socket.socketpair(),
        "start a program": lambda: os.execv("/bin/true", ["true"]),
        "fork": _fork_and_leave,
        "signal another process": lambda: os.kill(os.getppid(), 0),
        "take all memory": lambda: bytearray(MEMORY_BYTES + 1),
    }
    refused = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, MemoryError):
            refused.append(name)
    yield {"confined_by": confined_by, "refused": refused, "tried": list(attempts)}, []


def _fork_and_leave() -> None:
    if os.fork() == 0:
        os._exit(0)


def probe(file: OneFile, **limits: Any) -> Iterator[Message]:
    """One message with what the file holds."""
    info = media.probe(file, **limits)
    yield {"info": asdict(info)}, []


def query_image(file: OneFile, inputs: dict[str, Any], limits: dict[str, Any]) -> Iterator[Message]:
    """One message with a still, uint8 [H, W, 3]."""
    spec = InputSpec(**inputs)
    picture = file.read()  # at most as large as a query may be
    yield {}, [media.read_image(picture, spec.frame_height, spec.frame_width, limits["max_pixels"], spec.resize)]


def query_audio(file: OneFile, inputs: dict[str, Any], limits: dict[str, Any]) -> Iterator[Message]:
    """One message with a sound, float32 [S]."""
    spec = InputSpec(**inputs)
    info = _probe_query(file, limits)
    if not info.has_audio:
        raise MediaError("no_sound", "The file has no sound to search by. Send a sound, or a film that has one.")
    waveform = _whole_sound(file, spec.sample_rate, info.duration_s)
    if waveform is None:
        raise MediaError("no_sound", "The sound of this file is silent from start to end, so there is nothing to find.")
    yield {}, [waveform]


def query_video(file: OneFile, inputs: dict[str, Any], limits: dict[str, Any], most_windows: int) -> Iterator[Message]:
    """One message with windows, uint8 [N, T, H, W, 3], and the sound, float32 [S], where there is one."""
    spec = InputSpec(**inputs)
    info = _probe_query(file, limits)
    if not info.has_video:
        raise MediaError("no_picture", "The file has no moving picture. Search by sound instead.")
    if info.is_image:
        raise MediaError("no_picture", "The file is a still image, not a clip. Search by image instead.")
    shown = media.frames_on_grid(file, spec.step_s, threads=2, max_pixels=limits["max_pixels"])
    frames = map(Resizer(spec.frame_height, spec.frame_width, spec.resize), shown)
    longest = int(info.duration_s / spec.step_s) + spec.frames  # whatever the pictures' own times say
    grid = np.stack(list(islice(frames, longest)) or [_none()])
    starts = window_starts(len(grid) * spec.step_s, spec.window_s, spec.hop_s, spec.step_s)
    firsts = [round(starts[i] / spec.step_s) for i in spread(len(starts), most_windows)]
    windows = np.stack([fit_frames(grid[first : first + spec.frames], spec.frames) for first in firsts])
    waveform = _whole_sound(file, spec.sample_rate, info.duration_s) if info.has_audio else None
    yield {}, [windows] if waveform is None else [windows, waveform]


def _none() -> np.ndarray:
    raise MediaError("truncated_media", "No picture of this clip can be decoded. Convert it, or send another copy.")


def _probe_query(file: OneFile, limits: dict[str, Any]) -> MediaInfo:
    try:
        return media.probe(file, **limits)
    except MediaError as error:
        if error.code == "media_too_long":
            message = f"A query lasts at most {limits['max_duration_s']:.0f} s. Cut out the moment that you are after."
            raise MediaError("query_too_long", message) from None
        raise


def _whole_sound(file: OneFile, rate: int, duration_s: float) -> np.ndarray | None:
    """float32 [S]; None when it is silent or cannot be decoded."""
    chunks = list(islice(media.read_audio(file.again(), rate), int(duration_s) + 3))  # of a second each
    waveform = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return waveform if _audible(waveform) else None


def _audible(waveform: np.ndarray) -> bool:
    return bool(len(waveform)) and float(np.sqrt(np.dot(waveform, waveform) / len(waveform))) >= SILENCE


def windows(
    file: OneFile,
    inputs: dict[str, Any],
    info: dict[str, Any],
    thumbnail_width: int,
    preview: bool,
    threads: int,
    first_window: int,
) -> Iterator[Message]:
    """A message for each window of the film from `first_window` on (see `confined.DecodedWindow`)."""
    spec, facts = InputSpec(**inputs), MediaInfo(**info)
    starts = window_starts(facts.duration_s, spec.window_s, spec.hop_s, spec.step_s)
    if first_window >= len(starts):
        return  # all were there already: a crash came between the last and the end of the ingest
    firsts = [round(start / spec.step_s) for start in starts]
    shown = _preview_frames(facts.duration_s, spec.step_s) if preview else []
    with _sources(file, whole=first_window == 0) as (visible, audible):
        picture = _Picture(visible, spec, facts, firsts, first_window, thumbnail_width, shown, threads)
        sound = _Sound(audible, spec, facts, starts[first_window] if first_window else 0.0)
        for number in range(first_window, len(starts)):
            start, first = starts[number], firsts[number]
            following = starts[number + 1] if number + 1 < len(starts) else None
            named: dict[str, np.ndarray] = {}
            new_from = new_count = 0
            if facts.has_video:
                frames, new_from, new_count = picture.window(first, loop=len(starts) == 1)
                if frames is not None:
                    named["frames"] = frames
                    if (jpeg := picture.thumbnail(first)) is not None:
                        named["thumbnail"] = jpeg
            sound_starts: list[float] = []
            if facts.has_audio and (heard := sound.window(start, following)) is not None:
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
            previewed = picture.take_preview()
            if previewed:
                named["preview"] = np.stack([small for _, small in previewed])
                header |= {"names": list(named), "preview_at": [at for at, _ in previewed]}
            yield header, list(named.values())


@contextlib.contextmanager
def _sources(file: OneFile, *, whole: bool) -> Iterator[tuple[Source, Source]]:
    """Where picture and sound are read: in one pass, unless a film is large, or each is to be sought in its middle."""
    if whole and file.size <= SMALL_FILE:
        with contextlib.closing(media.in_one_pass(file)) as both:
            yield both, both
    else:
        yield file.again(), file.again()


def _preview_frames(duration_s: float, step_s: float) -> list[int]:
    """Grid indices of the pictures of a preview, evenly spread; the same one several times in a short film."""
    count = max(1, int(duration_s / step_s))
    return [at * count // PREVIEW_PICTURES for at in range(PREVIEW_PICTURES)]


class _Picture:
    """The frame grid of a film, read forwards and kept only as long as a window needs it."""

    def __init__(
        self,
        source: Source,
        spec: InputSpec,
        facts: MediaInfo,
        firsts: list[int],
        first_window: int,
        thumbnail_width: int,
        preview: list[int],
        threads: int,
    ):
        begin = firsts[first_window] if first_window else 0
        # What the header says was accepted; a picture inside may be larger than that, within the usual limit.
        most = max(media.MAX_PIXELS, (facts.width or 0) * (facts.height or 0))
        self._source = media.frames_on_grid(source, spec.step_s, threads, begin * spec.step_s, most)
        self._spec = spec
        self._middles = {first + spec.frames // 2 for first in firsts}
        self._resize = Resizer(spec.frame_height, spec.frame_width, spec.resize)
        self._jpegs = _Jpegs(thumbnail_width)
        self._frames: deque[np.ndarray] = deque()
        self._first = begin  # index of _frames[0]
        # Frames before this one were new in an earlier window.
        self._embedded = firsts[first_window - 1] + spec.frames if first_window else 0
        self._thumbnails: dict[int, np.ndarray] = {}
        self._last: tuple[av.VideoFrame, np.ndarray] | None = None
        # What stands in for the middle of a window that has none: the first picture, or the latest thumbnail.
        self._first_frame: av.VideoFrame | None = None
        self._last_jpeg: np.ndarray | None = None
        self._preview = preview
        self._previewed: list[tuple[int, np.ndarray]] = []
        self._resize_preview = Resizer(*_preview_shape(facts.width or 1, facts.height or 1))

    def take_preview(self) -> list[tuple[int, np.ndarray]]:
        """Pictures of the preview that came since the last call: which one it is, uint8 [h, w, 3]."""
        taken, self._previewed = self._previewed, []
        return taken

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
        if self._last_jpeg is None and self._first_frame is not None:
            self._last_jpeg = self._jpegs.make(self._first_frame)
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
            self._last = (frame, self._resize(frame))
        self._frames.append(self._last[1])
        if self._first_frame is None:
            self._first_frame = frame
        if index in self._middles:
            self._last_jpeg = self._jpegs.make(frame)
            self._thumbnails[index] = self._last_jpeg
        if index in self._preview:
            small = self._resize_preview(frame)
            self._previewed += [(at, small) for at, wanted in enumerate(self._preview) if wanted == index]
        return True


class _Sound:
    """The sound of a film, read forwards and kept only as long as a window needs it."""

    def __init__(self, source: Source, spec: InputSpec, facts: MediaInfo, begin_s: float):
        self._source = media.read_audio(source, spec.sample_rate, start_s=begin_s)
        self._rate = spec.sample_rate
        self._length = round(spec.window_s * spec.sample_rate)
        self._spec = spec
        self._step_s = spec.hop_s / SOUNDS_PER_HOP
        self._duration_s = facts.duration_s
        self._held = np.zeros(0, np.float32)
        self._at = round(begin_s * spec.sample_rate)  # sample number of _held[0]

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


def _preview_shape(width: int, height: int) -> tuple[int, int]:
    """Height and width of a preview's pictures, as the film is shown; the longer side has PREVIEW_SIDE pixels."""
    scale = PREVIEW_SIDE / max(width, height)
    return max(8, round(height * scale)), max(8, round(width * scale))


class _Jpegs:
    """Frames as JPEGs of one width, each in its own shape (turned and stretched as it is to be shown)."""

    def __init__(self, width: int):
        self._width = width
        self._resizers: dict[int, Resizer] = {}  # by height: nearly always one

    def make(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 [n], the bytes of the file."""
        shown_w, shown_h = frame.width, frame.height
        if quarter_turns(frame) % 2:
            shown_w, shown_h = shown_h, shown_w
        height = min(max(round(self._width * shown_h / shown_w), 16), 4 * self._width)
        resize = self._resizers.setdefault(height, Resizer(height, self._width))
        buffer = io.BytesIO()
        Image.fromarray(resize(frame)).save(buffer, "JPEG", quality=82)
        return np.frombuffer(buffer.getvalue(), np.uint8)


TASKS: dict[str, Callable[..., Iterator[Message]]] = {
    "check": check,
    "probe": probe,
    "windows": windows,
    "query_image": query_image,
    "query_audio": query_audio,
    "query_video": query_video,
}
