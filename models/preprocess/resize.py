"""Decoded frames as pictures of one size: scaled until they cover it, cut to its centre, upright."""

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from models.preprocess import published


class Resizer:
    """Makes frames, of whatever sizes they come in, uint8 [height, width, 3]. For one thread at a time.

    It keeps ffmpeg's scaler, which is made once for all frames of one kind: that costs more than to scale a small one.
    """

    def __init__(self, height: int, width: int, method: str = "area") -> None:
        """`method`: "area" averages, as the networks trained here see pictures; "bilinear" is what the published
        weights are for (`published.py`). Raises ValueError for another.
        """
        if method not in ("area", "bilinear"):
            raise ValueError(f"resize method {method!r} is not known; known are area and bilinear")
        self._height, self._width, self._method = height, width, method
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 [height, width, 3]. The container's rotation is honoured: a phone's clip and still look the same."""
        turns = quarter_turns(frame)
        if self._method == "bilinear":
            upright = np.rot90(frame.to_ndarray(format="rgb24"), turns)
            return published.resize_and_crop(upright, self._height, self._width)
        target_h, target_w = (self._width, self._height) if turns % 2 else (self._height, self._width)
        scale = max(target_h / frame.height, target_w / frame.width)
        h, w = max(target_h, round(frame.height * scale)), max(target_w, round(frame.width * scale))
        # One thread: by itself ffmpeg starts as many as there are processors, for every scaler.
        scaled = self._scaler.reformat(frame, width=w, height=h, format="rgb24", interpolation="AREA", threads=1)
        picture = scaled.to_ndarray()
        top, left = (h - target_h) // 2, (w - target_w) // 2
        picture = picture[top : top + target_h, left : left + target_w]
        return np.ascontiguousarray(np.rot90(picture, turns) if turns else picture)


def resize_cover(frame: av.VideoFrame, height: int, width: int, method: str = "area") -> np.ndarray:
    """One frame: uint8 [height, width, 3], as `Resizer` gives it. Raises ValueError."""
    return Resizer(height, width, method)(frame)


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often the container wants a frame turned by 90 degrees counter-clockwise: 0 to 3."""
    return round(frame.rotation / 90) % 4
