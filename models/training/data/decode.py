"""Decoding a window of an item, with PyAV and without torch: run in worker processes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import Media, MediaError, probe, read_audio, read_frames
from models.training.data.byte_range import byte_range
from models.training.data.sample import Item, Window

SLACK_S = 1.0  # by which a file that was cut differs from what it was cut to


@dataclass(frozen=True)
class Layout:
    """What a decoded window has: `frames` of `height` x `width` pixels `step_s` apart, `samples` at `rate` Hz."""

    step_s: float
    height: int
    width: int
    resize: str
    rate: int
    frames: int
    samples: int


def padded_size(inputs: InputSpec, margin: float) -> tuple[int, int]:
    """Height and width of decoded frames: the network's, with room for random crops."""
    return round(inputs.frame_height * (1 + margin)), round(inputs.frame_width * (1 + margin))


def decode(item: Item, layout: Layout, start_s: float = 0.0, sound_s: float | None = None) -> Window:
    """The window from `start_s` of an item on (its sound from `sound_s` on); what ends too early is looped.

    A file that ends before its item begins, and is no longer than it, is that item, cut out already. Raises MediaError
    where no picture, or nothing at all, can be decoded.
    """
    sound_s = start_s if sound_s is None else sound_s
    with opened(item) as media:
        wanted = min(layout.frames, max(1, math.ceil((item.duration_s - start_s) / layout.step_s - 1e-6)))
        grid = read_frames(
            media, layout.step_s, layout.height, layout.width, method=layout.resize, start_s=item.start_s + start_s
        )
        frames = list(islice(grid, wanted))
        if not frames and item.start_s > 0 and probe(media).duration_s <= min(item.start_s, item.duration_s + SLACK_S):
            return decode(replace(item, start_s=0.0), layout, start_s, sound_s)
        if not frames:
            raise MediaError("no_frame", f"no frame can be decoded {item.start_s + start_s:.1f} s on")
        return Window(
            frames=np.stack(frames)[np.arange(layout.frames) % len(frames)],
            sound=_sound(media, item, layout, sound_s) if item.has_audio else None,
        )


def _sound(media: Media, item: Item, layout: Layout, start_s: float) -> np.ndarray | None:
    wanted = min(layout.samples, max(1, round((item.duration_s - start_s) * layout.rate)))
    begin = max(0.0, item.start_s + start_s)
    found = next(read_audio(media, layout.rate, chunk=wanted, start_s=begin), None)
    if found is None:
        return None
    return np.round(np.clip(np.resize(found, layout.samples), -1, 1) * 32767).astype(np.int16)


@contextmanager
def opened(item: Item) -> Iterator[BinaryIO]:
    """An item's video: the file, or its part of a shard. Any failure to read it is a MediaError."""
    try:
        path = Path(item.path)
        with byte_range(path, item.offset, item.size) if item.size else path.open("rb") as media:
            yield media
    except (OSError, av.FFmpegError, ValueError) as error:
        raise MediaError("unreadable", str(error)) from error
