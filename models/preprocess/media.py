"""Reading media with ffmpeg (PyAV): probe, frames on a regular time grid, mono sound, still images.

Everything here parses untrusted bytes: the service calls it only inside its confined child process. Times are seconds
from the start of the picture (of the sound, when there is no picture).
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from models.preprocess.one_pass import OnePass
from models.preprocess.resize import Resizer, quarter_turns, resize_cover
from models.preprocess.unseen import Unseen

# Self-contained containers only: no playlists, no concatenation scripts, nothing that opens other files or the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,mpegtsraw,flv,ogg,wav,w64,mp3,flac,aac,asf,gif,aiff,amr,caf,"
    "ac3,eac3,dts,au,h264,hevc,av1,ivf,obu,m4v,mjpeg,mxf,nut,rm,wv,tta,ape,opus,dv,yuv4mpegpipe,apng,"
    "png_pipe,jpeg_pipe,jpegxl_pipe,webp_pipe,bmp_pipe,tiff_pipe,image2,ico"
)
OPTIONS = {"format_whitelist": FORMATS}
# ffmpeg opens the file itself, or is handed one that is open and can open nothing.
PATH_OPTIONS = {**OPTIONS, "protocol_whitelist": "file"}
OPEN_FILE_OPTIONS = {**OPTIONS, "protocol_whitelist": "none"}
MAX_PIXELS = 50_000_000
MAX_STREAMS = 64
MAX_FRAMES = 2_000_000  # four hours at 120 a second and some
# Sound that no recorder makes: it would be a bomb.
MAX_SAMPLE_RATE, MAX_CHANNELS = 768_000, 64
# Formats whose duration ffmpeg guesses from the bit rate, or that recorders declare wrongly: it tells nothing of a cut.
ESTIMATED = {
    "mp3",
    "aac",
    "ac3",
    "eac3",
    "dts",
    "mpegts",
    "mpegtsraw",
    "mpeg",
    "mpegvideo",
    "avi",
    "h264",
    "hevc",
    "m4v",
}
# Bare streams without time stamps: ffmpeg counts frames, and miscounts where the sampling rate changes.
UNTIMED = {"mp3", "aac", "ac3", "eac3", "dts"}
# Sound is moved to where its time stamps say only when it is further off than stamps are inexact.
SOUND_TOLERANCE_S = 0.05
MAX_OVERLAP_S = 1.0  # further back: a clock that was set anew, not sound that comes twice
MAX_SILENCE_S = 3600.0  # the longest pause in a file of unknown duration
# With an index of the pictures that decoding can begin with; in others a seek may end between those, or behind them.
INDEXED = {"mov", "mp4", "matroska", "webm", "avi"}
SEEK_BEFORE_S = 0.5  # sound codecs need some packets before the first that sounds right


class OpenFile(Protocol):
    """What is needed of a file that is open already, such as a video inside a shard."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


Media = str | Path | OpenFile


class MediaError(Exception):
    """A file that cannot be used. `code` is stable; the message says what is wrong and what would be right."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds. `duration_s` is 0 for a still image; width and height are those shown, in pixels."""

    duration_s: float
    has_video: bool
    has_audio: bool
    width: int | None
    height: int | None
    fps: float | None
    container: str
    video_codec: str | None
    audio_codec: str | None
    is_image: bool = False


def probe(
    path: Media,
    *,
    max_duration_s: float | None = None,
    max_pixels: int = MAX_PIXELS,
    max_streams: int = MAX_STREAMS,
    max_frames: int = MAX_FRAMES,
) -> MediaInfo:
    """Check the headers of a file against the limits, walk its packets, and then decode its first picture.

    Raises MediaError: empty_file, not_media, truncated_media, no_streams, media_too_long, media_too_large,
    media_too_complex, unsupported_media.
    """
    size = Path(path).stat().st_size if isinstance(path, str | Path) else path.seek(0, SEEK_END)
    if size == 0:
        raise MediaError("empty_file", "The file is empty (0 bytes). Send the media file itself.")
    with closing(_open(path)) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        if len(container.streams) > max_streams:
            raise _too_complex(f"{len(container.streams)} tracks", f"{max_streams}")
        if video is None and audio is None:
            raise MediaError("no_streams", "The file has neither a picture nor a sound track that can be decoded.")
        if audio is not None:
            _check_sound(audio)
        width = height = None
        fps = None
        if video is not None:
            width, height = video.codec_context.width, video.codec_context.height
            if width * height > max_pixels:
                raise MediaError(
                    "media_too_large", f"The picture has {width}x{height} pixels; at most {max_pixels:,} are accepted."
                )
            if video.frames > max_frames:
                raise _too_complex(f"{video.frames:,} pictures", f"{max_frames:,}")
            fps = float(video.average_rate) if video.average_rate else None
        is_image = _is_image(container, video, audio)
        declared = container.duration / av.time_base if container.duration else 0.0
        if max_duration_s is not None and declared > max_duration_s:
            raise MediaError(
                "media_too_long",
                f"The file lasts {declared:.0f} s; at most {max_duration_s:.0f} s are accepted. Cut it into parts.",
            )
        duration = 0.0 if is_image else _walk_packets(container, video, audio, declared, size, max_frames)
        info = MediaInfo(
            duration_s=duration,
            has_video=video is not None,
            has_audio=audio is not None,
            width=width,
            height=height,
            fps=fps,
            container=container.format.name,
            video_codec=video.codec_context.name if video is not None else None,
            audio_codec=audio.codec_context.name if audio is not None else None,
            is_image=is_image,
        )
    if max_duration_s is not None and duration > max_duration_s:
        raise MediaError(
            "media_too_long", f"The file lasts {duration:.0f} s; at most {max_duration_s:.0f} s are accepted."
        )
    return _first_frame(path, info, max_pixels)


def read_frames(
    path: Media,
    step_s: float,
    height: int,
    width: int,
    threads: int = 1,
    method: str = "area",
    start_s: float = 0.0,
) -> Iterator[np.ndarray]:
    """Frames `step_s` apart from `start_s` on: for each time the picture on show then, as uint8 [height, width, 3].

    Memory stays that of one decoded frame, whatever the film's length. Stops at the end, or where decoding breaks.
    `method` is that of `Resizer`.
    """
    resize = Resizer(height, width, method)
    for frame in frames_on_grid(path, step_s, threads, start_s):
        yield resize(frame)


def in_one_pass(media: Media) -> OnePass:
    """A small file, opened once for `frames_on_grid` and `read_audio` together, from the start on. Close it afterwards.

    Raises MediaError.
    """
    container = _open(media)
    streams = (_video_stream(container), _audio_stream(container))
    return OnePass(container, [stream for stream in streams if stream is not None])


def frames_on_grid(
    path: Media | OnePass, step_s: float, threads: int = 1, start_s: float = 0.0, max_pixels: int = MAX_PIXELS
) -> Iterator[av.VideoFrame]:
    """As `read_frames`, but frames of the film's own size: the same object as often as it is still on show.

    Films with oblong pixels are stretched to square ones, as players do. Pictures of more than `max_pixels`, whatever
    the header said, are passed over.
    """
    with _opened(path) as (container, packets):
        stream = _video_stream(container)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        # Of the film's first frame; unknown until it is decoded, but where a seek passes over it the header says it.
        start = _begin(stream) + start_s if _seek(container, stream, start_s) else None
        shown: av.VideoFrame | None = None
        step, last, last_at = 0, None, 0.0
        aspect = _aspect(stream)
        unseen = Unseen(stream, step_s)
        for frame in _decoded(unseen.passed(packets(stream))):
            t = frame.time if frame.time is not None else _end(last, last_at, stream)
            last, last_at = frame, t
            if start is None:
                start = t + start_s
            # Half pictures, which come two to a frame, are all decoded.
            unseen.start = None if frame.interlaced_frame else start
            t -= start
            while shown is not None and step * step_s < t - 1e-6:
                yield shown
                step += 1
            shown = frame if aspect == 1 else _stretched(frame, aspect)
        while shown is not None and start is not None and step * step_s < _end(last, last_at, stream) - start - 1e-6:
            yield shown
            step += 1


def read_audio(
    path: Media | OnePass, rate: int, *, chunk: int | None = None, start_s: float = 0.0
) -> Iterator[np.ndarray]:
    """Mono sound at `rate` Hz as float32 chunks in [-1, 1], each of `chunk` samples but the last (one second if None).

    Sample 0 is `start_s` after the moment the picture starts: earlier sound is dropped, later sound is preceded by
    silence. Gaps in the sound (pauses of a recording, lost or damaged packets) are silence too, so that what follows
    keeps its place.
    """
    chunk = chunk or rate
    buffer: list[np.ndarray] = []
    held = 0
    for samples in _sound_in_place(path, rate, start_s):
        buffer.append(samples)
        held += len(samples)
        if held >= chunk:
            joined = np.concatenate(buffer)
            for i in range(0, held - chunk + 1, chunk):
                yield joined[i : i + chunk]
            buffer, held = [joined[held - held % chunk :]], held % chunk
    if held:
        yield np.concatenate(buffer)


def read_image(
    source: str | Path | bytes, height: int, width: int, max_pixels: int = MAX_PIXELS, method: str = "area"
) -> np.ndarray:
    """A still image as uint8 [height, width, 3]: upright, on white where it is transparent, resized as frames are.

    Raises MediaError: empty_file, not_an_image, media_too_large.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise MediaError("empty_file", "The file is empty (0 bytes). Send the image itself.")
    try:
        image: Image.Image = Image.open(BytesIO(data))
        if image.width * image.height > max_pixels:
            raise MediaError(
                "media_too_large",
                f"The image has {image.width}x{image.height} pixels; at most {max_pixels:,} are accepted.",
            )
        image = ImageOps.exif_transpose(image)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        rgb = np.asarray(image.convert("RGB"))
    except UnidentifiedImageError:
        raise MediaError(
            "not_an_image", "This file is not a picture that can be read. Send a JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from None
    except Image.DecompressionBombError:
        raise MediaError(
            "media_too_large", f"The image has far more than the {max_pixels:,} pixels that are accepted."
        ) from None
    except (OSError, ValueError, SyntaxError) as error:
        raise MediaError("not_an_image", f"The picture is damaged and cannot be read ({error}).") from None
    return resize_cover(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), height, width, method)


def _stretched(frame: av.VideoFrame, aspect: float) -> av.VideoFrame:
    """With square pixels, and upright: a frame made anew does not carry the container's rotation."""
    wide = frame.reformat(width=max(1, round(frame.width * aspect)))
    turns = quarter_turns(frame)
    if not turns:
        return wide
    picture = np.rot90(wide.to_ndarray(format="rgb24"), turns)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def _open(media: Media) -> "av.container.InputContainer":
    try:
        if isinstance(media, str | Path):
            return av.open(str(media), options=PATH_OPTIONS)
        media.seek(0)
        return av.open(media, options=OPEN_FILE_OPTIONS)
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        if isinstance(error, MemoryError):
            raise
        head = _head(media)
        if head[4:8] == b"ftyp":
            raise MediaError(
                "truncated_media", "The mp4 is incomplete: its index is missing. Send the whole file."
            ) from None
        raise MediaError(
            "not_media",
            "This is not a video, sound or picture file that ffmpeg can read, whatever its name says. "
            "Send for example an mp4, mkv, webm, mp3, wav, flac, jpg or png.",
        ) from None


@contextmanager
def _opened(
    media: Media | OnePass,
) -> "Iterator[tuple[av.container.InputContainer, Callable[[av.stream.Stream], Iterator[av.packet.Packet]]]]":
    """A file, and what gives the packets of one of its streams."""
    if isinstance(media, OnePass):
        yield media.container, media.packets
        return
    with closing(_open(media)) as container:
        yield container, container.demux


def _head(media: Media) -> bytes:
    """The first bytes."""
    if isinstance(media, str | Path):
        with Path(media).open("rb") as file:
            return file.read(64)
    media.seek(0)
    return media.read(64)


def _begin(stream: "av.stream.Stream") -> float:
    """When a stream's first frame is due, on the container's clock."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _seek(container: "av.container.InputContainer", stream: "av.stream.Stream", start_s: float) -> bool:
    """Go where decoding can begin for a time after the stream's beginning; False: the beginning is that place."""
    names = set(container.format.name.split(","))
    if start_s <= 0 or not stream.time_base or names & UNTIMED or (stream.type == "video" and not names & INDEXED):
        return False
    try:
        container.seek(int((_begin(stream) + start_s) / float(stream.time_base)), stream=stream)
    except av.FFmpegError:
        return False
    return True


def _video_stream(container: "av.container.InputContainer") -> "av.video.stream.VideoStream | None":
    """The first decodable picture stream, cover art left out."""
    for stream in container.streams.video:
        attached = bool(stream.disposition & av.stream.Disposition.attached_pic)
        if not attached and stream.codec_context is not None and stream.codec_context.width:
            return stream
    return None


def _audio_stream(container: "av.container.InputContainer") -> "av.audio.stream.AudioStream | None":
    for stream in container.streams.audio:
        if stream.codec_context is not None and stream.codec_context.sample_rate:
            return stream
    return None


def _is_image(container: "av.container.InputContainer", video: object, audio: object) -> bool:
    name = container.format.name
    still = name.endswith("_pipe") or name in ("image2", "ico")
    return video is not None and audio is None and still


def _end(frame: av.VideoFrame | None, at_s: float, stream: "av.video.stream.VideoStream") -> float:
    """When a frame that came at a time is to go, in seconds; 0 for none."""
    return 0.0 if frame is None else at_s + _frame_seconds(frame, stream)


def _frame_seconds(frame: av.VideoFrame, stream: "av.video.stream.VideoStream") -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(stream.average_rate) if stream.average_rate else 0.04


def _decode(container: "av.container.InputContainer", stream: "av.stream.Stream") -> Iterator:
    """Frames of a stream; damaged packets are skipped, a broken end is an end."""
    return _decoded(container.demux(stream))


def _decoded(packets: "Iterator[av.packet.Packet]") -> Iterator:
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            continue


def _sound_in_place(path: Media | OnePass, rate: int, start_s: float) -> Iterator[np.ndarray]:
    """Mono float32 pieces of any length that follow each other; silence comes in pieces of at most a second."""
    with _opened(path) as (container, packets):
        stream = _audio_stream(container)
        if stream is None:
            return
        video = _video_stream(container)
        origin = 0.0
        if video is not None and video.start_time is not None and video.time_base is not None:
            origin = float(video.start_time * video.time_base)
        elif stream.start_time is not None and stream.time_base is not None:
            origin = float(stream.start_time * stream.time_base)
        if not isinstance(path, OnePass):
            _seek(container, stream, origin - _begin(stream) + start_s - SEEK_BEFORE_S)
        origin += start_s
        longest = container.duration / av.time_base + 1 - start_s if container.duration else MAX_SILENCE_S
        timed = container.format.name not in UNTIMED
        resampler = _Resampler(rate)
        emitted = drop = 0  # samples given; samples still to be left out
        expected: float | None = None  # when the next frame is due, in seconds from the origin
        for frame in _decoded(packets(stream)):
            due = -start_s if expected is None else expected
            at = frame.time - origin if timed and frame.time is not None else due
            late = at - (expected or 0.0)
            if expected is not None and (at > longest or late < -MAX_OVERLAP_S):
                origin, at = origin + late, expected  # the clock was set anew: the sound goes on
            elif expected is None or abs(late) > SOUND_TOLERANCE_S:
                for samples in _after(resampler.convert(None), drop):
                    emitted += len(samples)
                    yield samples
                target = round(min(at, longest) * rate)
                drop = max(0, emitted - target)
                while emitted < target:
                    silence = np.zeros(min(rate, target - emitted), np.float32)
                    emitted += len(silence)
                    yield silence
            else:
                at = expected  # not the stamp: many small differences must add up to be seen
            expected = at + frame.samples / frame.sample_rate
            for samples in resampler.convert(frame):
                left, drop = samples[drop:], max(0, drop - len(samples))
                emitted += len(left)
                yield left
        for samples in _after(resampler.convert(None), drop):
            yield samples


def _after(pieces: list[np.ndarray], drop: int) -> list[np.ndarray]:
    return [np.concatenate(pieces)[drop:]] if pieces else []


class _Resampler:
    """Sound of any kind, which may change on the way, to mono float32 at one rate.

    Frames are gathered first: a codec's own are so short that resampling each by itself costs twice as much.
    """

    GATHERED = 8192  # samples

    def __init__(self, rate: int):
        self._rate = rate
        self._kind: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None
        self._gathered = av.AudioFifo()

    def convert(self, frame: av.AudioFrame | None) -> list[np.ndarray]:
        """Pieces, float32 [n], that are ready; with None all that is left. The frame loses its time stamp."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate) if frame is not None else None
        pieces: list[np.ndarray] = []
        if self._resampler is not None and kind != self._kind:
            pieces = self._resampled() + _samples(self._resampler.resample(None))
            self._resampler = None
        if frame is not None:
            if self._resampler is None:
                self._resampler = av.AudioResampler(format="flt", layout="mono", rate=self._rate)
                self._gathered = av.AudioFifo()
            frame.pts = None  # gaps are seen to elsewhere, here they would be refused
            self._gathered.write(frame)
            if self._gathered.samples >= self.GATHERED:
                pieces += self._resampled()
        self._kind = kind
        return pieces

    def _resampled(self) -> list[np.ndarray]:
        assert self._resampler is not None
        return _samples(self._resampler.resample(self._gathered.read())) if self._gathered.samples else []


def _samples(frames: list[av.AudioFrame]) -> list[np.ndarray]:
    return [frame.to_ndarray().reshape(-1) for frame in frames]


def _walk_packets(
    container: "av.container.InputContainer",
    video: "av.stream.Stream | None",
    audio: "av.stream.Stream | None",
    declared: float,
    size: int,
    max_frames: int,
) -> float:
    """Demux the whole file of `size` bytes; the real duration in seconds of its picture and sound.

    Raises MediaError: truncated_media when it ends early, media_too_complex for more pictures than `max_frames`.
    """
    pictures = 0
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    broken = False
    names = set(container.format.name.split(","))
    try:
        # All streams, since the declared duration is that of the longest one, be it subtitles or another language.
        for packet in container.demux():
            if packet.size == 0 or packet.time_base is None:
                continue
            pictures += video is not None and packet.stream_index == video.index
            if pictures > max_frames:
                raise _too_complex("more pictures", f"{max_frames:,}")
            broken |= packet.is_corrupt
            # Only here are packets stored as they are: other containers may compress them.
            broken |= "mp4" in names and packet.pos is not None and packet.pos + packet.size > size
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            t = float(stamp * packet.time_base)
            first[packet.stream_index] = min(first.get(packet.stream_index, t), t)
            end = t + float((packet.duration or 0) * packet.time_base)
            last[packet.stream_index] = max(last.get(packet.stream_index, end), end)
    except av.FFmpegError:
        broken = True
    used = [s for s in (video, audio) if s is not None and s.index in first]
    if not used:
        raise MediaError("truncated_media", "The file has a header but no picture or sound in it. Send the whole file.")
    length = max(0.0, max(last[s.index] for s in used) - first[used[0].index])
    if names & ESTIMATED:
        return length
    # A stream that has a duration of its own is held to it: some tracks (chapters) are never read as packets.
    own = [(s, float(s.duration * s.time_base)) for s in used if s.duration and s.time_base]
    streams_short = not own or any(_is_short(last[s.index] - first[s.index], seconds) for s, seconds in own)
    if streams_short and _is_short(max(last.values()) - min(first.values()), declared):
        raise MediaError(
            "truncated_media",
            f"The file is cut off: it declares {declared:.1f} s but only {length:.1f} s are there. "
            "Send the whole file.",
        )
    # An mp4 has an index of every packet, so there any lack is certain; elsewhere a damaged end may be harmless.
    if broken and ("mp4" in names or not declared):
        raise MediaError("truncated_media", "The file is damaged or cut off. Send the whole file.")
    return length


def _is_short(seconds: float, declared: float) -> bool:
    return declared - seconds > max(0.5, 0.05 * declared)


def _shape_shown(frame: av.VideoFrame, stream: "av.video.stream.VideoStream") -> tuple[int, int]:
    """Width and height as players show a frame: with square pixels, and upright."""
    width, height = max(1, round(frame.width * _aspect(stream))), frame.height
    return (height, width) if quarter_turns(frame) % 2 else (width, height)


def _aspect(stream: "av.video.stream.VideoStream") -> float:
    """Width of a pixel over its height; 1 where the file says nothing sensible."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.1 <= aspect <= 10 else 1.0


def _check_sound(stream: "av.audio.stream.AudioStream") -> None:
    """Refuse what no recorder makes. Raises MediaError(media_too_complex)."""
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if rate > MAX_SAMPLE_RATE:
        raise _too_complex(f"a sound of {rate:,} Hz", f"{MAX_SAMPLE_RATE:,} Hz")
    if channels > MAX_CHANNELS:
        raise _too_complex(f"a sound of {channels} channels", f"{MAX_CHANNELS}")


def _too_complex(found: str, most: str) -> MediaError:
    return MediaError("media_too_complex", f"The file has {found}; at most {most} are accepted. Convert it.")


def _first_frame(path: Media, info: MediaInfo, max_pixels: int) -> MediaInfo:
    """Check that the first frame of what the file claims to hold can be decoded; adds the size it is shown at."""
    with closing(_open(path)) as container:
        video = _video_stream(container)
        stream = video if info.has_video else _audio_stream(container)
        if video is not None and stream is video:
            stream.codec_context.options = {"max_pixels": str(max_pixels)}
        frame = next(_decode(container, stream), None) if stream is not None else None
        if frame is None:
            kind = "picture" if info.has_video else "sound"
            codec = info.video_codec if info.has_video else info.audio_codec
            raise MediaError(
                "unsupported_media", f"The {kind} ({codec}) cannot be decoded: it is damaged or not supported."
            )
        if video is None or not info.has_video:
            return info
        width, height = _shape_shown(frame, video)
        return replace(info, width=width, height=height)
