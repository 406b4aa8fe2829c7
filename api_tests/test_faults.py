"""Parts that die: the worker, the whole service, Redis."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_tests.server import Server
from models.tests import media_samples
from service.redis_server import EmbeddedRedis

# Long enough to be in the middle of its ingest for some seconds.
LONG_S = 120.0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that may be broken."""
    server = Server(tmp_path / "home")
    yield server
    server.stop()


def wait_until_in_the_middle(server: Server, job_id: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        job = server.http.get(f"/v1/jobs/{job_id}").json()
        if job["status"] == "running" and job["progress"] > 0.05:
            return
        assert job["status"] in ("queued", "running"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)


def check_whole(server: Server, video_id: str, tmp_path: Path) -> None:
    """The long film is in the library once, with every window once."""
    videos = server.http.get("/v1/videos").json()
    assert [video["id"] for video in videos["videos"]] == [video_id]
    assert videos["videos"][0]["status"] == "ready"
    timeline = server.http.get(f"/v1/videos/{video_id}/timeline", params={"q": "a door"}).json()
    starts = [moment["start_s"] for moment in timeline["moments"]]
    assert len(starts) == len(set(starts))
    assert timeline["moments"][-1]["end_s"] == pytest.approx(LONG_S, abs=0.5)
    status = server.http.get("/v1/admin/index", headers=server.admin).json()
    assert status["segments"] == len(starts)
    still = media_samples.still(tmp_path / "q.png", 40, 50.0)
    hits = server.query("image", still, limit=100).json()["results"]
    assert len(hits) == len({hit["start_s"] for hit in hits})


def test_a_worker_killed_in_the_middle_of_an_ingest_is_restarted_and_the_job_finishes_once(
    own_server: Server, tmp_path: Path
) -> None:
    uploaded = own_server.upload(media_samples.film(tmp_path / "long.mp4", 40, LONG_S, fps=5))
    wait_until_in_the_middle(own_server, uploaded["job_id"])
    os.kill(own_server.worker(), signal.SIGKILL)
    assert own_server.wait(uploaded["job_id"], within_s=90)["status"] == "done"
    check_whole(own_server, uploaded["video_id"], tmp_path)


def test_a_power_cut_in_the_middle_of_an_ingest_loses_nothing(own_server: Server, tmp_path: Path) -> None:
    uploaded = own_server.upload(media_samples.film(tmp_path / "long.mp4", 40, LONG_S, fps=5))
    wait_until_in_the_middle(own_server, uploaded["job_id"])
    own_server.kill()
    own_server.start()
    assert own_server.wait(uploaded["job_id"], within_s=90)["status"] == "done"
    check_whole(own_server, uploaded["video_id"], tmp_path)


def test_redis_killed_twice_during_ingest_costs_no_accepted_upload(own_server: Server, tmp_path: Path) -> None:
    films = [media_samples.film(tmp_path / f"{seed}.mp4", seed, 3.0) for seed in range(50, 58)]
    first = own_server.upload(media_samples.film(tmp_path / "long.mp4", 40, LONG_S, fps=5))
    accepted = {first["video_id"]: first["job_id"]}
    wait_until_in_the_middle(own_server, first["job_id"])
    refused = 0
    for number, film in enumerate(films):
        if number in (2, 5):
            os.kill(own_server.redis(), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while True:
            with film.open("rb") as file:
                answer = own_server.http.post("/v1/videos", files={"file": (film.name, file)})
            if answer.status_code == 202:
                accepted[answer.json()["video_id"]] = answer.json()["job_id"]
                break
            assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable"), answer.text
            assert int(answer.headers["retry-after"]) >= 1
            refused += 1
            assert time.monotonic() < deadline, "Redis did not come back"
            time.sleep(0.2)
    for job_id in accepted.values():
        assert own_server.wait(job_id, within_s=90)["status"] == "done"
    videos = own_server.http.get("/v1/videos").json()["videos"]
    assert {video["id"]: video["status"] for video in videos} == dict.fromkeys(accepted, "ready")
    for video in videos:  # each can be found
        found = own_server.http.get("/v1/search", params={"q": "a door opens", "video_id": video["id"]}).json()
        assert {hit["video_id"] for hit in found["results"]} == {video["id"]}


def test_without_redis_searches_work_and_uploads_say_so_and_leave_nothing(tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path / "redis")
    redis.start()
    server = Server(tmp_path / "home", environment={"MMV_REDIS_URL": redis.url})
    try:
        video_id = server.add(media_samples.film(tmp_path / "a.mp4", 1, 5.0))
        redis.stop()

        for _ in range(3):
            started = time.monotonic()
            body = server.http.get("/v1/search", params={"q": "a door opens"}).json()
            assert [hit["video_id"] for hit in body["results"]][:1] == [video_id]
            assert time.monotonic() - started < 2
        still = media_samples.still(tmp_path / "q.png", 1, 2.0)
        assert server.query("image", still).json()["results"][0]["video_id"] == video_id
        assert server.http.get("/readyz").json()["checks"]["queue"] == "unavailable"

        second = media_samples.film(tmp_path / "b.mp4", 2, 5.0)
        with second.open("rb") as file:
            response = server.http.post("/v1/videos", files={"file": ("b.mp4", file)})
        assert (response.status_code, response.json()["code"]) == (503, "queue_unavailable")
        rebuild = server.http.post("/v1/admin/index/rebuild", headers=server.admin)
        assert (rebuild.status_code, rebuild.json()["code"]) == (503, "queue_unavailable")
        assert server.http.get("/v1/videos").json()["total"] == 1
        assert len([path for path in (server.home / "media").rglob("*") if len(path.name) == 64]) == 1
        assert list((server.home / "uploads").iterdir()) == []

        redis.start()
        assert server.wait(server.upload(second)["job_id"])["status"] == "done"
    finally:
        server.stop()
        redis.stop()
