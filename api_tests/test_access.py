"""Who may call a running server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api_tests.conftest import Library, Server

ADMIN_CALLS = [("POST", "/v1/admin/index/rebuild"), ("GET", "/v1/admin/index"), ("GET", "/v1/admin/bundles")]


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on all addresses of the machine."""
    server = Server(tmp_path_factory.mktemp("open") / "home", host="0.0.0.0")
    yield server
    server.stop()


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_admin_calls_need_the_token_on_loopback_too(server: Server, method: str, path: str) -> None:
    response = server.http.request(method, path)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    wrong = server.http.request(method, path, headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401


def test_the_token_is_readable_by_its_owner_alone(server: Server) -> None:
    assert ((server.home / "admin-token").stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_rebound_name_is_refused(server: Server, host: str) -> None:
    for path in ("/", "/v1/videos", "/openapi.json"):
        response = server.http.get(path, headers={"Host": host})
        assert (response.status_code, response.json()["code"]) == (403, "forbidden_host")


def test_posts_from_other_sites_are_refused(server: Server, library: Library) -> None:
    for method, path in (
        ("POST", "/v1/videos"),
        ("DELETE", f"/v1/videos/{library.silent}"),
        ("POST", "/v1/search/text"),
    ):
        response = server.http.request(method, path, headers={"Origin": "https://evil.example"})
        assert (response.status_code, response.json()["code"]) == (403, "forbidden_origin")
    own = server.http.post("/v1/search/text", json={"query": "a door"}, headers={"Origin": server.url})
    assert own.status_code == 200


def test_an_open_server_asks_everybody_for_the_token(open_server: Server) -> None:
    for path in ("/", "/v1/videos", "/v1/search?q=door", "/docs", "/openapi.json", "/static/app.js", "/v1/nothing"):
        response = open_server.http.get(path)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), path
    for path in ("/healthz", "/readyz"):
        assert open_server.http.get(path).status_code == 200


def test_an_open_server_serves_who_has_the_token(open_server: Server) -> None:
    for path in ("/", "/v1/videos", "/v1/search?q=door", "/v1/admin/index"):
        assert open_server.http.get(path, headers=open_server.admin).status_code == 200, path


def test_an_empty_library_finds_nothing_and_says_so_plainly(open_server: Server, tmp_path: Path) -> None:
    body = open_server.http.get("/v1/search", params={"q": "a door"}, headers=open_server.admin).json()
    assert (body["results"], body["next_cursor"], body["generation"]) == ([], None, None)
