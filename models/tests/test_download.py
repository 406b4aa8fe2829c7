"""Downloads from a real server that breaks off, changes the file, ignores ranges, fails: what was sent is counted."""

import contextlib
import fcntl
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.pretrained.download import DownloadError, download


def body(seed: int, size: int = 300_000) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@dataclass
class Shelf:
    """One file on a server, and how the server behaves."""

    data: bytes
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers, in place of the file
    ranges: bool = True
    if_range: bool = True
    headers: str | None = "ETag"  # or Last-Modified, or None
    declared: int | None = None  # Content-Length, where it is not the truth
    chunked: bool = False
    changes_after: int | None = None  # answers until another file is put there
    hang: threading.Event | None = None  # waits for it before an answer
    stall: threading.Event | None = None  # waits for it before breaking off
    redirect: bool = False
    asked: list[str | None] = field(default_factory=list)  # Range of each GET
    sent: list[int] = field(default_factory=list)  # bytes of the file in each answer

    @property
    def validator(self) -> str:
        if self.headers == "ETag":
            return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'
        return f"Thu, 01 Jan 1970 00:00:{len(set(self.data[:50])) % 60:02d} GMT"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.shelf.data)))
        self.end_headers()

    def do_GET(self) -> None:
        shelf = self.shelf
        if shelf.redirect and self.path != "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if shelf.changes_after is not None and len(shelf.asked) == shelf.changes_after:
            shelf.data = body(99, len(shelf.data))
        wanted = self.headers.get("Range")
        shelf.asked.append(wanted)
        assert self.headers["Accept-Encoding"] == "identity"
        if shelf.hang is not None:
            shelf.hang.wait(20)
            return
        if shelf.statuses:
            self.send_error(shelf.statuses.pop(0))
            return
        start, size = 0, len(shelf.data)
        if wanted and shelf.ranges and (not shelf.if_range or self.headers.get("If-Range") == shelf.validator):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= size > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            shelf.sent.append(0)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if shelf.headers:
            self.send_header(shelf.headers, shelf.validator)
        if shelf.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(shelf.declared or size - start))
        self.end_headers()
        rest = shelf.data[start:]
        cut = shelf.cuts.pop(0) if shelf.cuts else len(rest)
        shelf.sent.append(len(rest[:cut]))
        if shelf.chunked:
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
        else:
            self.wfile.write(rest[:cut])
        if cut < len(rest) or shelf.declared:
            self.wfile.flush()
            if shelf.stall is not None:
                shelf.stall.wait(20)
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Nothing on the test's screen."""


@dataclass
class Place:
    """A server with one file, and where to download to."""

    url: str
    shelf: Shelf
    file: Path
    told: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def part(self) -> Path:
        return self.file.with_name(self.file.name + ".part")

    def get(self, **options: Any) -> None:
        self.told.clear()
        options = {"wait_s": 0.01, "timeout_s": 5.0, **options}
        download(self.url, self.file, lambda done, total: self.told.append((done, total)), **options)

    def is_complete(self) -> bool:
        alone = [path.name for path in self.file.parent.iterdir()] == [self.file.name]
        return alone and self.file.read_bytes() == self.shelf.data


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shelf = Shelf(body(1))
    handler = type("OneShelf", (Handler,), {"shelf": shelf})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Place(f"http://127.0.0.1:{server.server_port}/weights.pkl", shelf, tmp_path / "new" / "weights.pkl")
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_and_then_kept(place: Place) -> None:
    place.get()
    assert place.is_complete()
    assert place.told[0] == (0, 300_000)
    assert place.told[-1] == (300_000, 300_000)
    assert [done for done, _ in place.told] == sorted(done for done, _ in place.told)
    place.get()
    assert place.told == [(300_000, 300_000)]
    assert place.shelf.sent == [300_000]


def test_a_connection_that_breaks_is_resumed_where_it_broke(place: Place) -> None:
    place.shelf.cuts = [100_000, 50_000]
    place.get()
    assert place.is_complete()
    assert place.shelf.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert place.shelf.sent == [100_000, 50_000, 150_000]


@pytest.mark.parametrize("headers", ["ETag", "Last-Modified"])
def test_a_later_call_resumes_what_an_earlier_one_left(place: Place, headers: str) -> None:
    place.shelf.headers = headers
    place.shelf.cuts = [100_000]
    with pytest.raises(DownloadError, match="100,000 bytes are kept"):
        place.get(tries=1)
    assert place.part.stat().st_size == 100_000
    assert not place.file.exists()
    place.get(tries=1)
    assert place.is_complete()
    assert place.told[0] == (100_000, 300_000)
    assert place.shelf.sent == [100_000, 200_000]


def test_a_killed_process_leaves_what_came(place: Place) -> None:
    place.shelf.cuts, place.shelf.stall = [100_000], threading.Event()
    program = (
        "import sys, pathlib; from models.pretrained.download import download; "
        "download(sys.argv[1], pathlib.Path(sys.argv[2]), print)"
    )
    command = [sys.executable, "-c", program, place.url, str(place.file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as child:
        deadline = time.monotonic() + 20
        while not (place.part.exists() and place.part.stat().st_size == 100_000) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.kill()
    place.shelf.stall.set()
    place.get()
    assert place.is_complete()
    assert place.shelf.sent == [100_000, 200_000]


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_anew(place: Place, if_range: bool) -> None:
    """Also where the server ignores If-Range and would send the rest of another file."""
    place.shelf.cuts = [100_000]
    place.shelf.changes_after = 1
    place.shelf.if_range = if_range
    place.get()
    assert place.shelf.data == body(99)
    assert place.is_complete()
    assert place.shelf.sent[-1] == 300_000


def test_a_server_that_knows_no_ranges_sends_all_again(place: Place) -> None:
    place.shelf.cuts = [100_000]
    place.shelf.ranges = False
    place.get()
    assert place.is_complete()
    assert place.shelf.asked == [None, "bytes=100000-"]
    assert place.shelf.sent == [100_000, 300_000]


def test_without_a_name_for_the_version_nothing_is_resumed(place: Place) -> None:
    place.shelf.headers = None
    place.shelf.cuts = [100_000]
    place.get()
    assert place.is_complete()
    assert place.shelf.asked == [None, None]


def test_a_part_that_is_complete_is_only_renamed(place: Place) -> None:
    place.shelf.cuts = [299_999]
    with pytest.raises(DownloadError):
        place.get(tries=1)
    with place.part.open("ab") as file:
        file.write(place.shelf.data[-1:])
    place.get()
    assert place.is_complete()
    assert place.shelf.sent == [299_999, 0]


def test_a_part_of_nobody_knows_what_is_not_used(place: Place) -> None:
    place.file.parent.mkdir()
    place.part.write_bytes(b"x" * 1000)
    place.get()
    assert place.is_complete()
    assert place.shelf.asked == [None]
    record = place.part.with_name(place.part.name + ".json")
    for damaged in ("{", "[]", '{"url": 1}'):
        place.file.unlink()
        place.part.write_bytes(b"x" * 1000)
        record.write_text(damaged)
        place.get()
        assert place.is_complete()


def test_a_part_of_another_address_is_not_used(place: Place) -> None:
    place.shelf.cuts = [100_000]
    with pytest.raises(DownloadError):
        place.get(tries=1)
    place.url += "?other"
    place.get()
    assert place.is_complete()
    assert place.shelf.sent == [100_000, 300_000]


def test_a_file_of_another_size_is_replaced_but_not_before_the_new_one_is_there(place: Place) -> None:
    place.file.parent.mkdir()
    place.file.write_bytes(b"cut off by another program")
    place.shelf.cuts = [100_000]
    with pytest.raises(DownloadError):
        place.get(tries=1)
    assert place.file.read_bytes() == b"cut off by another program"
    place.get()
    assert place.is_complete()


def test_a_file_that_is_there_needs_no_network(place: Place) -> None:
    place.file.parent.mkdir()
    place.file.write_bytes(b"mine")
    place.url = f"http://127.0.0.1:{free_port()}/weights.pkl"
    place.get()
    assert place.file.read_bytes() == b"mine"


def test_a_server_that_is_busy_is_asked_again(place: Place) -> None:
    place.shelf.statuses = [503, 429]
    place.get(tries=3)
    assert place.is_complete()
    place.file.unlink()
    place.shelf.statuses = [503, 503]
    with pytest.raises(DownloadError, match=r"cannot answer now \(HTTP 503"):
        place.get(tries=2)


@pytest.mark.parametrize(("status", "told"), [(404, "is not there"), (403, "does not give"), (410, "is not there")])
def test_what_no_other_try_can_mend_is_told_at_once(place: Place, status: int, told: str) -> None:
    place.shelf.statuses = [status] * 9
    with pytest.raises(DownloadError, match=rf"{told}.*\(HTTP {status}"):
        place.get()
    assert len(place.shelf.asked) == 1
    assert not list(place.file.parent.iterdir())  # nothing is left lying about


def test_a_server_that_always_cuts_and_never_resumes_does_not_go_on_for_ever(place: Place) -> None:
    place.shelf.ranges = False
    place.shelf.cuts = [1000] * 20
    with pytest.raises(DownloadError, match="broke"):
        place.get(tries=3)
    assert len(place.shelf.asked) == 3


def test_no_network_and_a_silent_server_are_told(place: Place) -> None:
    place.shelf.hang = threading.Event()
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 sent nothing for 0\.2 s"):
        place.get(tries=1, timeout_s=0.2)
    place.shelf.hang.set()
    place.url = f"http://127.0.0.1:{free_port()}/weights.pkl"
    with pytest.raises(DownloadError, match=r"cannot be reached.*check the network"):
        place.get(tries=2)


def test_a_full_disk_is_told(place: Place) -> None:
    place.shelf.declared = 10**17
    with pytest.raises(DownloadError, match="MB free"):
        place.get()
    place.shelf.declared = None
    place.part.symlink_to("/dev/full")  # a real device on which every write finds no space
    with pytest.raises(DownloadError, match="is full"):
        place.get()
    assert not place.file.exists()


def test_places_that_cannot_be_written_to_are_told(place: Place) -> None:
    place.file.mkdir(parents=True)
    with pytest.raises(DownloadError, match="is a folder"):
        place.get()
    (place.file.parent / "file").write_text("")
    place.file = place.file.parent / "file" / "weights.pkl"
    with pytest.raises(DownloadError, match="cannot write"):
        place.get()


@pytest.mark.parametrize("url", ["weights.pkl", "ftp://127.0.0.1/weights.pkl", "http://\x07/"])
def test_what_is_no_address_is_told_at_once(place: Place, url: str) -> None:
    place.url = url
    with pytest.raises(DownloadError, match=r"cannot be downloaded|not an address"):
        place.get(wait_s=100)


def test_redirects_and_files_of_unknown_size(place: Place) -> None:
    place.shelf.redirect = True
    place.shelf.cuts = [100_000]
    place.get()
    assert place.is_complete()
    assert place.shelf.sent == [100_000, 200_000]
    place.file.unlink()
    place.shelf.chunked = True
    place.get()
    assert place.is_complete()
    assert place.told[-1] == (300_000, None)


def test_two_processes_do_not_write_the_same_part(place: Place) -> None:
    place.file.parent.mkdir()
    with place.part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            place.get()
    place.get()
    assert place.is_complete()


def free_port() -> int:
    """A port that nobody listens on."""
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
