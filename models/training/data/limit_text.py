"""A source with the narrations of only some of its clips: what text is worth, and clips without any."""

from dataclasses import dataclass, replace

import numpy as np

from models.bundle import InputSpec
from models.training.config import TextConfig
from models.training.data.reader import Picks, Reader, Windows
from models.training.data.sample import DataError, Item


def limit_text(reader: Reader, text: TextConfig, seed: int) -> Reader:
    """The source as `text` says; itself where that is all of it. Raises DataError where no clip is left."""
    if text == TextConfig():
        return reader
    told = [row for row, clip in enumerate(reader.clips) if clip.narrations]
    kept = np.random.default_rng([seed, 3]).permutation(told)[: round(text.share * len(told))].astype(int)
    rows = np.arange(len(reader.clips)) if text.textless else np.sort(kept)
    if not len(rows):
        raise DataError(f"no clip is left: {len(told)} of {len(reader.clips)} have text, text.share is {text.share}")
    ids = frozenset(reader.clips[row].id for row in kept)
    return _Limited(reader, rows, ids, [_without(reader.clips[row], ids) for row in rows])


def _without(clip: Item, told: frozenset[str]) -> Item:
    return clip if clip.id in told else replace(clip, narrations=())


@dataclass(frozen=True)
class _Limited:
    """Some rows of a source, the clips that are not `told` without their narrations."""

    reader: Reader
    rows: np.ndarray
    told: frozenset[str]
    clips: list[Item]

    @property
    def fingerprint(self) -> str:
        """The source's: which of its words are used is said by the configuration."""
        return self.reader.fingerprint

    def lengths(self, inputs: InputSpec) -> np.ndarray:
        """As the source's."""
        return self.reader.lengths(inputs)[self.rows]

    def prepare(self, picks: Picks, inputs: InputSpec) -> None:
        """As the source."""
        self.reader.prepare(self._there(picks), inputs)

    def read(self, picks: Picks, inputs: InputSpec) -> Windows:
        """As the source, less words."""
        windows = self.reader.read(self._there(picks), inputs)
        return replace(windows, clips=[_without(clip, self.told) for clip in windows.clips])

    def close(self) -> None:
        """As the source."""
        self.reader.close()

    def _there(self, picks: Picks) -> Picks:
        return replace(picks, rows=self.rows[picks.rows])
