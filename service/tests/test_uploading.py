"""Many files, over a connection that breaks."""

import contextlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from models.preprocess.subtitles import subtitles_beside
from models.tests import media_samples
from service.commands import sending
from service.commands.beside import Beside
from service.commands.client import Client, ServiceError
from service.commands.notes import Notes
from service.commands.sending import read_if_any
from service.commands.uploading import Item, upload_all
from service.routes import tus
from service.routes.tus import metadata_of
from service.settings import Settings
from service.subtitles import MOST_BYTES


class Breaking(BaseHTTPRequestHandler):
    """Hangs up on the first uploads, takes the others."""

    broken, uploads = 1, 0

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path.startswith("/v1/jobs/"):
            self._answer(200, {"status": "done", "progress": 1.0, "problem": None})
        else:
            self._answer(404, {"detail": "no such video"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).uploads += 1
        if self.uploads > self.broken:
            self._answer(202, {"job_id": "j_1", "video_id": "v_1"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Breaking.uploads, Breaking.broken = 0, 1
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WAITS_S", (0.01, 0.01, 0.01))


@pytest.fixture
def files(tmp_path: Path) -> list[Item]:
    paths = [tmp_path / "first.mp4", tmp_path / "second.mp4"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [Item(path) for path in paths]


def test_a_connection_that_breaks_once_costs_nothing(
    server: ThreadingHTTPServer, settings: Settings, files: list[Item]
) -> None:
    with Client(f"http://127.0.0.1:{server.server_port}", settings) as client:
        outcome = upload_all(client, files, Console(quiet=True))
    assert (outcome.added, outcome.failed) == (2, [])


def test_a_connection_that_breaks_again_and_again_fails_its_file_alone(
    server: ThreadingHTTPServer, settings: Settings, files: list[Item]
) -> None:
    Breaking.broken = 1 + len(sending.WAITS_S)
    with Client(f"http://127.0.0.1:{server.server_port}", settings) as client:
        outcome = upload_all(client, files, Console(quiet=True))
    assert outcome.added == 1
    ((path, reason),) = outcome.failed
    assert path == files[0].path
    assert "the connection broke" in reason


def test_a_service_that_is_gone_ends_the_ingest(settings: Settings, files: list[Item]) -> None:
    with Client("http://127.0.0.1:9", settings) as client, pytest.raises(httpx.TransportError):
        upload_all(client, files, Console(quiet=True))


class Proxy:
    """Passes connections on to a service, and cuts each of the first few after so many bytes."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self._port, self.cuts = port, cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            service = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass, args=(client, service, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(service, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        passed = 0
        try:
            while data := source.recv(4096):
                target.sendall(data)
                passed += len(data)
                if upwards and self.cuts and passed > self.cuts[0]:
                    self.cuts.pop(0)
                    time.sleep(0.5)  # what the service has not read when the connection ends is lost
                    break
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


def test_a_large_file_goes_on_where_the_connection_broke(
    service: int, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = media_samples.film(tmp_path / "film.mp4", 1, 8.0)
    (tmp_path / "film.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    size = film.stat().st_size
    assert size > 60_000
    monkeypatch.setattr(sending, "RESUMABLE_BYTES", 1000)
    monkeypatch.setattr(sending, "PIECE_BYTES", 4096)
    sent: list[tuple[str, int]] = []
    request = Client.send

    def send(self: Client, method: str, path: str, headers: dict[str, str], content: object = b"") -> httpx.Headers:
        if method == "PATCH":
            sent.append((path, int(headers["Upload-Offset"])))
        return request(self, method, path, headers, content)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "send", send)
    proxy = Proxy(service, [20_000, 40_000])
    shares: list[float] = []
    with Client(proxy.address, settings) as client:
        notes = Notes(tmp_path / "notes.json")
        item = Item(film, "A film", ("one",), tmp_path / "film.en.srt")
        answer = sending.send(client, item, notes.sha256(film), shares.append)
        video = client.get(f"/v1/videos/{answer['video_id']}")
        assert (video["title"], video["size_bytes"], video["tags"]) == ("A film", size, ["one"])
        assert "Hello" in client._http.get(video["subtitles_url"]).text
    proxy.close()
    assert proxy.cuts == []
    assert len({path for path, _ in sent}) == 1
    offsets = [offset for _, offset in sent]
    assert offsets == sorted(offsets)
    assert 0 == offsets[0] < offsets[-1] < size
    assert len(set(offsets)) > 1  # a piece that the service had not read when the connection ended is sent again
    assert shares[-1] == 1.0


def test_a_sender_whose_network_is_gone_soon_makes_way_for_its_next_request(
    service: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end of the connection is seen where a machine goes from one network to another."""
    monkeypatch.setattr(tus, "SILENCE_S", 0.3)
    with Client(f"http://127.0.0.1:{service}", settings) as client:
        where = client.send("POST", "/v1/uploads", {"Upload-Length": "10"})["Location"]
        head = f"PATCH {where} HTTP/1.1\r\nHost: 127.0.0.1:{service}\r\nContent-Type: {tus.BYTES}\r\n"
        with socket.create_connection(("127.0.0.1", service), timeout=30) as silent:
            silent.sendall(f"{head}Upload-Offset: 0\r\nContent-Length: 10\r\n\r\nhalf".encode())
            assert b" 408 " in silent.recv(65_536)
            assert client.send("HEAD", where)["Upload-Offset"] == "4"
            with pytest.raises(ServiceError) as caught:
                client.send("PATCH", where, {"Content-Type": tus.BYTES, "Upload-Offset": "4"}, b"no film")
    assert caught.value.problem["code"] == "upload_too_large"


def test_files_are_hashed_once_and_again_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"one")
    notes = Notes(tmp_path / "cache" / "notes.json")
    digest = notes.sha256(file)
    notes.save()
    again = Notes(tmp_path / "cache" / "notes.json")
    monkeypatch.setattr("service.commands.notes.hashlib.file_digest", None)  # not read again
    assert again.sha256(file) == digest
    monkeypatch.undo()
    file.write_bytes(b"other")
    assert again.sha256(file) != digest
    (tmp_path / "cache" / "notes.json").write_text("[not notes")
    assert Notes(tmp_path / "cache" / "notes.json").sha256(file) == again.sha256(file)


def test_names_of_any_bytes_and_with_brackets_are_sent_and_shown(
    server: ThreadingHTTPServer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Breaking.broken = 0
    folder = tmp_path / "old [disk"
    folder.mkdir()
    names = [b"caf\xe9 [b] one.mp4", b"[red]two[bold].mp4", b"\xff\xfe.mp4"]
    items = []
    for name in names:
        path = folder / os.fsdecode(name)
        path.write_bytes(name)
        items.append(Item(path))
    items.append(Item(folder / "]" / "missing\udce9.mp4"))
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with Client(f"http://127.0.0.1:{server.server_port}", settings) as client:
        outcome = upload_all(client, items, Console(file=shown, force_terminal=True, width=200))
        assert outcome.added == 3
        assert [path.name for path, _ in outcome.failed] == ["missing\udce9.mp4"]
        monkeypatch.setattr(sending, "RESUMABLE_BYTES", 1)
        headers: dict[str, str] = {}
        monkeypatch.setattr(Client, "send", lambda self, method, path, said: headers.update(said) or {"Location": "x"})
        assert sending._announce(client, items[0], "0" * 64, 3) == "x"
    shown.seek(0)
    assert "old [disk/]/missing\ufffd.mp4: No such file" in shown.read()
    assert metadata_of(headers["Upload-Metadata"])["filename"] == "caf\ufffd [b] one.mp4"


def test_why_a_job_is_tried_again_is_told_once(files: list[Item], settings: Settings) -> None:
    full = {"status": "queued", "progress": 0.0, "problem": {"detail": "No space is left on the server."}}
    said = iter([full, full, {"status": "done", "progress": 1.0, "problem": None}])
    shown = io.StringIO()

    class Service(Client):
        def get(self, path: str, **params: object) -> object:
            if path.startswith("/v1/jobs/"):
                return next(said)
            raise ServiceError(404, {})

        def send_file(self, *_: object, **__: object) -> object:
            return {"job_id": "j_1", "video_id": "v_1"}

    with Service("http://127.0.0.1:9", settings) as client:
        outcome = upload_all(client, files[:1], Console(file=shown, width=300))
    assert outcome.added == 1
    assert shown.getvalue().count("first.mp4: No space is left on the server. It is tried again.") == 1


def test_subtitles_that_the_service_would_refuse_keep_no_film_out(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    assert read_if_any(None) is None
    assert read_if_any(path) is None
    cue = "00:00:01,000 --> 00:00:02,000\n"
    for text in ("no cue", cue + "x" * MOST_BYTES):
        path.write_text(text)
        assert read_if_any(path) is None
    path.write_text(cue + "Hello\n")
    assert read_if_any(path) == path.read_bytes()


def test_a_folder_of_many_films_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number}.mp4").touch()
        (tmp_path / f"{number}.de.SRT").touch()
        (tmp_path / f"{number}.en.vtt").touch()
    (tmp_path / "7.srt").touch()
    films = sorted(tmp_path.glob("*.mp4"))
    wanted = [subtitles_beside(film) for film in films]
    listed: list[object] = []
    scandir = os.scandir

    def noted(folder: Path) -> object:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr("service.commands.beside.os.scandir", noted)
    beside = Beside()
    assert [beside.subtitles_of(film) for film in films] == wanted
    assert (tmp_path / "7.srt", tmp_path / "8.en.vtt") == (wanted[films.index(tmp_path / "7.mp4")], wanted[-2])
    assert listed == [tmp_path]
    assert beside.subtitles_of(tmp_path / "none" / "x.mp4") is None
