"""Problems and streamed forms, in a small application of their own."""

import errno
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from models.preprocess.media import MediaError
from models.preprocess.text import UnknownWords
from service import problems
from service.media_types import media_type
from service.multipart import clean_filename, read_form
from service.problem_codes import PROBLEMS
from service.problems import Refused, text_unavailable


class Body(BaseModel):
    count: int


RAISED: dict[str, Exception] = {
    "refused": Refused("empty_query", "Write something.", words=["a"]),
    "media": MediaError("not_media", "This is a text file."),
    "media-of-another-code": MediaError("something_new", "Whatever."),
    "words": UnknownWords(["qwx"]),
    "no-text": text_unavailable(),
    "disk": OSError(errno.ENOSPC, "full"),
    "bug": RuntimeError("secret detail"),
}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    problems.install(app)

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise RAISED[name]

    several = APIRouter()
    several.add_api_route("/several", lambda: None, methods=["GET"])
    several.add_api_route("/several", lambda: None, methods=["DELETE"])
    app.include_router(several)

    @app.post("/body")
    async def body(body: Body, limit: int = 1) -> None: ...

    @app.post("/form")
    async def form(request: Request) -> dict[str, Any]:
        digest, size = hashlib.sha256(), 0

        async def write(chunk: bytes) -> None:
            nonlocal size
            digest.update(chunk)
            size += len(chunk)

        form = await read_form(request, write)
        return {"filename": form.filename, "fields": form.fields, "size": size, "sha256": digest.hexdigest()}

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/raise/refused", 422, "empty_query"),
        ("/raise/media", 415, "not_media"),
        ("/raise/media-of-another-code", 415, "unsupported_media"),
        ("/raise/words", 422, "unknown_words"),
        ("/raise/no-text", 409, "text_unavailable"),
        ("/raise/disk", 507, "storage_full"),
        ("/raise/bug", 500, "internal_error"),
        ("/nowhere", 404, "not_found"),
        ("/body", 405, "method_not_allowed"),
    ],
)
def test_every_failure_is_a_problem_document(client: TestClient, path: str, status: int, code: str) -> None:
    response = client.get(path)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"].endswith(code)
    assert body["title"] == PROBLEMS[code][1]
    assert body["detail"].endswith((".", ";")) or len(body["detail"]) > 10
    assert "secret" not in response.text


def test_a_wrong_method_is_told_all_that_work_there(client: TestClient) -> None:
    assert client.put("/several").headers["allow"] == "GET, DELETE"
    assert client.get("/body").headers["allow"] == "POST"


def test_a_wrong_parameter_is_named(client: TestClient) -> None:
    body = client.post("/body?limit=many", json={"count": "x"}).json()
    assert body["code"] == "invalid_request"
    assert {field["name"] for field in body["fields"]} == {"limit", "count"}


def test_a_body_that_is_no_json_is_a_bad_request(client: TestClient) -> None:
    response = client.post("/body", content=b"{", headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_extra_members_of_a_problem_are_kept(client: TestClient) -> None:
    assert client.get("/raise/refused").json()["words"] == ["a"]


def test_the_documented_statuses_are_those_of_the_codes() -> None:
    documented = problems.openapi("empty_query", "not_media")
    assert {401, 403, 415, 422, 500} <= set(documented)
    assert "empty_query" in documented[422]["description"]


def test_a_file_and_its_fields_arrive_whole(client: TestClient) -> None:
    data = bytes(range(256)) * 40_000 + b"\r\n--not the boundary\r\n"
    response = client.post("/form", data={"title": "Tür", "tags": ["a", "b"]}, files={"file": ("x/y/ä b.mp4", data)})
    body = response.json()
    assert body["size"] == len(data)
    assert body["sha256"] == hashlib.sha256(data).hexdigest()
    assert body["filename"] == "ä b.mp4"
    assert body["fields"] == {"title": ["Tür"], "tags": ["a", "b"]}


def test_an_empty_file_is_a_file(client: TestClient) -> None:
    assert client.post("/form", files={"file": ("empty.mp4", b"")}).json()["size"] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"json": {"a": 1}}, "missing_file"),
        ({"files": {"other": ("a.mp4", b"x")}}, "missing_file"),
        ({"files": [("file", ("a", b"1")), ("file", ("b", b"2"))]}, "invalid_request"),
        ({"files": {"file": ("a", b"1")}, "data": {"title": "x" * 20_000}}, "invalid_request"),
        ({"files": {"file": ("a", b"1")}, "data": {str(i): "x" for i in range(200)}}, "invalid_request"),
        ({"content": b"--b\r\njunk", "headers": {"content-type": "multipart/form-data; boundary=b"}}, "bad_request"),
        (
            {
                "content": b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf a fi',
                "headers": {"content-type": "multipart/form-data; boundary=b"},
            },
            "bad_request",
        ),
        ({"content": b"", "headers": {"content-type": "multipart/form-data; boundary=b"}}, "bad_request"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "missing_file"),
    ],
)
def test_a_form_that_cannot_be_used_says_why(client: TestClient, arguments: dict[str, Any], code: str) -> None:
    response = client.post("/form", **arguments)
    assert response.json()["code"] == code


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("a.mp4", "a.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.mp4", "a.mp4"),
        ("\x00\n", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_a_filename_is_only_a_name(said: str, name: str) -> None:
    assert clean_filename(said) == name
    assert len(clean_filename("x" * 1000)) == 255


@pytest.mark.parametrize(
    ("head", "has_video", "kind"),
    [
        (b"\x00\x00\x00\x20ftypisom", True, "video/mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", False, "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1fB\x82\x84webm", True, "video/webm"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", False, "audio/wav"),
        (b"OggS\x00", False, "audio/ogg"),
        (b"ID3\x03", False, "audio/mpeg"),
        (b"<html><script>", True, "application/octet-stream"),
    ],
)
def test_the_media_type_comes_from_the_bytes(tmp_path: Any, head: bytes, has_video: bool, kind: str) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(head)
    assert media_type(path, has_video=has_video) == kind


def test_every_reason_to_refuse_a_file_is_in_the_vocabulary() -> None:
    root = Path(__file__).parents[2]
    raised = set()
    for path in [*(root / "service").rglob("*.py"), *(root / "models" / "preprocess").rglob("*.py")]:
        if "tests" not in path.parts:
            raised |= set(re.findall(r'MediaError\(\s*"(\w+)"', path.read_text()))
    assert len(raised) > 10
    assert raised <= PROBLEMS.keys()
