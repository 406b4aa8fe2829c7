"""Who may call, by address, header and path."""

import pytest
from starlette.datastructures import Headers

from service.auth import authorize, is_loopback
from service.problems import Refused

TOKEN = "t0ken"
LOCAL = {"host": "127.0.0.1:8600"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


def refusal(method: str, path: str, headers: dict[str, str], *, host: str = "127.0.0.1") -> str | None:
    """The code of the refusal, None when the request may pass."""
    try:
        authorize(method, path, Headers(headers), host=host, token=TOKEN)
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]", "LOCALHOST."])
def test_addresses_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "127.0.0.1.example.org", "::", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost:8600", "127.0.0.1", "[::1]:8600"])
def test_on_loopback_readers_and_editors_need_no_key(host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/v1/search"), ("POST", "/v1/videos"), ("DELETE", "/v1/videos/v_1")):
        assert refusal(method, path, {"host": host}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8600", "192.168.0.9", "", "[::1", "a@127.0.0.1.x"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str) -> None:
    assert refusal("GET", "/v1/videos", {"host": host}) == "forbidden_host"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:8600", "file://"]
)
def test_a_post_from_a_page_of_another_origin_is_refused(origin: str) -> None:
    assert refusal("POST", "/v1/videos", LOCAL | {"origin": origin}) == "forbidden_origin"
    assert refusal("DELETE", "/v1/videos/v_1", LOCAL | {"origin": origin}) == "forbidden_origin"


def test_a_cross_site_post_without_an_origin_is_refused() -> None:
    assert refusal("POST", "/v1/videos", LOCAL | {"sec-fetch-site": "cross-site"}) == "forbidden_origin"


def test_the_own_page_may_post() -> None:
    own = LOCAL | {"origin": "http://127.0.0.1:8600", "sec-fetch-site": "same-origin"}
    assert refusal("POST", "/v1/videos", own) is None


def test_admin_calls_need_the_token_even_on_loopback() -> None:
    assert refusal("GET", "/v1/admin/index", LOCAL) == "unauthorized"
    assert refusal("POST", "/v1/admin/index/rebuild", LOCAL | BEARER) is None


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer", TOKEN, f"Basic {TOKEN}", "Bearer t0kén", "Bearer t0ken2"])
def test_a_wrong_token_is_refused_everywhere(given: str) -> None:
    for path in ("/v1/admin/index", "/v1/videos"):
        assert refusal("GET", path, LOCAL | {"authorization": given}) == "unauthorized"


def test_on_other_addresses_everything_but_the_probes_needs_the_token() -> None:
    for path in ("/", "/v1/videos", "/docs", "/openapi.json", "/static/app.js"):
        assert refusal("GET", path, {"host": "search.example"}, host="0.0.0.0") == "unauthorized"
        assert refusal("GET", path, {"host": "search.example"} | BEARER, host="0.0.0.0") is None
    for path in ("/healthz", "/readyz"):
        assert refusal("GET", path, {"host": "10.0.0.7"}, host="0.0.0.0") is None
