"""Many files through a connection that breaks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from service.commands.client import Client
from service.commands.uploading import Item, upload_all
from service.settings import Settings


class Breaking(BaseHTTPRequestHandler):
    """Hangs up on the first upload, takes the others."""

    uploads = 0

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
        if self.uploads > 1:
            self._answer(202, {"job_id": "j_1"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Breaking.uploads = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> list[Item]:
    paths = [tmp_path / "first.mp4", tmp_path / "second.mp4"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [Item(path) for path in paths]


def test_a_connection_that_breaks_fails_its_file_alone(
    server: ThreadingHTTPServer, settings: Settings, files: list[Item]
) -> None:
    with Client(f"http://127.0.0.1:{server.server_port}", settings) as client:
        outcome = upload_all(client, files, Console(quiet=True))
    assert outcome.added == 1
    ((path, reason),) = outcome.failed
    assert path == files[0].path
    assert "the connection broke" in reason


def test_a_service_that_is_gone_ends_the_ingest(settings: Settings, files: list[Item]) -> None:
    with Client("http://127.0.0.1:9", settings) as client, pytest.raises(httpx.TransportError):
        upload_all(client, files, Console(quiet=True))
