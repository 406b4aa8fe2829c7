"""What is embedded of a film already, kept on disk until the film is done: a worker that dies goes on from there.

A folder for each video and model, `<root>/<video id>-<model>/`, with a file for each part, named by its windows
(`00000000-00000064.npz`). A part is complete and on the disk before it has its name.
"""

import contextlib
import logging
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from service.media.durable import durable

log = logging.getLogger(__name__)

Key = tuple[str, str]  # channel, space
NAME = re.compile(r"(\d{8})-(\d{8})\.npz")


@dataclass
class Building:
    """A segment while its vectors come in: float16 [dim] each."""

    start_s: float
    end_s: float
    vectors: dict[Key, list[np.ndarray]] = field(default_factory=dict)

    def add_vector(self, channel: str, space: str, vector: np.ndarray) -> None:
        self.vectors.setdefault((channel, space), []).append(vector)


@dataclass(frozen=True)
class Pieces:
    """Stills, or short sounds: the middle of each, in seconds [n], and float16 [n, dim] by space."""

    channel: str
    middles_s: np.ndarray
    vectors: dict[str, np.ndarray]


@dataclass
class Taken:
    """What there is of a film by now: its windows so far, what is seen and heard in them, and preview pictures."""

    segments: list[Building] = field(default_factory=list)
    pieces: list[Pieces] = field(default_factory=list)
    preview: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def windows(self) -> int:
        """How many windows are embedded."""
        return len(self.segments)

    def extend(self, more: "Taken") -> None:
        """Adds what follows."""
        self.segments += more.segments
        self.pieces += more.pieces
        self.preview |= more.preview


class Spool:
    """The parts of one film for one model."""

    def __init__(self, root: Path, video_id: str, bundle: str) -> None:
        self._folder = root / f"{video_id}-{bundle[:16]}"

    def load(self) -> Taken:
        """All parts from the first on without a gap; nothing when there are none. A damaged one ends it."""
        taken = Taken()
        for path in sorted(self._folder.glob("*.npz")):
            named = NAME.fullmatch(path.name)
            if named is None or int(named[1]) != taken.windows:
                continue
            try:
                part = _unpacked(path)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s cannot be read, so the film is taken in anew from there: %s", path, error)
                break
            if part.windows != int(named[2]) - int(named[1]):
                break
            taken.extend(part)
        return taken

    def add(self, part: Taken, first: int) -> None:
        """Stores the part that begins with the window `first`, durably. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{first:08d}-{first + part.windows:08d}.npz"
        with durable(path) as file:
            np.savez(file, allow_pickle=False, **_packed(part))

    def clear(self) -> None:
        """The film is done, or given up."""
        shutil.rmtree(self._folder, ignore_errors=True)


def sweep_spool(root: Path, working_on: Callable[[], Iterable[str]]) -> int:
    """Removes what is there of videos that nobody works on; how many folders went.

    `working_on` is asked after the folders were listed: what is begun meanwhile is left alone.
    """
    gone = 0
    with contextlib.suppress(FileNotFoundError):
        folders = list(root.iterdir())
        kept = set(working_on())
        for folder in folders:
            if folder.name.rpartition("-")[0] not in kept:
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
    return gone


def _packed(part: Taken) -> dict[str, np.ndarray]:
    arrays = {"times": np.array([(segment.start_s, segment.end_s) for segment in part.segments]).reshape(-1, 2)}
    keys = {key for segment in part.segments for key in segment.vectors}
    for channel, space in sorted(keys):
        rows = [(i, row) for i, seg in enumerate(part.segments) for row in seg.vectors.get((channel, space), [])]
        arrays[f"window/{channel}/{space}/owner"] = np.array([i for i, _ in rows])
        arrays[f"window/{channel}/{space}/rows"] = np.stack([row for _, row in rows])
    for number, pieces in enumerate(part.pieces):
        arrays[f"piece/{number}/{pieces.channel}/middles"] = pieces.middles_s
        for space, vectors in pieces.vectors.items():
            arrays[f"piece/{number}/{pieces.channel}/{space}"] = vectors
    if part.preview:
        arrays["preview/at"] = np.array(sorted(part.preview))
        arrays["preview/pictures"] = np.stack([part.preview[at] for at in sorted(part.preview)])
    return arrays


def _unpacked(path: Path) -> Taken:
    with np.load(path, allow_pickle=False) as arrays:
        taken = Taken([Building(float(start), float(end)) for start, end in arrays["times"]])
        for channel, space, rows in _of(arrays, "window", "rows"):
            owners = arrays[f"window/{channel}/{space}/owner"].tolist()
            for owner, row in zip(owners, arrays[rows], strict=True):
                taken.segments[owner].add_vector(channel, space, row)
        for number, channel, name in _of(arrays, "piece", "middles"):
            begins = f"piece/{number}/{channel}/"
            spaces = [key.removeprefix(begins) for key in arrays.files if key.startswith(begins)]
            vectors = {space: arrays[begins + space] for space in spaces if space != "middles"}
            taken.pieces.append(Pieces(channel, arrays[name], vectors))
        if "preview/at" in arrays.files:
            at = arrays["preview/at"].tolist()
            taken.preview = dict(zip(at, arrays["preview/pictures"], strict=True))
        return taken


def _of(arrays: "np.lib.npyio.NpzFile", begins: str, ends: str) -> Iterator[tuple[str, str, str]]:
    """(second, third part, whole) of names with four parts that begin and end so."""
    for name in arrays.files:
        parts = name.split("/")
        if len(parts) == 4 and (parts[0], parts[3]) == (begins, ends):
            yield parts[1], parts[2], name
