"""Files over the limits that an operator has set."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api_tests.server import Server
from models.tests import media_samples

LIMITS = {
    "MMV_MAX_UPLOAD_BYTES": "400000",
    "MMV_MAX_QUERY_BYTES": "100000",
    "MMV_MAX_DURATION_S": "8",
    "MMV_MAX_PIXELS": "20000",
}
HUGE = 30_000_000
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes little."""
    server = Server(tmp_path_factory.mktemp("small") / "home", environment=LIMITS)
    yield server
    assert server.http.get("/v1/videos").json()["total"] == 0
    assert list((server.home / "uploads").iterdir()) == []
    server.stop()


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/search/video"])
def test_a_file_over_the_limit_is_refused_when_its_length_is_told(small: Server, path: str) -> None:
    response = small.http.post(path, files={"file": ("a.mp4", bytes(HUGE))})
    assert (response.status_code, response.json()["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/search/video"])
def test_a_file_over_the_limit_is_refused_when_its_length_is_not_told(small: Server, path: str) -> None:
    def body() -> Iterator[bytes]:
        yield HEAD
        for _ in range(20):
            yield bytes(50_000)

    response = small.http.post(path, content=body(), headers=FORM)
    assert (response.status_code, response.json()["code"]) == (413, "upload_too_large")


def test_a_film_over_the_longest_duration_is_refused(small: Server, tmp_path: Path) -> None:
    with media_samples.film(tmp_path / "long.mp4", 1, 10.0).open("rb") as file:
        response = small.http.post("/v1/videos", files={"file": ("long.mp4", file)})
    assert (response.status_code, response.json()["code"]) == (422, "media_too_long")


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(small: Server, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (400, 400)).save(tmp_path / "large.png")
    response = small.query("image", tmp_path / "large.png")
    assert (response.status_code, response.json()["code"]) == (422, "media_too_large")
