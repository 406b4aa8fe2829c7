"""Small media files, made on the spot: films and sounds that are told apart by eye and ear, and broken ones."""

import functools
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16_000
FPS = 10


def picture(seed: int, t: float, height: int = 96, width: int = 128) -> np.ndarray:
    """uint8 [height, width, 3]: a pattern of its own for each seed, over which a bright square moves."""
    frame = _pattern(seed, height, width).copy()
    x = int(t * 12) % (width - 16)
    frame[height // 2 - 8 : height // 2 + 8, x : x + 16] = 255
    return frame


@functools.cache
def _pattern(seed: int, height: int, width: int) -> np.ndarray:
    tiles = np.random.default_rng(seed).integers(0, 200, (6, 8, 3), dtype=np.uint8)
    return np.kron(tiles, np.ones((height // 6, width // 8, 1), np.uint8))


def sound(seed: int, seconds: float, rate: int = RATE) -> np.ndarray:
    """float32 [S] in [-1, 1]: a melody of its own for each seed, with a noise burst now and then."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    notes = rng.uniform(150, 2500, 64)
    wave = 0.4 * np.sin(2 * np.pi * np.cumsum(notes[(t * 4).astype(int) % 64]) / rate)
    bursts = rng.random(64)[(t * 2).astype(int) % 64] > 0.7
    return (wave + 0.2 * bursts * rng.standard_normal(len(t))).astype(np.float32).clip(-1, 1)


def film(
    path: Path,
    seed: int = 0,
    seconds: float = 6.0,
    *,
    with_sound: bool = True,
    fps: int = FPS,
    waves: list[np.ndarray] | None = None,
) -> Path:
    """A film of 128x96 pixels (h264 and AAC for .mp4), with a sound track for each of `waves` if they are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        if waves is None:
            waves = [sound(seed, seconds)] if with_sound else []
        tracks = [container.add_stream("aac", rate=RATE, layout="mono") for _ in waves]
        for i in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(picture(seed, i / fps), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track, wave in zip(tracks, waves, strict=True):
            _mux_sound(container, track, wave)
    return path


def click(at_s: float, seconds: float) -> np.ndarray:
    """float32 [S]: silence but for 10 ms of noise at a time."""
    wave = np.zeros(round(seconds * RATE), np.float32)
    wave[round(at_s * RATE) :][:160] = np.random.default_rng(0).uniform(-0.9, 0.9, 160)
    return wave


def remuxed(
    source: Path, path: Path, *, without_sound: tuple[float, float] = (0, 0), options: dict[str, str] | None = None
) -> Path:
    """The packets of a film in a new file, but those of its sound that begin between two times, in seconds."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options) as out:
        streams = [out.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            lost = packet.stream.type == "audio" and packet.pts is not None
            if packet.dts is None or (
                lost and without_sound[0] <= float(packet.pts * packet.time_base) < without_sound[1]
            ):
                continue
            packet.stream = streams[packet.stream_index]
            out.mux(packet)
    return path


def phone_film(path: Path, seconds: float = 4.0, aspect: Fraction = Fraction(1)) -> Path:
    """A film stored as 128x96, to be turned clockwise to 96x128 (a phone held upright): its top is then white."""
    lying = np.zeros((96, 128, 3), np.uint8)
    lying[:, :32] = 255  # the left side becomes the top
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for i in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(lying, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    # ISO 14496-12: x' = a x + c y + tx, y' = b x + d y + ty, as a b u, c d v, tx ty w; here x' = 96 - y, y' = x.
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 96 * one, 0, 1 << 30)
    path.write_bytes(data)
    return path


def silent_film(path: Path, seed: int = 0, seconds: float = 6.0) -> Path:
    """A film with no sound track."""
    return film(path, seed, seconds, with_sound=False)


def sound_file(path: Path, seed: int = 0, seconds: float = 6.0, wave: np.ndarray | None = None) -> Path:
    """A sound alone; the codec goes by the suffix: .wav, .mp3 or .flac."""
    codec = {".wav": "pcm_s16le", ".mp3": "libmp3lame", ".flac": "flac"}[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        _mux_sound(container, stream, sound(seed, seconds) if wave is None else wave)
    return path


def sound_with_cover(path: Path, seed: int = 0, seconds: float = 6.0) -> Path:
    """An .mp3 with a picture in its ID3 tag, as music has it."""
    picture_path = still(path.with_suffix(".png"), seed)
    frame = b"\0image/png\0\3\0" + picture_path.read_bytes()
    body = b"APIC" + struct.pack(">I", len(frame)) + b"\0\0" + frame
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    sound_file(path, seed, seconds)
    path.write_bytes(b"ID3\3\0\0" + size + body + path.read_bytes())
    return path


def cut_sound(path: Path, seed: int, start_s: float, seconds: float) -> Path:
    """A piece, as .wav, of the sound that `film` and `sound_file` give for a seed."""
    whole = sound(seed, start_s + seconds)
    return sound_file(path, wave=whole[round(start_s * RATE) :])


def still(path: Path, seed: int = 0, t: float = 1.0) -> Path:
    """A still as PNG or JPEG: what the film of this seed shows at a time."""
    from PIL import Image

    Image.fromarray(picture(seed, t)).save(path)
    return path


def truncated_film(path: Path) -> Path:
    """An mp4 that was cut off, as by a broken upload: its index, at the end, is missing."""
    film(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text_named_mp4(path: Path) -> Path:
    """Words, called a film."""
    path.write_text("This is not a film.\n" * 50)
    return path


def empty_file(path: Path) -> Path:
    """No bytes at all."""
    path.write_bytes(b"")
    return path


def _mux_sound(
    container: "av.container.OutputContainer", stream: "av.audio.stream.AudioStream", wave: np.ndarray
) -> None:
    format_name = stream.codec_context.format.name
    resampler = av.AudioResampler(format=format_name, layout="mono", rate=RATE, frame_size=1024)
    for start in range(0, len(wave), 1024):
        chunk = np.ascontiguousarray(wave[start : start + 1024])[None]
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
    for ready in resampler.resample(None):
        container.mux(stream.encode(ready))
    container.mux(stream.encode(None))
