"""Playing a film: ranges, validators, pictures."""

import httpx
import pytest

from api_tests.conftest import Library, Server


@pytest.fixture
def url(library: Library) -> str:
    return f"/v1/videos/{library.films[2]}/media"


@pytest.fixture
def whole(server: Server, url: str) -> httpx.Response:
    response = server.http.get(url)
    assert response.status_code == 200
    return response


def test_the_file_comes_as_it_was_uploaded(server: Server, library: Library, whole: httpx.Response) -> None:
    video = server.http.get(f"/v1/videos/{library.films[2]}").json()
    assert len(whole.content) == video["size_bytes"]
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-disposition"].startswith("inline")
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["etag"] == f'"{video["sha256"]}"'


@pytest.mark.parametrize("asked", ["0-99", "100-", "-100", "50-50", "10-999999999"])
def test_a_range_is_exactly_that_part(server: Server, url: str, whole: httpx.Response, asked: str) -> None:
    size = len(whole.content)
    first, _, last = asked.partition("-")
    start = int(first) if first else size - int(last)
    end = min(size, int(last) + 1) if first and last else size
    response = server.http.get(url, headers={"Range": f"bytes={asked}"})
    assert response.status_code == 206
    assert response.content == whole.content[start:end]
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    assert response.headers["content-length"] == str(end - start)


def test_a_range_behind_the_end_is_a_problem_that_tells_the_size(
    server: Server, url: str, whole: httpx.Response
) -> None:
    response = server.http.get(url, headers={"Range": "bytes=99999999-"})
    assert response.status_code == 416
    assert response.json()["code"] == "range_not_satisfiable"
    assert response.headers["content-range"] == f"bytes */{len(whole.content)}"


def test_a_known_version_is_not_sent_again(server: Server, url: str, whole: httpx.Response) -> None:
    etag = whole.headers["etag"]
    assert server.http.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert server.http.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert server.http.get(url, headers={"Range": "bytes=0-9", "If-Range": etag}).status_code == 206
    assert server.http.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200


def test_head_tells_the_size_without_the_file(server: Server, url: str, whole: httpx.Response) -> None:
    response = server.http.head(url)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-length"] == str(len(whole.content))


def test_a_sound_file_is_audio(server: Server, library: Library) -> None:
    response = server.http.head(f"/v1/videos/{library.sound}/media")
    assert response.headers["content-type"] == "audio/mpeg"


def test_every_moment_of_a_film_has_a_picture(server: Server, library: Library) -> None:
    timeline = server.http.get(f"/v1/videos/{library.films[2]}/timeline", params={"q": "a door"}).json()
    for moment in timeline["moments"]:
        response = server.http.get(f"/v1/segments/{moment['segment_id']}/thumbnail")
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert response.content.startswith(b"\xff\xd8")


def test_a_moment_of_a_sound_has_no_picture(server: Server, library: Library) -> None:
    timeline = server.http.get(f"/v1/videos/{library.sound}/timeline", params={"q": "a door"}).json()
    response = server.http.get(f"/v1/segments/{timeline['moments'][0]['segment_id']}/thumbnail")
    assert (response.status_code, response.json()["code"]) == (404, "thumbnail_not_found")
