"""What every protocol is given: the encoders, where the data set is, what was asked for, and how to embed files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.preprocess.published import WINDOWS
from models.runtime import Encoders
from models.training.evaluation.protocols.features import Embed, Features, Task, embed_tasks
from models.training.evaluation.protocols.result import ProtocolError

VERSION = 2  # of how files become features: raised when that changes, so that older caches are left alone
IMAGE_PATHS = ("deflated", "naive", "inflated")


@dataclass(frozen=True)
class Options:
    """What a person may ask for; None is what the protocol itself has."""

    split: int | None = None  # of several, only this one
    windows: int | None = None  # of each film or sound, in training and in the test
    svm_c: float | None = None
    image_paths: tuple[str, ...] = IMAGE_PATHS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.windows is not None and self.windows < 1:
            raise ProtocolError(f"{self.windows} windows of each file: there must be at least one")
        if self.svm_c is not None and self.svm_c <= 0:
            raise ProtocolError(f"C is {self.svm_c:g}; it must be above 0")
        if unknown := [p for p in self.image_paths if p not in IMAGE_PATHS]:
            raise ProtocolError(f"image path {unknown[0]!r} is not known; known are {', '.join(IMAGE_PATHS)}")


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Context:
    """`progress` is told what is being done, how much of it is done, and of how much. `cache` holds the features."""

    encoders: Encoders
    data: Path
    cache: Path
    options: Options = field(default_factory=Options)
    progress: Callable[[str, int, int], None] = no_progress
    workers: int = 1

    def embed(
        self, protocol: str, part: str, tasks: list[Task], dim: int, embed: Embed, recipe: Any = None
    ) -> Features:
        """The features of one part of a data set, out of the cache as far as they are there.

        Raises ProtocolError when not one of its files is there, naming the first.
        """
        if not any(task.path for task in tasks):
            example = f", such as {tasks[0].key}" if tasks else ""
            raise ProtocolError(f"{self.data} has none of the {len(tasks):,} files of {protocol}'s {part}{example}")
        everything = {
            "version": VERSION,
            "protocol": protocol,
            "part": part,
            "bundle": self.encoders.bundle.fingerprint,
            "recipe": recipe,
            "seed": self.options.seed,
        }
        return embed_tasks(
            self.cache,
            tasks,
            dim,
            everything,
            embed,
            lambda n, of: self.progress(f"{part}: files", n, of),
            self.workers,
        )

    def windows(self, default: int = WINDOWS) -> int:
        """How many windows of each file."""
        return self.options.windows or default

    def splits(self, count: int) -> list[int]:
        """Numbers from 1 of the splits to be run. Raises ProtocolError for one that the set does not have."""
        if self.options.split is None:
            return list(range(1, count + 1))
        if not 1 <= self.options.split <= count:
            raise ProtocolError(f"split {self.options.split} is not one of 1 to {count}")
        return [self.options.split]
