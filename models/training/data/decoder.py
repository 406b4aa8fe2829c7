"""Windows decoded when they are asked for, by worker processes: for sets too large to keep decoded."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError
from models.training.data.decode import Layout, decode, padded_size
from models.training.data.reader import PER_STEP, Picks, Windows
from models.training.data.sample import DataError, Item, Source, Window
from models.training.data.workers import leave_interrupts

MOST_FAILED = 0.1  # of the clips that were tried; with more, something else is wrong than single files
JUDGED_FROM = 50  # clips tried, before that share says anything

_Key = tuple[int, int, float]  # row, first frame, first second of sound


class Decoder:
    """A source's windows, decoded by `workers` processes, those of the next batches while one is used.

    A clip that cannot be decoded is told to `report` and stood in for by the next one that can, as in a cache. Raises
    DataError where more than a tenth of the clips tried cannot be.
    """

    def __init__(self, source: Source, margin: float, workers: int, report: Callable[[str], None] = lambda _: None):
        self.clips, self.fingerprint = source.items, source.fingerprint
        self.margin, self.workers, self.report = margin, workers, report
        self.failed: dict[int, str] = {}
        self._tried = set[int]()
        self._coming: dict[_Key, Future[Window | str]] = {}
        self._pool = self._start()

    def lengths(self, inputs: InputSpec) -> np.ndarray:
        """Every clip has its own length, but never less than a window, for which it is looped."""
        seconds = np.array([clip.duration_s for clip in self.clips])
        return np.maximum((seconds / inputs.step_s * PER_STEP + 1e-6).astype(int), inputs.frames * PER_STEP)

    def prepare(self, picks: Picks, inputs: InputSpec) -> None:
        """Have windows decoded that are asked for soon."""
        for key in self._keys(picks):
            if key not in self._coming:
                self._coming[key] = self._submit(key, inputs)

    def read(self, picks: Picks, inputs: InputSpec) -> Windows:
        """The windows, waited for where they are not decoded yet."""
        self.prepare(picks, inputs)
        read = [self._window(key, inputs) for key in self._keys(picks)]
        silence = np.zeros(round(inputs.window_s * inputs.sample_rate), np.int16)
        return Windows(
            [self.clips[row] for row, _ in read],
            [window.frames for _, window in read],
            np.stack([silence if window.sound is None else window.sound for _, window in read]),
            np.array([window.sound is not None for _, window in read]),
        )

    def close(self) -> None:
        """End the worker processes."""
        self._coming.clear()
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, spawn, initializer=leave_interrupts)

    def _keys(self, picks: Picks) -> list[_Key]:
        keys = zip(picks.rows.tolist(), picks.starts.tolist(), picks.sound_s.tolist(), strict=True)
        return [(self._usable(row), start, sound_s) for row, start, sound_s in keys]

    def _usable(self, row: int) -> int:
        """The clip itself, or the next one that is not known to be damaged."""
        while row in self.failed:
            row = (row + 1) % len(self.clips)
        return row

    def _submit(self, key: _Key, inputs: InputSpec) -> "Future[Window | str]":
        row, start, sound_s = key
        size = padded_size(inputs, self.margin)
        samples = round(inputs.window_s * inputs.sample_rate)
        layout = Layout(inputs.step_s, *size, inputs.resize, inputs.sample_rate, inputs.frames, samples)
        # A stand-in may be shorter than the clip for which the window was drawn.
        latest = max(0.0, self.clips[row].duration_s - inputs.window_s)
        at = (min(start / PER_STEP * inputs.step_s, latest), min(sound_s, latest))
        try:
            return self._pool.submit(_decode, self.clips[row], layout, *at)
        except BrokenProcessPool:
            self._pool = self._start()
            return self._pool.submit(_decode, self.clips[row], layout, *at)

    def _window(self, key: _Key, inputs: InputSpec) -> tuple[int, Window]:
        """The window of a key, or of the first clip after it that can be decoded."""
        while True:
            row = key[0]
            coming = self._coming.pop(key, None) or self._submit(key, inputs)
            try:
                found = coming.result()
            except BrokenProcessPool:  # by this clip or by another that was decoded beside it: try it alone
                found = self._alone(key, inputs)
            self._tried.add(row)
            if isinstance(found, Window):
                return row, found
            self._fail(row, found)
            key = (self._usable(row), *key[1:])

    def _alone(self, key: _Key, inputs: InputSpec) -> Window | str:
        """Decode one window while nothing else is; the other windows that were coming are asked for again later."""
        self._coming.clear()
        try:
            return self._submit(key, inputs).result()
        except BrokenProcessPool:
            return f"{self.clips[key[0]].id}: decoding it ends the process"

    def _fail(self, row: int, why: str) -> None:
        if row not in self.failed:
            self.failed[row] = why
            self.report(f"passed over: {why}")
        too_many = len(self.failed) > MOST_FAILED * len(self._tried) and len(self._tried) >= JUDGED_FROM
        if too_many or len(self.failed) == len(self.clips):
            raise DataError(f"{len(self.failed)} of {len(self._tried)} clips tried cannot be decoded; {why}")


def _decode(item: Item, layout: Layout, start_s: float, sound_s: float) -> Window | str:
    try:
        return decode(item, layout, start_s, sound_s)
    except MediaError as error:
        return f"{item.id}: {error.message}"
