"""Sending one file to a service, over connections that break and past a service that is busy for a while."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.commands.client import Client, ServiceError
from service.commands.common import printable

# Files of this size and more are sent so that a broken connection costs no more than what was under way.
RESUMABLE_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
BYTES = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}
# Seconds to wait between tries that bring nothing forward; after the last one it is given up.
WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
LONGEST_WAIT_S = 60
# What a service answers that will answer otherwise in a moment.
PASSING = (408, 423, 429, 503)

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Item:
    """A file to upload. `subtitles`: an .srt or .vtt file that belongs to it."""

    path: Path
    title: str | None = None
    tags: tuple[str, ...] = ()
    subtitles: Path | None = None

    @property
    def fields(self) -> dict[str, str]:
        """What a form says of it."""
        fields = {"title": self.title} if self.title else {}
        return fields | ({"tags": ",".join(self.tags)} if self.tags else {})


def send(client: Client, item: Item, sha256: str, progress: Progress) -> dict[str, Any]:
    """Uploads a file; the service's answer, with `video_id` and `job_id`. `progress` gets the share that is there.

    Raises ServiceError, httpx.TransportError when the connection breaks again and again, OSError for the file.
    """
    if item.path.stat().st_size >= RESUMABLE_BYTES:
        answer = _send_in_pieces(client, item, sha256, progress)
        send_subtitles(client, item, str(answer["video_id"]))
        return answer
    subtitles = read_if_any(item.subtitles)
    beside = {} if subtitles is None else {"subtitles": subtitles}
    return _patiently(lambda: client.send_file("/v1/videos", item.path, item.fields, beside))


def send_subtitles(client: Client, item: Item, video_id: str) -> bool:
    """Gives a video the subtitles that belong to it; False when there are none that the service would take.

    Raises ServiceError, httpx.TransportError.
    """
    subtitles = read_if_any(item.subtitles)
    if subtitles is None:
        return False
    where = f"/v1/videos/{video_id}/subtitles"
    _patiently(lambda: client.send("PUT", where, {"Content-Type": "text/plain"}, subtitles))
    return True


def read_if_any(path: Path | None) -> bytes | None:
    """The subtitles of a file; None when it has none that the service would take: a film is not kept out for that."""
    if path is None:
        return None
    from service.problems import Refused  # late: few films have any
    from service.subtitles import webvtt_of

    try:
        data = path.read_bytes()
        webvtt_of(data)
    except (OSError, Refused):
        return None
    return data


def wait_s(error: Exception, tries: int) -> float | None:
    """Seconds until it makes sense to try again after so many tries for nothing; None: it does not."""
    if tries >= len(WAITS_S):
        return None
    if isinstance(error, ServiceError):
        if error.status not in PASSING:
            return None
        return max(WAITS_S[tries], float(min(error.retry_after_s or 0, LONGEST_WAIT_S)))
    return WAITS_S[tries] if isinstance(error, httpx.TransportError) else None


def _patiently(call: Callable[[], Any]) -> Any:
    tries = 0
    while True:
        try:
            return call()
        except (ServiceError, httpx.TransportError) as error:
            seconds = wait_s(error, tries)
            if seconds is None:
                raise
            time.sleep(seconds)
            tries += 1


def _send_in_pieces(client: Client, item: Item, sha256: str, progress: Progress) -> dict[str, Any]:
    """By the tus protocol: announced once, then sent from wherever it is until all is there."""
    where: str | None = None
    at, tries = 0, 0
    size = item.path.stat().st_size
    while True:
        try:
            if where is None:
                where, at = _announce(client, item, sha256, size), 0
            headers = {**TUS, "Content-Type": BYTES, "Upload-Offset": str(at), "Content-Length": str(size - at)}
            client.send("PATCH", where, headers, _pieces(item.path, at, size, progress))
            return dict(client.get(where))
        except (ServiceError, httpx.TransportError) as error:
            status = error.status if isinstance(error, ServiceError) else None
            if status == 404:  # it has expired: begin anew
                where = None
            there = 0 if where is None else _offset(client, where, at)
            if there > at:
                tries = 0
            at = there
            again = status in (404, 409) and tries < len(WAITS_S)
            seconds = WAITS_S[tries] if again else wait_s(error, tries)
            if seconds is None:
                raise
            time.sleep(seconds)
            tries += 1


def _announce(client: Client, item: Item, sha256: str, size: int) -> str:
    said = {"filename": printable(item.path.name), "sha256": sha256, **item.fields}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
    return str(client.send("POST", "/v1/uploads", headers)["Location"])


def _offset(client: Client, where: str, known: int) -> int:
    """How far it is, as far as can be told."""
    try:
        return int(client.send("HEAD", where, TUS)["Upload-Offset"])
    except (ServiceError, httpx.TransportError):
        return known


def _pieces(path: Path, at: int, size: int, progress: Progress) -> Iterator[bytes]:
    """The rest of a file, which may have grown meanwhile: no more than was announced."""
    with path.open("rb") as file:
        file.seek(at)
        while at < size and (piece := file.read(min(PIECE_BYTES, size - at))):
            yield piece
            at += len(piece)
            progress(at / size)
