"""Requests made up to break things: each is answered by a problem document that is not the server's fault."""

import base64
import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The whole application; its Redis is away."""
    home = tmp_path_factory.mktemp("home")
    app = create_app(Settings(home=home, redis_url=f"unix://{home}/none.sock"))
    with TestClient(app, base_url="http://127.0.0.1:8600", raise_server_exceptions=False) as client:
        yield client


def cursor_of(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["added_after", "added_before"])
def test_times_outside_the_calendar_are_refused(client: TestClient, name: str, time: str) -> None:
    response = client.get("/v1/search", params={"q": "door", name: time})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["fields"][0]["name"] == name


@pytest.mark.parametrize(
    "cursor",
    [
        cursor_of("0001-01-01T00:00:00+14:00", "v_0123456789abcdef"),
        cursor_of("2026-01-01T00:00:00+00:00", "v_\ud800"),
        cursor_of("2026-01-01T00:00:00+00:00", "\0"),
        cursor_of("2026-01-01T00:00:00+00:00", 7),
        cursor_of(1, 2, 3),
        "[" * 200,
        "\u0663",
    ],
)
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/jobs"])
def test_made_up_cursors_are_refused(client: TestClient, path: str, cursor: str) -> None:
    response = client.get(path, params={"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize("segment_id", [-(10**30), -(2**63) - 1, -1, 0, 2**63, 10**30])
def test_ids_beyond_all_numbers_are_of_no_segment(client: TestClient, segment_id: int) -> None:
    response = client.get(f"/v1/segments/{segment_id}/thumbnail")
    assert (response.status_code, response.json()["code"]) == (404, "segment_not_found")
