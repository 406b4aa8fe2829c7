"""Folders that grow: what appears in them is taken in once it is complete, for as long as one lets it.

Subtitles that come after their film, or change, are sent by themselves.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from service.commands.client import Client, ServiceError
from service.commands.notes import Notes
from service.commands.sending import Item
from service.commands.uploading import PENDING, POLL_S, Outcome, Uploading, shown

# A file that was not written to for so long is complete.
SETTLED_AFTER_S = 2.0
LOOK_EVERY_S = 2.0
# Between two tries to reach a service that is away; ever longer, up to the last.
AWAY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

FileStamp = tuple[int, int]  # size in bytes, time of change in ns


@dataclass(frozen=True)
class Stamp:
    """How a film is, and the subtitles beside it with their path; None without any."""

    film: FileStamp
    subtitles: tuple[Path, FileStamp] | None


@dataclass
class _Seen:
    stamp: Stamp
    since: float


class Watcher:
    """Which files are there, and which of them are complete, with their subtitles, and were not given out yet."""

    def __init__(
        self,
        list_files: Callable[[], Iterable[Path]],
        settled_after_s: float = SETTLED_AFTER_S,
        subtitles_of: Callable[[Path], Path | None] = lambda film: None,
    ) -> None:
        self._list, self._settled_after, self._subtitles_of = list_files, settled_after_s, subtitles_of
        self._seen: dict[Path, _Seen] = {}
        self._given: dict[Path, Stamp] = {}

    def look(self, now: float) -> list[Path]:
        """Files whose size and time have stayed the same for long enough; `now` in seconds, of any clock that runs on.

        Each is given once, and again when it changes or its subtitles do (`has_film`). An empty file is not complete,
        and subtitles that are gone are no change: what the library has of them stays.
        """
        seen: dict[Path, _Seen] = {}
        ready = []
        for path in self._list():
            film = _stamp(path)
            if film is None:
                continue
            beside = self._subtitles_of(path)
            subtitles = None if beside is None else _stamp(beside)
            stamp = Stamp(film, (beside, subtitles) if beside and subtitles and subtitles[0] else None)
            given = self._given.get(path)
            if given is not None and given.film == film and stamp.subtitles in (None, given.subtitles):
                continue
            before = self._seen.get(path)
            seen[path] = before if before is not None and before.stamp == stamp else _Seen(stamp, now)
            if film[0] and now - seen[path].since >= self._settled_after:
                ready.append(path)
        self._seen = seen
        return sorted(ready)

    def has_film(self, path: Path) -> bool:
        """Whether a file that `look` gave was dealt with before as it is, so that its subtitles alone are new."""
        given = self._given.get(path)
        return given is not None and given.film == self._seen[path].stamp.film

    def given(self, path: Path) -> None:
        """It was dealt with, as it was when it was last looked at."""
        self._given[path] = self._seen.pop(path).stamp


def _stamp(path: Path) -> FileStamp | None:
    """None when it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def watch(
    find_client: Callable[[], Client | None],
    list_files: Callable[[], Iterable[Path]],
    make_item: Callable[[Path], Item],
    notes: Notes,
    console: Console,
    *,
    settled_after_s: float = SETTLED_AFTER_S,
    look_every_s: float = LOOK_EVERY_S,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Takes in what comes until ctrl-C, or `stop` says so; what became of it. A service that is away is waited for."""
    watcher, away = Watcher(list_files, settled_after_s, lambda path: make_item(path).subtitles), 0
    with shown(console) as progress:
        uploading: Uploading | None = None
        while not stop():
            try:
                client = find_client()
                if client is None:
                    raise httpx.ConnectError("no service answers")
                with client:
                    uploading = uploading or Uploading(client, notes, progress, patient=True)
                    uploading.client = client
                    for _ in _rounds(look_every_s, stop):
                        _take_in(watcher, uploading, make_item)
                        away = 0
            except (httpx.TransportError, ServiceError) as error:
                if not away:
                    said = f"The service cannot take anything now ({error}); what comes is taken in when it can."
                    console.print(said, highlight=False, soft_wrap=True)
                away += 1
                try:
                    _rest(AWAY_S[min(away, len(AWAY_S)) - 1], stop)
                except KeyboardInterrupt:
                    break
            except KeyboardInterrupt:
                break
            finally:
                notes.save()
    return uploading.outcome if uploading is not None else Outcome()


def _take_in(watcher: Watcher, uploading: Uploading, make_item: Callable[[Path], Item]) -> None:
    """What is complete by now. Raises httpx.TransportError, ServiceError."""
    ready = watcher.look(time.monotonic())
    films = [path for path in ready if not watcher.has_film(path)]
    for path in sorted(set(ready) - set(films)):
        uploading.add_subtitles(make_item(path))
        watcher.given(path)
    uploading.expect(len(films))
    given = 0
    try:
        for path in films:
            uploading.add(make_item(path))
            watcher.given(path)
            given += 1
            uploading.wait(PENDING - 1)
    except (httpx.TransportError, ServiceError):
        uploading.expect(given - len(films))  # they come again
        raise
    uploading.idle("watching")
    uploading.save()
    uploading.client.get("/healthz")
    uploading.poll()


def _rounds(every_s: float, stop: Callable[[], bool]) -> Iterator[None]:
    while not stop():
        yield
        _rest(every_s, stop)


def _rest(seconds: float, stop: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stop():
        time.sleep(min(POLL_S, left))
