"""The index and the bundles."""

from pathlib import Path
from typing import Any

import httpx

from api_tests.conftest import Library, Server
from models.tests import media_samples


def rebuild(server: Server) -> dict[str, Any]:
    response = server.http.post("/v1/admin/index/rebuild", headers=server.admin)
    assert response.status_code == 202, response.text
    job = server.wait(response.json()["id"])
    assert job["status"] == "done", job
    return job


def answers(server: Server, tmp_path: Path) -> list[Any]:
    """What some queries give."""
    still = media_samples.still(tmp_path / "q.png", 2, 3.0)
    sound = media_samples.cut_sound(tmp_path / "q.wav", 3, 2.0, 3.0)
    responses: list[httpx.Response] = [
        server.http.get("/v1/search", params={"q": "a door opens", "limit": 50}),
        server.query("image", still, limit=50),
        server.query("audio", sound, limit=50),
    ]
    return [response.json()["results"] for response in responses]


def test_a_rebuild_changes_no_answer_and_reports_what_it_built(
    server: Server, library: Library, tmp_path: Path
) -> None:
    before = answers(server, tmp_path)
    job = rebuild(server)
    for key in ("generation", "rows", "index_type", "recall_at_10", "bytes", "build_seconds"):
        assert key in job["result"]
    assert all(recall >= 0.99 for recall in job["result"]["recall_at_10"].values())
    status = wait_for_generation(server, job["result"]["generation"])
    assert status["live_additions"] == status["live_deletions"] == 0
    assert status["details"]["bundle"]
    after = answers(server, tmp_path)
    assert after == before
    body = server.http.get("/v1/search", params={"q": "a door opens"}).json()
    assert body["generation"] == job["result"]["generation"]


def test_what_comes_and_goes_after_a_rebuild_is_seen_at_once(server: Server, tmp_path: Path) -> None:
    wait_for_generation(server, rebuild(server)["result"]["generation"])
    video_id = server.add(media_samples.film(tmp_path / "late.mp4", 30, 5.0))
    still = media_samples.still(tmp_path / "q.png", 30, 2.0)
    assert server.query("image", still).json()["results"][0]["video_id"] == video_id
    assert server.http.get("/v1/admin/index", headers=server.admin).json()["live_additions"] > 0
    server.http.delete(f"/v1/videos/{video_id}")
    hits = server.query("image", still, limit=100).json()["results"]
    assert video_id not in {hit["video_id"] for hit in hits}


def test_the_active_bundle_is_marked(server: Server) -> None:
    bundles = server.http.get("/v1/admin/bundles", headers=server.admin).json()["bundles"]
    active = [bundle for bundle in bundles if bundle["active"]]
    assert len(active) == 1
    assert active[0]["name"] == server.http.get("/v1/search", params={"q": "door"}).json()["bundle"]


def wait_for_generation(server: Server, name: str) -> dict[str, Any]:
    """The index as soon as the server has taken the generation up (it looks once a second, when it is asked)."""
    import time

    deadline = time.monotonic() + 10
    while True:
        status: dict[str, Any] = server.http.get("/v1/admin/index", headers=server.admin).json()
        if status["generation"] == name or time.monotonic() > deadline:
            assert status["generation"] == name
            return status
        time.sleep(0.2)
