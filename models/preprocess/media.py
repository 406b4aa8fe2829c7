"""Reading media with ffmpeg (PyAV): probe, frames on a regular time grid, mono sound, still images.

Everything here parses untrusted bytes: the service calls it only inside its confined child process. Times are seconds
from the start of the picture (of the sound, when there is no picture).
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Self-contained containers only: no playlists, no concatenation scripts, nothing that opens other files or the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,mpegtsraw,flv,ogg,wav,w64,mp3,flac,aac,asf,gif,aiff,amr,caf,"
    "ac3,eac3,dts,au,h264,hevc,av1,ivf,obu,m4v,mjpeg,mxf,nut,rm,wv,tta,ape,opus,dv,yuv4mpegpipe,apng,"
    "png_pipe,jpeg_pipe,jpegxl_pipe,webp_pipe,bmp_pipe,tiff_pipe,image2,ico"
)
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
MAX_PIXELS = 50_000_000


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


def probe(path: str | Path, *, max_duration_s: float | None = None, max_pixels: int = MAX_PIXELS) -> MediaInfo:
    """Read the headers and walk the packets of a file, and decode its first picture.

    Raises MediaError: empty_file, not_media, truncated_media, no_streams, media_too_long, media_too_large,
    unsupported_media.
    """
    path = Path(path)
    size = path.stat().st_size
    if size == 0:
        raise MediaError("empty_file", "The file is empty (0 bytes). Send the media file itself.")
    with closing(_open(path)) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        if video is None and audio is None:
            raise MediaError("no_streams", "The file has neither a picture nor a sound track that can be decoded.")
        width = height = None
        fps = None
        if video is not None:
            width, height = video.codec_context.width, video.codec_context.height
            if width * height > max_pixels:
                raise MediaError(
                    "media_too_large", f"The picture has {width}x{height} pixels; at most {max_pixels:,} are accepted."
                )
            fps = float(video.average_rate) if video.average_rate else None
        is_image = _is_image(container, video, audio)
        declared = container.duration / av.time_base if container.duration else 0.0
        if max_duration_s is not None and declared > max_duration_s:
            raise MediaError(
                "media_too_long",
                f"The file lasts {declared:.0f} s; at most {max_duration_s:.0f} s are accepted. Cut it into parts.",
            )
        duration = 0.0 if is_image else _walk_packets(container, video, audio, declared)
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
    _decode_one(path, info)
    return info


def read_frames(path: str | Path, step_s: float, height: int, width: int, threads: int = 1) -> Iterator[np.ndarray]:
    """Frames at times 0, step_s, 2 step_s, ...: for each time the picture on show then, as uint8 [height, width, 3].

    Memory stays that of one decoded frame, whatever the film's length. Stops at the end, or where decoding breaks.
    """
    for frame in frames_on_grid(path, step_s, threads):
        yield resize_cover(frame, height, width)


def frames_on_grid(path: str | Path, step_s: float, threads: int = 1) -> Iterator[av.VideoFrame]:
    """As `read_frames`, but frames of the film's own size: the same object as often as it is still on show.

    Films with oblong pixels are stretched to square ones, as players do.
    """
    with closing(_open(Path(path))) as container:
        stream = _video_stream(container)
        if stream is None:
            return
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        start: float | None = None
        shown: av.VideoFrame | None = None
        step, end = 0, 0.0
        aspect = float(stream.sample_aspect_ratio or 1)
        for frame in _decode(container, stream):
            t = frame.time if frame.time is not None else end
            if start is None:
                start = t
            t -= start
            while shown is not None and step * step_s < t - 1e-6:
                yield shown
                step += 1
            shown = frame if aspect == 1 else frame.reformat(width=max(1, round(frame.width * aspect)))
            end = t + start + _frame_seconds(frame, stream)
        while shown is not None and start is not None and step * step_s < end - start - 1e-6:
            yield shown
            step += 1


def read_audio(path: str | Path, rate: int, *, chunk: int | None = None) -> Iterator[np.ndarray]:
    """Mono sound at `rate` Hz as float32 chunks in [-1, 1], each of `chunk` samples but the last (one second if None).

    Sample 0 is the moment the picture starts: earlier sound is dropped, later sound is preceded by silence.
    """
    chunk = chunk or rate
    with closing(_open(Path(path))) as container:
        stream = _audio_stream(container)
        if stream is None:
            return
        video = _video_stream(container)
        origin = 0.0
        if video is not None and video.start_time is not None and video.time_base is not None:
            origin = float(video.start_time * video.time_base)
        elif stream.start_time is not None and stream.time_base is not None:
            origin = float(stream.start_time * stream.time_base)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        buffer: list[np.ndarray] = []
        held, drop = 0, None
        for frame in _decode(container, stream):
            if drop is None:
                lead = round(((frame.time if frame.time is not None else origin) - origin) * rate)
                drop = max(0, -lead)
                if lead > 0:  # sound that starts after the picture
                    buffer.append(np.zeros(min(lead, 3600 * rate), np.float32))
                    held += len(buffer[-1])
            for out in resampler.resample(frame):
                samples = out.to_ndarray().reshape(-1)
                if drop:
                    drop, samples = max(0, drop - len(samples)), samples[drop:]
                buffer.append(samples)
                held += len(samples)
            if held >= chunk:
                joined = np.concatenate(buffer)
                for i in range(0, held - chunk + 1, chunk):
                    yield joined[i : i + chunk]
                buffer, held = [joined[held - held % chunk :]], held % chunk
        for out in resampler.resample(None):
            buffer.append(out.to_ndarray().reshape(-1))
        joined = np.concatenate(buffer) if buffer else np.zeros(0, np.float32)
        for i in range(0, len(joined), chunk):
            yield joined[i : i + chunk]


def read_image(source: str | Path | bytes, height: int, width: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError("not_an_image", f"The picture is damaged and cannot be read ({error}).") from None
    return resize_cover(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), height, width)


def resize_cover(frame: av.VideoFrame, height: int, width: int) -> np.ndarray:
    """Scale a frame (area averaging) until it covers height x width, cut the centre: uint8 [height, width, 3].

    The container's rotation is honoured, so a phone's clip and its still look the same.
    """
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    target_h, target_w = (width, height) if turns % 2 else (height, width)
    scale = max(target_h / frame.height, target_w / frame.width)
    h, w = max(target_h, round(frame.height * scale)), max(target_w, round(frame.width * scale))
    picture = frame.reformat(width=w, height=h, format="rgb24", interpolation="AREA").to_ndarray()
    top, left = (h - target_h) // 2, (w - target_w) // 2
    picture = picture[top : top + target_h, left : left + target_w]
    return np.ascontiguousarray(np.rot90(picture, turns) if turns else picture)


def _open(path: Path) -> "av.container.InputContainer":
    try:
        return av.open(str(path), options=OPTIONS)
    except (av.FFmpegError, ValueError, UnicodeError):
        head = path.open("rb").read(64)
        if head[4:8] == b"ftyp":
            raise MediaError(
                "truncated_media", "The mp4 is incomplete: its index is missing. Send the whole file."
            ) from None
        raise MediaError(
            "not_media",
            "This is not a video, sound or picture file that ffmpeg can read, whatever its name says. "
            "Send for example an mp4, mkv, webm, mp3, wav, flac, jpg or png.",
        ) from None


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


def _frame_seconds(frame: av.VideoFrame, stream: "av.video.stream.VideoStream") -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(stream.average_rate) if stream.average_rate else 0.04


def _decode(container: "av.container.InputContainer", stream: "av.stream.Stream") -> Iterator:
    """Frames of a stream; damaged packets are skipped, a broken end is an end."""
    packets = container.demux(stream)
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


def _walk_packets(
    container: "av.container.InputContainer",
    video: "av.stream.Stream | None",
    audio: "av.stream.Stream | None",
    declared: float,
) -> float:
    """Demux the whole file; its real duration in seconds. Raises MediaError(truncated_media) when it ends early."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    broken = False
    streams = [s for s in (video, audio) if s is not None]
    try:
        for packet in container.demux(streams):
            if packet.size == 0 or packet.time_base is None:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            t = float(stamp * packet.time_base)
            first[packet.stream_index] = min(first.get(packet.stream_index, t), t)
            end = t + float((packet.duration or 0) * packet.time_base)
            last[packet.stream_index] = max(last.get(packet.stream_index, end), end)
            broken |= packet.is_corrupt
    except av.FFmpegError:
        broken = True
    if not last:
        raise MediaError("truncated_media", "The file has a header but no picture or sound in it. Send the whole file.")
    key = video.index if video is not None and video.index in first else min(first)
    length = max(last.values()) - first[key]
    start = min(first.values())
    if declared and declared - (max(last.values()) - start) > max(0.5, 0.05 * declared):
        raise MediaError(
            "truncated_media",
            f"The file is cut off: it declares {declared:.1f} s but only {max(0.0, length):.1f} s are there. "
            "Send the whole file.",
        )
    if broken and not declared:
        raise MediaError("truncated_media", "The file is damaged or cut off. Send the whole file.")
    return max(length, 0.0)


def _decode_one(path: Path, info: MediaInfo) -> None:
    """Check that the first frame of what the file claims to hold can be decoded."""
    with closing(_open(path)) as container:
        stream = _video_stream(container) if info.has_video else _audio_stream(container)
        if stream is None or next(_decode(container, stream), None) is None:
            kind = "picture" if info.has_video else "sound"
            codec = info.video_codec if info.has_video else info.audio_codec
            raise MediaError(
                "unsupported_media", f"The {kind} ({codec}) cannot be decoded: it is damaged or not supported."
            )
