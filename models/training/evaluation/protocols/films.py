"""Films to features: the reference's training and test windows of short films, and windows at given times of long ones.

The reference (`mmv/eval_ucf101.py`) reads the first 20 s of a film at 25 frames a second and takes every second frame.
Bundles of published weights, told by their bilinear resize, get just that. Another bundle gets the same at its own
pace: the film on a grid of half its frame step, every second frame, at its own size.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np

from models.bundle import InputSpec
from models.preprocess import published
from models.preprocess.media import MediaError, frames_on_grid, probe, quarter_turns, read_frames, resize_cover
from models.runtime import Encoders
from models.training.evaluation.protocols.features import Embed, Task
from models.training.evaluation.protocols.seeds import generator

STRIDE = published.STRIDE


@dataclass(frozen=True)
class Film:
    """The first seconds of a film: uint8 [L, H, W, 3], scaled so that each frame just covers the encoder's."""

    frames: np.ndarray
    spec: InputSpec

    def test_windows(self, count: int) -> np.ndarray:
        """Evenly spread windows, their centres: uint8 [count, T, h, w, 3]."""
        spec, length = self.spec, len(self.frames)
        top, left = (extent // 2 for extent in self._slack())
        starts = published.evaluation_window_starts(length, spec.frames, STRIDE, count)
        return np.stack([self._window(start, top, left) for start in starts])

    def training_windows(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Windows anywhere, cropped anywhere, half of them flipped: uint8 [count, T, h, w, 3].

        Source: `random_sample_sequence` and `process_samples` in eval_ucf101.py.
        """
        span = (self.spec.frames - 1) * STRIDE
        starts = len(self.frames) - span if len(self.frames) > span else len(self.frames)
        slack = self._slack()
        out = []
        for _ in range(count):
            start, top, left = (int(rng.integers(n)) for n in (starts, slack[0] + 1, slack[1] + 1))
            window = self._window(start, top, left)
            out.append(window[:, :, ::-1] if rng.integers(2) else window)
        return np.stack(out)

    def _slack(self) -> tuple[int, int]:
        return self.frames.shape[1] - self.spec.frame_height, self.frames.shape[2] - self.spec.frame_width

    def _window(self, start: int, top: int, left: int) -> np.ndarray:
        indices = published.window_indices(start, len(self.frames), self.spec.frames, STRIDE)
        return self.frames[indices, top : top + self.spec.frame_height, left : left + self.spec.frame_width]


def grid_step(spec: InputSpec) -> float:
    """Seconds from one frame of `Film` to the next."""
    return 1 / published.FPS if spec.resize == "bilinear" else spec.step_s / STRIDE


def read_film(path: Path, spec: InputSpec) -> Film:
    """Raises MediaError, also for a file without a picture that moves or stands."""
    step = grid_step(spec)
    frames: list[np.ndarray] = []
    shown: av.VideoFrame | None = None
    size = (0, 0)
    with closing(frames_on_grid(path, step)) as grid:  # type: ignore[type-var]
        for frame in islice(grid, round(published.MAX_SECONDS / step)):
            if not frames:
                size = covering_size(frame, spec.frame_height, spec.frame_width)
            # The same frame comes as often as it is on show: scaled once.
            frames.append(frames[-1] if frame is shown else resize_cover(frame, *size, spec.resize))
            shown = frame
    if not frames:
        raise MediaError("no_streams", f"{path} has no picture that can be decoded.")
    return Film(np.stack(frames), spec)


def covering_size(frame: av.VideoFrame, height: int, width: int) -> tuple[int, int]:
    """Size of the whole upright frame once it just covers height x width; the loose side is rounded down."""
    full_height, full_width = frame.height, frame.width
    if quarter_turns(frame) % 2:
        full_height, full_width = full_width, full_height
    if height * full_width >= width * full_height:
        return height, max(width, full_width * height // full_height)
    return max(height, full_height * width // full_width), width


def training_features(encoders: Encoders, protocol: str, seed: int) -> Embed:
    """`task.rows` augmented windows of a film to representations; the same ones whenever they are made."""

    def embed(task: Task, path: Path) -> np.ndarray:
        film = read_film(path, encoders.bundle.inputs)
        return encoders.video(film.training_windows(task.rows, generator(seed, protocol, task.key))).representation

    return embed


def test_features(encoders: Encoders) -> Embed:
    """`task.rows` test windows of a film to representations."""

    def embed(task: Task, path: Path) -> np.ndarray:
        film = read_film(path, encoders.bundle.inputs)
        return encoders.video(film.test_windows(task.rows)).representation

    return embed


def windows_from(frames: Iterator[np.ndarray], starts: list[int], count: int) -> Iterator[np.ndarray]:
    """Windows of `count` frames of a film of any length, uint8 [count, H, W, 3]; `starts` (frame numbers) must rise.

    What the film's end cuts off is filled by starting the window again, as MMV does; a window beyond the end has the
    last frame. Memory stays that of what lies between neighbouring windows. Raises MediaError for a film of no frames.
    """
    held: deque[np.ndarray] = deque()
    first = 0  # number of the frame held[0]
    for start in starts:
        while first + len(held) < start + count and (frame := next(frames, None)) is not None:
            held.append(frame)
            while first < start and len(held) > 1:
                held.popleft()
                first += 1
        while first < start and len(held) > 1:
            held.popleft()
            first += 1
        if not held:
            raise MediaError("no_streams", "The film has no picture that can be decoded.")
        there = list(islice(held, count))
        yield np.stack([there[i % len(there)] for i in range(count)])


def segment_starts(start_s: float, end_s: float, window_s: float, count: int) -> np.ndarray:
    """Times of windows spread evenly over a segment, the last one ending with it; all at its start if it is shorter.

    Source: `_get_video` of the loaders of antoine77340/MIL-NCE_HowTo100M (which leaves 0.4 s more at the end).
    """
    return np.linspace(start_s, max(start_s, end_s - window_s), count)


def segment_features(encoders: Encoders) -> Embed:
    """For each segment (start, end in seconds) of `task.wanted` the mean coarse embedding of its windows.

    `task.wanted` is [windows a segment, segments]; an end of None is the film's. Embeddings are of length 1 before the
    mean.
    """

    def embed(task: Task, path: Path) -> np.ndarray:
        spec = encoders.bundle.inputs
        windows, wanted = task.wanted
        segments = [(start, probe(path).duration_s if end is None else end) for start, end in wanted]
        times = np.concatenate([segment_starts(start, end, spec.window_s, windows) for start, end in segments])
        starts = np.round(times / spec.step_s).astype(int)
        order = np.argsort(starts, kind="stable")
        coarse = np.zeros((len(starts), encoders.bundle.dims["coarse"]), np.float32)
        frames = read_frames(path, spec.step_s, spec.frame_height, spec.frame_width, method=spec.resize)
        with closing(frames):  # type: ignore[type-var]
            for place, window in zip(order, windows_from(frames, starts[order].tolist(), spec.frames), strict=True):
                embedded = encoders.video(window[None]).coarse
                assert embedded is not None  # every graph takes video to the coarse space
                coarse[place] = embedded[0]
        return coarse.reshape(len(segments), windows, -1).mean(axis=1)

    return embed
