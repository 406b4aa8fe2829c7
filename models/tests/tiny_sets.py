"""Miniature data sets in the layouts in which the real ones are published: films of one colour, sounds of one tone."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from models.runtime import Encoders
from models.tests.media_samples import sound_file
from models.training.evaluation.protocols.context import Context, Options
from models.training.evaluation.protocols.registry import run_protocol
from models.training.evaluation.protocols.result import Figure, Result

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 200, 30), (30, 30, 200), (230, 230, 230)
COLOURS = (RED, GREEN, BLUE, WHITE)
TONES = (200.0, 800.0, 2000.0)


def plain(colour: Sequence[int], seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 [height, width, 3]: a colour, a little different for each seed and pixel."""
    rng = np.random.default_rng(seed)
    shade = np.array(colour) + rng.integers(-20, 21, 3)
    return (shade + rng.integers(-8, 9, (height, width, 3))).clip(0, 255).astype(np.uint8)


def film(
    path: Path, colour: Sequence[int], seed: int, seconds: float = 1.0, after: Sequence[int] | None = None
) -> Path:
    """A film at 10 frames a second, 64 x 48; its second half has another colour where `after` is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = round(seconds * 10)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 400_000
        for i in range(count):
            now = after if after is not None and i >= count // 2 else colour
            frame = av.VideoFrame.from_ndarray(plain(now, seed), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(path: Path, hertz: float, seed: int, seconds: float = 2.0) -> Path:
    """A sound file of one tone in a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16_000)) / 16_000
    wave = 0.3 * np.sin(2 * np.pi * hertz * rng.uniform(0.97, 1.03) * t) + 0.01 * rng.standard_normal(len(t))
    return sound_file(path, wave=wave.astype(np.float32))


def picture(path: Path, colour: Sequence[int], seed: int) -> Path:
    """A JPEG of one colour, whatever its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plain(colour, seed)).save(path, format="JPEG")
    return path


def text(path: Path, *lines: str) -> Path:
    """A list, with the line ends that some of the published ones have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def evaluate(protocol: str, encoders: Encoders, data: Path, **options: object) -> Result:
    """Run a protocol; its features go to `cache`, beside the data set."""
    asked = Options(**options)  # type: ignore[arg-type]
    return run_protocol(protocol, Context(encoders, data, data.parent / "cache", asked))


def figure(result: Result, name: str) -> Figure:
    """By its name."""
    return next(f for f in result.figures if f.name == name)


def coverage(result: Result, part: str) -> tuple[int, int, int, int]:
    """total, used, missing, unreadable."""
    found = next(c for c in result.coverage if c.part == part)
    return found.total, found.used, found.missing, found.unreadable
