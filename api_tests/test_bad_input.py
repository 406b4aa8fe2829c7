"""Whatever is wrong gets a problem document with a code and a sentence that helps, and the library stays as it was."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_tests.conftest import Server
from models.tests import media_samples
from service.problem_codes import PROBLEMS
from service.settings import Settings

Maker = Callable[[Path], Path]


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code), body
    assert (PROBLEMS[code][0], PROBLEMS[code][1]) == (status, body["title"])
    assert len(body["detail"].split()) >= 5, body["detail"]
    return body


def listing(server: Server) -> Any:
    return server.http.get("/v1/videos", params={"limit": 100}).json()


@pytest.fixture(autouse=True)
def unchanged(server: Server) -> Iterator[None]:
    """The library, the media store and the folder of uploads are the same afterwards."""

    def state() -> tuple[Any, list[str]]:
        files = [path for folder in ("media", "uploads") for path in (server.home / folder).rglob("*")]
        return listing(server), sorted(str(path) for path in files if path.is_file())

    before = state()
    yield
    assert state() == before


def still(path: Path) -> Path:
    return media_samples.still(path.with_suffix(".png"))


def silent_wav(path: Path) -> Path:
    import numpy as np

    return media_samples.sound_file(path.with_suffix(".wav"), wave=np.zeros(48_000, np.float32))


def wav(path: Path) -> Path:
    return media_samples.sound_file(path.with_suffix(".wav"), 1, 3.0)


def too_long(path: Path) -> Path:
    return media_samples.film(path, 1, Settings().max_query_s + 10, fps=1)


UPLOADS: list[tuple[Maker, int, str]] = [
    (media_samples.text_named_mp4, 415, "not_media"),
    (media_samples.truncated_film, 422, "truncated_media"),
    (media_samples.empty_file, 422, "empty_file"),
    (still, 415, "unsupported_media"),
]
QUERIES: list[tuple[str, Maker, int, str]] = [
    ("image", media_samples.text_named_mp4, 422, "not_an_image"),
    ("image", media_samples.empty_file, 422, "empty_file"),
    ("image", wav, 422, "no_picture"),
    ("image", media_samples.film, 422, "not_an_image"),
    ("audio", media_samples.text_named_mp4, 415, "not_media"),
    ("audio", media_samples.empty_file, 422, "empty_file"),
    ("audio", media_samples.truncated_film, 422, "truncated_media"),
    ("audio", media_samples.silent_film, 422, "no_sound"),
    ("audio", silent_wav, 422, "no_sound"),
    ("audio", still, 422, "no_sound"),
    ("audio", too_long, 422, "query_too_long"),
    ("video", media_samples.text_named_mp4, 415, "not_media"),
    ("video", media_samples.empty_file, 422, "empty_file"),
    ("video", media_samples.truncated_film, 422, "truncated_media"),
    ("video", wav, 422, "no_picture"),
    ("video", still, 422, "no_picture"),
    ("video", too_long, 422, "query_too_long"),
]

REQUESTS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/v1/search?q=", {}, 422, "empty_query"),
    ("GET", "/v1/search?q=%20%09", {}, 422, "empty_query"),
    ("GET", "/v1/search", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=qwxzzy+plokijuh", {}, 422, "unknown_words"),
    ("GET", "/v1/search?q=door&limit=0", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&limit=101", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&limit=many", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&match=smell", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&space=fine", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&tags=typo", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=door&cursor=abc", {}, 422, "bad_cursor"),
    ("GET", "/v1/search?q=door&added_after=yesterday", {}, 422, "invalid_request"),
    ("GET", "/v1/search?q=" + "door+" * 300, {}, 422, "invalid_request"),
    ("POST", "/v1/search/text", {"json": {"query": ""}}, 422, "empty_query"),
    ("POST", "/v1/search/text", {"json": {"text": "door"}}, 422, "invalid_request"),
    ("POST", "/v1/search/text", {"json": ["door"]}, 422, "invalid_request"),
    (
        "POST",
        "/v1/search/text",
        {"content": b"{", "headers": {"content-type": "application/json"}},
        400,
        "bad_request",
    ),
    ("POST", "/v1/search/text", {}, 422, "invalid_request"),
    ("POST", "/v1/search/image", {}, 422, "missing_file"),
    ("POST", "/v1/search/image", {"json": {"file": "x"}}, 422, "missing_file"),
    ("POST", "/v1/videos", {"data": {"title": "x"}}, 422, "missing_file"),
    ("POST", "/v1/videos", {"files": {"film": ("a.mp4", b"x")}}, 422, "missing_file"),
    ("GET", "/v1/videos/v_0000000000000000", {}, 404, "video_not_found"),
    ("GET", "/v1/videos/..%2f..%2fetc", {}, 404, "not_found"),
    ("GET", "/v1/videos/x/media", {}, 404, "video_not_found"),
    ("GET", "/v1/videos/x/timeline?q=door", {}, 404, "video_not_found"),
    ("PATCH", "/v1/videos/x", {"json": {"title": "a"}}, 404, "video_not_found"),
    ("PATCH", "/v1/videos/x", {"json": {"title": ""}}, 422, "invalid_request"),
    ("PATCH", "/v1/videos/x", {"json": {"name": "a"}}, 422, "invalid_request"),
    (
        "PATCH",
        "/v1/videos/x",
        {"content": b'{"title": "\\ud800"}', "headers": {"content-type": "application/json"}},
        422,
        "invalid_request",
    ),
    ("DELETE", "/v1/videos/x", {}, 404, "video_not_found"),
    ("GET", "/v1/videos?cursor=abc", {}, 422, "bad_cursor"),
    ("GET", "/v1/videos?status=lost", {}, 422, "invalid_request"),
    ("GET", "/v1/segments/999999999/thumbnail", {}, 404, "segment_not_found"),
    ("GET", "/v1/segments/99999999999999999999999/thumbnail", {}, 404, "segment_not_found"),
    ("GET", "/v1/segments/-1/thumbnail", {}, 404, "segment_not_found"),
    ("GET", "/v1/segments/one/thumbnail", {}, 422, "invalid_request"),
    ("GET", "/v1/jobs/j_0", {}, 404, "job_not_found"),
    ("DELETE", "/v1/jobs/j_0", {}, 404, "job_not_found"),
    ("POST", "/v1/jobs/j_0/retry", {}, 404, "job_not_found"),
    ("GET", "/v1/jobs/j_0/events", {}, 404, "job_not_found"),
    ("GET", "/v1/jobs?cursor=abc", {}, 422, "bad_cursor"),
    ("GET", "/v1/nothing", {}, 404, "not_found"),
    ("PUT", "/v1/videos", {}, 405, "method_not_allowed"),
    ("GET", "/v1/search/image", {}, 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("make", "status", "code"), UPLOADS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_file_that_cannot_be_used_is_not_taken_in(
    server: Server, tmp_path: Path, make: Maker, status: int, code: str
) -> None:
    path = make(tmp_path / "bad.mp4")
    with path.open("rb") as file:
        response = server.http.post("/v1/videos", files={"file": (path.name, file)})
    check_problem(response, status, code)


@pytest.mark.parametrize(
    ("kind", "make", "status", "code"), QUERIES, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_a_file_that_cannot_be_searched_by_says_why(
    server: Server, tmp_path: Path, kind: str, make: Maker, status: int, code: str
) -> None:
    check_problem(server.query(kind, make(tmp_path / "bad.mp4")), status, code)


@pytest.mark.parametrize(("method", "path", "arguments", "status", "code"), REQUESTS)
def test_a_request_that_makes_no_sense_says_why(
    server: Server, method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    check_problem(server.http.request(method, path, **arguments), status, code)


def test_unknown_words_are_named(server: Server) -> None:
    body = server.http.get("/v1/search", params={"q": "qwxzzy plokijuh"}).json()
    assert body["words"] == ["qwxzzy", "plokijuh"]
    assert "qwxzzy" in body["detail"]


def test_known_words_beside_unknown_ones_are_searched(server: Server) -> None:
    assert server.http.get("/v1/search", params={"q": "qwxzzy door"}).status_code == 200


def test_every_answer_in_the_openapi_document_is_described(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    assert "Problem" in document["components"]["schemas"]
    paths = {path: methods for path, methods in document["paths"].items() if path.startswith("/v1/")}
    assert len(paths) >= 14
    for path, methods in paths.items():
        for method, operation in methods.items():
            errors = {status: a for status, a in operation["responses"].items() if int(status) >= 400}
            assert {"401", "403", "422", "500"} <= set(errors), (method, path)
            for status, answer in errors.items():
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
