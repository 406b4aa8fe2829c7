"""A library that goes over to another model, one that knows no words, and back, while two processes are searched."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_tests.server import REPOSITORY, Replica, Server
from models.bundle import Bundle
from models.tests import media_samples, tiny_bundle

# A process looks once a second, and loads the small model in a moment; the rest is for busy machines.
FOLLOWS_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles")
    return tiny_bundle.without_text(tiny_bundle.export(folder / "tiny"), folder / "mute")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "own")
    yield server
    server.stop()


@pytest.fixture
def replica(own: Server) -> Iterator[Replica]:
    server = Replica(own)
    yield server
    server.stop()


def command(server: Server, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "service.cli", *map(str, arguments), "--home", str(server.home)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


class Looker:
    """Searches one process again and again, in a thread, and keeps what each answer was made with."""

    def __init__(self, server: Server, still: Path) -> None:
        self._url, self._still = server.url, still
        self.answers: list[tuple[int, str, str | None, frozenset[str]]] = []
        self.errors: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while not self._over.is_set():
                params: dict[str, str | int] = {"limit": 100, "group_by": "video"}
                files = {"file": (self._still.name, self._still.read_bytes())}
                response = client.post("/v1/search/image", params=params, files=files)
                if response.status_code != 200:
                    self.errors.append(response.text)
                    return
                found = response.json()
                videos = frozenset(hit["video_id"] for hit in found["results"])
                said = (found["generation_number"], found["bundle_fingerprint"], found["generation"], videos)
                if not self.answers or self.answers[-1] != said:
                    self.answers.append(said)

    def wait_for(self, number: int) -> None:
        deadline = time.monotonic() + FOLLOWS_WITHIN_S
        while not any(answer[0] == number for answer in self.answers):
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, f"still {self.answers[-1:]}"
            time.sleep(0.02)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def admin(server: Server, method: str, path: str, json: Any = None) -> Any:
    response = server.http.request(method, f"/v1/admin{path}", headers=server.admin, json=json)
    assert response.is_success, response.text
    return response.json()


def test_two_processes_go_over_to_another_model_at_one_number_and_back(
    own: Server, replica: Replica, mute: Bundle, tmp_path: Path
) -> None:
    films = {seed: own.add(media_samples.film(tmp_path / f"{seed}.mp4", seed, 6.0)) for seed in (1, 2, 3)}
    shipped = own.http.get("/readyz").json()["checks"]["bundle"]
    lookers = [Looker(server, media_samples.still(tmp_path / "1.png", 1, 2.0)) for server in (own, replica)]
    try:
        # The worker is killed in the middle; the promotion goes on, and then waits to be confirmed.
        told = command(own, "bundle", "promote", mute.path, "--hold", "--no-wait")
        assert told.returncode == 0, told.stderr
        assert "is being brought into service" in told.stdout
        assert "--vocab" in told.stderr
        candidate = admin(replica, "GET", "/index/candidate")
        os.kill(own.worker(), signal.SIGKILL)
        assert own.wait(candidate["job_id"], 120)["status"] == "done", own.tail()
        candidate = admin(replica, "GET", "/index/candidate")
        assert (candidate["state"], candidate["bundle"]["name"]) == ("ready", mute.name)
        assert candidate["report"]["golden"]["known_items"]["image"]["asked"] == 3
        shown = command(own, "index", "candidate").stdout
        assert "after text_unavailable" in shown
        assert "checksums: passed" in shown
        films[4] = own.add(media_samples.silent_film(tmp_path / "4.mp4", 4, 4.0))
        job = admin(replica, "POST", "/index/candidate/confirm")
        done = replica.wait(job["id"])
        assert (done["status"], done["result"]["state"]) == ("done", "switched"), done
        number = done["result"]["number"]
        for looker in lookers:
            looker.wait_for(number)

        still = media_samples.still(tmp_path / "4.png", 4, 2.0)
        for server in (own, replica):
            found = server.query("image", still, limit=100, group_by="video").json()
            assert found["bundle"] == mute.name
            assert {hit["video_id"] for hit in found["results"]} == set(films.values())
            assert found["results"][0]["video_id"] == films[4]
            for response in (
                server.http.get("/v1/search", params={"q": "a door opens"}),
                server.http.get(f"/v1/videos/{films[1]}/timeline", params={"q": "a door opens"}),
            ):
                assert (response.status_code, response.json()["code"]) == (409, "text_unavailable")
                assert "--vocab" in response.json()["detail"]
            page = server.http.get("/").text
            assert 'placeholder="This model knows no words" disabled>' in page
            assert 'id="no-words">The model in use has no text encoder' in page
        asked = command(own, "search", "text", "a door opens")
        assert (asked.returncode, asked.stdout) == (1, "")
        assert asked.stderr.startswith("error: The model in use has no text encoder")

        # Back, at once and in both.
        told = command(own, "bundle", "rollback")
        assert f"searched again: {shipped}" in told.stdout, told.stderr
        for looker in lookers:
            looker.wait_for(number + 1)
    finally:
        for looker in lookers:
            looker.stop()
    assert [looker.errors for looker in lookers] == [[], []]
    # Every number meant one pair in both processes, and no answer lacked a film.
    pairs = {(answer[0], answer[1], answer[2]) for looker in lookers for answer in looker.answers}
    assert len(pairs) == len({number for number, _, _ in pairs}), pairs
    for looker in lookers:
        assert [answer[0] for answer in looker.answers] == sorted(answer[0] for answer in looker.answers)
        assert all(set(list(films.values())[:3]) <= answer[3] for answer in looker.answers)

    own.stop()
    own.start()
    assert own.http.get("/readyz").json()["checks"]["bundle"] == shipped
    hits = own.http.get("/v1/search", params={"q": "a door opens", "group_by": "video"}).json()["results"]
    assert {hit["video_id"] for hit in hits} == set(films.values())
    assert "disabled" not in own.http.get("/").text
