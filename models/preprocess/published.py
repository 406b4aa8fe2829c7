"""Preprocessing as the published MMV weights were evaluated with it: which frames, resize, crop, scale.

Source of every fact: the reference's UCF101 evaluation, `mmv/eval_ucf101.py` and `mmv/utils/ucf101_dataset.py` in
google-deepmind/deepmind-research, and the TensorFlow operations that it calls (`tf.image.resize`, `tf.linspace`). Equal
to them to the last bit as far as their documented float32 arithmetic goes. Frames come as uint8 RGB.
"""

from typing import NamedTuple

import numpy as np

# The reference reads UCF101 at 25 frames a second and looks at the first 20 s of a film (ucf101_dataset.py).
FPS = 25
MAX_SECONDS = 20
# Its windows (flags of eval_ucf101.py).
FRAMES = 32
STRIDE = 2
WINDOWS = 10
SIDE = 224


def evaluation_window_starts(
    length: int, frames: int = FRAMES, stride: int = STRIDE, windows: int = WINDOWS
) -> list[int]:
    """First frames of the test windows of a film of `length` frames: evenly spread, the last one as late as it fits.

    Source: `sample_linspace_sequence` in eval_ucf101.py: linspace from 0 to max(0, length - frames * stride), cut to
    whole numbers. A film that is shorter than a window gets the start 0 every time. Raises ValueError for no frames.
    """
    if length < 1 or windows < 1:
        raise ValueError(f"{windows} windows of {length} frames: there must be at least one of both")
    if windows == 1:
        return [0]
    last = max(0, length - frames * stride)
    # tf.linspace in float32: the end is exact, what lies between is i * step. Rounding decides where it cuts.
    step = np.float32(last) / np.float32(windows - 1)
    return [int(np.float32(i) * step) for i in range(windows - 1)] + [last]


def window_indices(start: int, length: int, frames: int = FRAMES, stride: int = STRIDE) -> np.ndarray:
    """Which of a film's `length` frames a window takes: int64 [frames], each `stride` after the last, round and round.

    Source: `sample_or_pad_sequence_indices` in eval_ucf101.py, which repeats a short film until the window is full.
    Raises ValueError for a film of no frames.
    """
    if length < 1:
        raise ValueError("a film of no frames has no window")
    return (start + stride * np.arange(frames)) % length


def resize_smaller_side(frame: np.ndarray, side: int) -> np.ndarray:
    """A frame, uint8 [H, W, 3], with its smaller side at `side` pixels: uint8 [max(side, H * side // W), ..., 3].

    Source: `resize_smallest` in eval_ucf101.py: `tf.image.resize` (bilinear between pixel centres at halves, no
    filter against aliasing), then cast to uint8, which cuts the fraction off. A frame of the right size is left alone.
    """
    height, width = _cover(frame.shape[0], frame.shape[1], side, side)
    return _bilinear(frame, _taps(frame.shape[0], height), _taps(frame.shape[1], width))


def centre_crop(frames: np.ndarray, side: int) -> np.ndarray:
    """The middle of frames [..., H, W, 3] as [..., side, side, 3]; of an odd rest one pixel more is cut at the end.

    Source: `tf.image.resize_with_crop_or_pad` in eval_ucf101.py. Raises ValueError for frames that are smaller (the
    reference would pad them with black; after `resize_smaller_side` none is).
    """
    height, width = frames.shape[-3:-1]
    if height < side or width < side:
        raise ValueError(f"a frame of {height}x{width} has no {side}x{side} in it")
    top, left = (height - side) // 2, (width - side) // 2
    return frames[..., top : top + side, left : left + side, :]


def to_unit(frames: np.ndarray) -> np.ndarray:
    """uint8 frames of any shape as float32 in [0, 1]. Source: eval_ucf101.py, cast then / 255; no mean, no deviation.

    Exported encoders take uint8 and do this themselves.
    """
    return frames.astype(np.float32) / np.float32(255)


def resize_and_crop(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """A frame, uint8 [H, W, 3], scaled until it covers height x width and cut to its centre: uint8 [height, width, 3].

    For a square the same pixels as `centre_crop(resize_smaller_side(frame, side), side)`, without computing those that
    are cut off; for other shapes (the published frames are square) the same rule on the side that is tight.
    """
    full_height, full_width = _cover(frame.shape[0], frame.shape[1], height, width)
    top, left = (full_height - height) // 2, (full_width - width) // 2
    rows = _taps(frame.shape[0], full_height).part(top, height)
    columns = _taps(frame.shape[1], full_width).part(left, width)
    return _bilinear(frame, rows, columns)


class _Taps(NamedTuple):
    """For each place of a resized axis the two places it lies between, and how far from the first: [n] each."""

    lower: np.ndarray
    upper: np.ndarray
    weight: np.ndarray  # float32

    def part(self, start: int, count: int) -> "_Taps":
        return _Taps(*(values[start : start + count] for values in self))


def _cover(height: int, width: int, to_height: int, to_width: int) -> tuple[int, int]:
    """Size of a frame of height x width once it covers another: the tight side fits, the other is rounded down."""
    if to_height * width >= to_width * height:
        return to_height, max(to_width, width * to_height // height)
    return max(to_height, height * to_width // width), to_width


def _taps(size: int, to_size: int) -> _Taps:
    """Half-pixel centres: place x lies at (x + 1/2) * size / to_size - 1/2, in float32; the ends are held."""
    half = np.float32(0.5)
    at = (np.arange(to_size, dtype=np.float32) + half) * (np.float32(size) / np.float32(to_size)) - half
    floor = np.floor(at)
    upper = np.minimum(np.ceil(at).astype(np.int64), size - 1)
    lower = np.clip(floor.astype(np.int64), 0, upper)
    return _Taps(lower, upper, at - floor)


def _bilinear(frame: np.ndarray, rows: _Taps, columns: _Taps) -> np.ndarray:
    """First along the columns, then along the rows, as TensorFlow's kernel does; float32, then the fraction is cut."""
    across = columns.weight[None, :, None]
    top, bottom = (_lerp(lines, columns, across) for lines in (frame[rows.lower], frame[rows.upper]))
    bottom -= top
    bottom *= rows.weight[:, None, None]
    bottom += top
    return bottom.astype(np.uint8)


def _lerp(lines: np.ndarray, columns: _Taps, weight: np.ndarray) -> np.ndarray:
    left = lines[:, columns.lower].astype(np.float32)
    right = lines[:, columns.upper].astype(np.float32)
    right -= left
    right *= weight
    right += left
    return right
