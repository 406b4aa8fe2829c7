"""What is too much is sent away at once; a service that is to stop says so first."""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from service import backpressure, http_protocol, problems
from service.backpressure import Backpressure, Bounds, kind_of
from service.draining import DrainingServer
from service.http_protocol import CarefulProtocol

app = FastAPI()
app.add_middleware(Backpressure, bounds=Bounds(search=2, upload=1, stream=1))
problems.install(app)
go_on = threading.Event()


async def wait() -> None:
    while not go_on.is_set():
        await asyncio.sleep(0.01)


@app.get("/v1/search")
async def search() -> str:
    await wait()
    return "found"


@app.post("/v1/videos")
async def upload(request: Request) -> int:
    return sum([len(piece) async for piece in request.stream()])


@app.patch("/v1/videos/{video_id}")
async def change(body: dict[str, Any]) -> int:
    return len(body)


@app.get("/v1/jobs/{job_id}/events")
async def events() -> StreamingResponse:
    async def said() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        await wait()

    return StreamingResponse(said())


@app.get("/readyz")
async def readyz() -> str:
    return "ok"


@pytest.fixture(scope="module")
def draining() -> threading.Event:
    return threading.Event()


@pytest.fixture(scope="module")
def server(draining: threading.Event) -> Iterator[DrainingServer]:
    config = uvicorn.Config(app, port=0, http=CarefulProtocol, log_config=None, log_level="error", lifespan="off")
    server = DrainingServer(config, draining, drain_s=0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    server.address = listener.getsockname()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(server: DrainingServer) -> Iterator[httpx.Client]:
    go_on.clear()
    host, port = server.address  # type: ignore[attr-defined]
    with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
        yield client
    go_on.set()


def wait_until_inside(client: httpx.Client, path: str) -> httpx.Response:
    """Asks until the others are in."""
    deadline = time.monotonic() + 30
    while True:
        response = client.get(path, timeout=0.5)
        if response.status_code == 503 or time.monotonic() > deadline:
            return response


def test_more_searches_than_the_bound_are_told_to_come_back(client: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        inside = [pool.submit(client.get, "/v1/search", timeout=30) for _ in range(2)]
        time.sleep(0.3)
        response = wait_until_inside(client, "/v1/search")
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert response.headers["Retry-After"] == "1"
        assert client.get("/readyz").status_code == 200
        assert client.patch("/v1/videos/v_1", json={"a": 1}).json() == 1
        go_on.set()
        assert [future.result().status_code for future in inside] == [200, 200]
    assert client.get("/v1/search").status_code == 200


def test_a_stream_holds_its_place_until_it_ends(client: httpx.Client) -> None:
    with client.stream("GET", "/v1/jobs/j_1/events"):
        assert client.get("/v1/jobs/j_1/events").status_code == 503
    deadline = time.monotonic() + 10
    go_on.set()
    while client.get("/v1/jobs/j_1/events").status_code == 503:
        assert time.monotonic() < deadline


def test_a_body_that_is_no_file_is_bounded(client: httpx.Client) -> None:
    large = b'{"a": "' + b"x" * backpressure.MOST_BODY_BYTES + b'"}'

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(large), 65_536):
            yield large[at : at + 65_536]

    for content in (large, pieces()):
        response = client.patch("/v1/videos/v_1", content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert client.post("/v1/videos", content=large).json() == len(large)


def test_a_sender_who_goes_silent_is_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "SILENCE_S", 0.2)
    head = b"PATCH /v1/videos/v_1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
    assert b" 408 " in answer_to(client, head)


def test_a_head_that_is_slow_or_without_end_is_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.2)
    assert b" 408 " in answer_to(client, b"")
    assert b" 408 " in answer_to(client, b"GET / HTTP/1.1\r\nHost: x\r\n")
    monkeypatch.undo()
    assert b" 431 " in answer_to(client, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000)
    monkeypatch.setattr(http_protocol, "MOST_CONNECTIONS", 0)
    assert b" 503 " in answer_to(client, b"")


def answer_to(client: httpx.Client, sent: bytes) -> bytes:
    """What a connection says, until its other end closes it."""
    answer = b""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65_536):
                answer += data
    return answer


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v1/search", "search"),
        ("POST", "/v1/search/image", "search"),
        ("GET", "/v1/videos/v_1/timeline", "search"),
        ("POST", "/v1/videos", "upload"),
        ("PATCH", "/v1/uploads/0", "upload"),
        ("HEAD", "/v1/uploads/0", "other"),
        ("GET", "/v1/videos", "other"),
        ("GET", "/v1/videos/v_1/media", "stream"),
        ("GET", "/", "other"),
    ],
)
def test_kinds_of_requests(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


def test_a_signal_is_told_first_and_obeyed_later(
    server: DrainingServer, client: httpx.Client, draining: threading.Event
) -> None:
    go_on.set()
    server.handle_exit(signal.SIGTERM, None)
    assert draining.is_set()
    assert not server.should_exit
    assert client.get("/v1/search").status_code == 200
    deadline = time.monotonic() + 10
    while not server.should_exit:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server._captured_signals.clear()  # else it is raised again, in the middle of the tests
