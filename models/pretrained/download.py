"""Downloading a large file so that a broken connection costs nothing: what came is kept, and the next try goes on."""

import errno
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from models.pretrained.part import Part, PartInUse, Record, open_part, record_path

Progress = Callable[[int, int | None], None]

# As it is stored: ranges and lengths count those bytes.
PLAIN = {"Accept-Encoding": "identity"}
# The server is busy or ailing: it may answer in a moment.
PASSING = {408, 429, 500, 502, 503, 504}
LONGEST_WAIT_S = 30.0


class DownloadError(Exception):
    """A file that could not be downloaded; the message says why, and what is kept of it."""


class _Broken(Exception):
    """A try that failed in a way that another one may not."""


def download(
    url: str, destination: Path, progress: Progress, *, tries: int = 5, wait_s: float = 0.5, timeout_s: float = 30.0
) -> None:
    """Download `url` to `destination`, which appears only when it is complete.

    What comes is kept in `<destination>.part`, also when the process is killed, and a later call asks only for the rest
    (HTTP Range); a file that changed meanwhile is fetched anew, as is everything from servers that give neither an ETag
    nor a date. `destination` is left alone where it exists, unless the server tells another size.

    `progress(done, total)` counts bytes, those that were there before included; `total` is None where the server does
    not tell. Raises DownloadError after `tries` failures in a row that brought not a byte more (waiting `wait_s`
    seconds after the first, then twice that, ...), and at once for what no other try can mend. `timeout_s` is the
    longest silence of the server.
    """
    path = destination.with_name(destination.name + ".part")
    timeout = httpx.Timeout(timeout_s, connect=min(10.0, timeout_s))
    try:
        if destination.is_dir():
            raise DownloadError(f"{destination} is a folder; name the file to download to")
        destination.parent.mkdir(parents=True, exist_ok=True)
        with httpx.Client(timeout=timeout, follow_redirects=True, headers=PLAIN) as client:
            if destination.exists() and _is_complete(client, url, destination):
                size = destination.stat().st_size
                progress(size, size)
                return
            with open_part(path) as part:
                _try_often(client, url, part, progress, tries, wait_s)
                part.finish(destination)
    except PartInUse:
        raise DownloadError(f"{path} is being downloaded by another process; wait for it, or stop it") from None
    except httpx.InvalidURL as error:
        raise DownloadError(f"{url!r} is not an address: {error}") from None
    except httpx.HTTPError as error:  # too many redirects, an unknown protocol
        raise DownloadError(f"{url} cannot be downloaded: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(f"the disk of {destination.parent} is full; {_kept(path)}") from None
        raise DownloadError(f"cannot write {error.filename or path}: {error.strerror or error}") from None


def _is_complete(client: httpx.Client, url: str, file: Path) -> bool:
    """False only when the server tells that the file has another size; with no network what is there is good."""
    try:
        answer = client.head(url)
    except httpx.HTTPError:
        return True
    length = _number(answer.headers.get("Content-Length"))
    return not answer.is_success or length is None or length == file.stat().st_size


def _try_often(client: httpx.Client, url: str, part: Part, progress: Progress, tries: int, wait_s: float) -> None:
    failures, most = 0, part.size
    while True:
        try:
            return _try_once(client, url, part, progress)
        except httpx.UnsupportedProtocol:
            raise
        except (_Broken, httpx.TransportError) as error:
            # Counted by the most that ever was there: a server that always cuts and never resumes must not go on.
            failures = 1 if part.size > most else failures + 1
            most = max(most, part.size)
            if failures >= tries:
                raise DownloadError(f"{_why(error, url, client)}; {_kept(part.path)}") from None
        time.sleep(min(wait_s * 2 ** (failures - 1), LONGEST_WAIT_S))


def _try_once(client: httpx.Client, url: str, part: Part, progress: Progress) -> None:
    """Fetch what is missing. Raises _Broken or httpx.TransportError when it may be tried again, else DownloadError."""
    record = part.record(url)
    if record is None:
        part.start_anew()
    have = part.size
    asked = {"Range": f"bytes={have}-", "If-Range": record.validator} if record and have else {}
    with client.stream("GET", url, headers=asked) as answer:
        if answer.status_code == 416 and asked:
            if _range_of(answer) == (None, have):
                return progress(have, have)  # all was there, and only not yet renamed
            part.start_anew()
            raise _Broken(f"{url} changed while it was downloaded")
        if answer.status_code not in (200, 206):
            _refuse(answer, url)
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise DownloadError(f"{_host(url)} sends {url} compressed ({encoding}), so it cannot be checked or resumed")
        if answer.status_code == 206:
            start, total = _range_of(answer)
            known = record.total if record else None
            same = record is not None and _validator(answer) in (None, record.validator)
            if start != have or not same or (None not in (total, known) and total != known):
                part.start_anew()
                raise _Broken(f"{url} changed while it was downloaded")
            total = known if total is None else total
        else:  # from the beginning: nothing was asked, or the file changed, or the server knows no ranges
            have, total, validator = 0, _number(answer.headers.get("Content-Length")), _validator(answer)
            part.start_anew(Record(url, validator, total) if validator else None)
        _require_space(part.path.parent, (total or 0) - have)
        progress(have, total)
        for data in answer.iter_raw():
            part.append(data)
            have += len(data)
            progress(have, total)
    if total is not None and part.size != total:
        told = f"{part.size:,} bytes came, where {total:,} were announced"
        if part.size > total:
            part.start_anew()
        raise _Broken(told)


def _refuse(answer: httpx.Response, url: str) -> None:
    status = f"HTTP {answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code in PASSING:
        raise _Broken(f"{_host(url)} cannot answer now ({status})")
    if answer.status_code in (404, 410):
        raise DownloadError(f"{url} is not there ({status}): it may have moved. Get the file by other means.")
    raise DownloadError(f"{_host(url)} does not give {url} ({status})")


def _why(error: Exception, url: str, client: httpx.Client) -> str:
    host, told = _host(url), str(error) or type(error).__name__
    if isinstance(error, _Broken):
        return told
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return f"{host} cannot be reached ({told}): check the network"
    if isinstance(error, httpx.TimeoutException):
        return f"{host} sent nothing for {client.timeout.read:g} s"
    return f"the connection to {host} broke ({told})"


def _kept(part: Path) -> str:
    size = part.stat().st_size if part.exists() else 0
    if size and record_path(part).exists():
        return f"{size:,} bytes are kept in {part}, and the same command goes on from there"
    return "run the same command to try again"


def _require_space(folder: Path, to_come: int) -> None:
    free = shutil.disk_usage(folder).free
    if to_come > free:
        raise DownloadError(
            f"the disk of {folder} has {free / 1e6:,.0f} MB free, and {to_come / 1e6:,.0f} MB are to come; "
            "make room or choose another place"
        )


def _range_of(answer: httpx.Response) -> tuple[int | None, int | None]:
    """First byte and full size that Content-Range tells: `bytes 5-9/10`, `bytes 5-9/*`, `bytes */10`."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", answer.headers.get("Content-Range", "").strip())
    return (_number(found[1]), _number(found[2])) if found else (None, None)


def _validator(answer: httpx.Response) -> str | None:
    """What names this very version of the file: a strong ETag, else its date."""
    etag: str | None = answer.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _host(url: str) -> str:
    return httpx.URL(url).host or url
