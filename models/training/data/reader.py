"""What a training stream asks of a source: windows of clips, decoded before (`ClipCache`) or when asked (`Decoder`)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.bundle import InputSpec
from models.training.data.sample import Item

PER_STEP = 2  # decoded frames per step of the frame grid: finer than the network's, so that crops can start between


@dataclass(frozen=True)
class Picks:
    """Windows to read: a clip's row, where its picture begins in cached frames, where its sound begins in seconds."""

    rows: np.ndarray
    starts: np.ndarray
    sound_s: np.ndarray


@dataclass(frozen=True)
class Windows:
    """What was read: frames uint8 [T, H', W', 3] each, sound int16 [B, S]; of another clip where one is damaged."""

    clips: list[Item]
    frames: list[np.ndarray]
    sound: np.ndarray
    has_sound: np.ndarray


class Reader(Protocol):
    """Where a source's windows come from."""

    @property
    def clips(self) -> list[Item]:
        """What there is to read, by row."""

    @property
    def fingerprint(self) -> str:
        """Tells this data from other data."""

    def lengths(self, inputs: InputSpec) -> np.ndarray:
        """How many frames, `step_s / PER_STEP` seconds apart, each clip has to begin a window in."""

    def prepare(self, picks: Picks, inputs: InputSpec) -> None:
        """Said of windows that will be read soon."""

    def read(self, picks: Picks, inputs: InputSpec) -> Windows:
        """The windows."""

    def close(self) -> None:
        """End what reads; nothing is read any more."""
