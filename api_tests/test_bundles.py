"""A library that changes its model: to one that knows no words, and back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_tests.server import REPOSITORY, Server
from models.bundle import Bundle
from models.tests import media_samples, tiny_bundle


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles")
    return tiny_bundle.without_text(tiny_bundle.export(folder / "tiny"), folder / "mute")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "own")
    yield server
    server.stop()


def command(server: Server, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "service.cli", *map(str, arguments), "--home", str(server.home)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def restart(server: Server) -> None:
    server.stop()
    server.start()


def waiting(server: Server) -> int:
    return int(server.http.get("/v1/admin/index", headers=server.admin).json()["waiting_videos"])


def bundle_of(server: Server) -> str:
    return str(server.http.get("/readyz").json()["checks"]["bundle"])


def test_a_library_goes_over_to_a_promoted_bundle_without_words_and_back(
    own: Server, mute: Bundle, tmp_path: Path
) -> None:
    films = {seed: own.add(media_samples.film(tmp_path / f"{seed}.mp4", seed, 12.0)) for seed in (1, 2, 3)}
    shipped = bundle_of(own)

    told = command(own, "bundle", "promote", mute.path)
    assert told.returncode == 0, told.stderr
    assert f"when the service at {own.url} is started again" in told.stderr
    assert "3 videos are then embedded anew" in told.stderr
    assert "--vocab" in told.stderr

    # Nothing changes for the running service, whatever of it has to be started again.
    old_worker = own.worker()
    os.kill(old_worker, signal.SIGKILL)
    films[4] = own.add(media_samples.silent_film(tmp_path / "4.mp4", 4))
    assert own.worker() != old_worker
    still = media_samples.still(tmp_path / "4.png", 4, 2.0)
    assert own.query("image", still).json()["results"][0]["video_id"] == films[4]
    assert own.http.get("/v1/search", params={"q": "a door opens"}).json()["bundle"] == shipped

    restart(own)
    assert bundle_of(own) == mute.name
    deadline = time.monotonic() + 60
    while left := waiting(own):  # meanwhile what is done already is found, and nothing fails
        answer = own.query("image", still, limit=100)
        assert answer.status_code == 200, answer.text
        assert {hit["video_id"] for hit in answer.json()["results"]} <= set(films.values())
        assert time.monotonic() < deadline, f"{left} still wait\n{own.tail()}"
        time.sleep(0.1)
    found = own.query("image", still, limit=100, group_by="video").json()["results"]
    assert {hit["video_id"] for hit in found} == set(films.values())
    assert found[0]["video_id"] == films[4]
    marked = own.http.get("/v1/admin/bundles", headers=own.admin).json()["bundles"]
    assert [bundle["name"] for bundle in marked if bundle["active"]] == [mute.name]

    for response in (
        own.http.get("/v1/search", params={"q": "a door opens"}),
        own.http.post("/v1/search/text", json={"query": "a door opens"}),
        own.http.get(f"/v1/videos/{films[1]}/timeline", params={"q": "a door opens"}),
    ):
        assert response.status_code == 409
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "text_unavailable"
        assert "--vocab" in response.json()["detail"]
    asked = command(own, "search", "text", "a door opens")
    assert asked.returncode == 1
    assert asked.stdout == ""
    assert asked.stderr.startswith("error: The model in use has no text encoder")
    page = own.http.get("/").text
    assert 'placeholder="This model knows no words" disabled>' in page
    assert 'id="no-words">The model in use has no text encoder' in page
    assert 'id="examples" hidden>' in page

    # Back: what was embedded with the shipped bundle is still there.
    assert command(own, "bundle", "promote", "--shipped").returncode == 0
    restart(own)
    assert (bundle_of(own), waiting(own)) == (shipped, 0)
    hits = own.http.get("/v1/search", params={"q": "a door opens", "group_by": "video"}).json()["results"]
    assert {hit["video_id"] for hit in hits} == set(films.values())
    assert "disabled" not in own.http.get("/").text
