"""Jobs over HTTP: who may cancel which, what is tried again, and that a stream ends with the key that opened it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from models.bundle import Bundle
from models.preprocess.media import MediaInfo
from service.app import create_app
from service.catalogue import Catalogue, Job
from service.catalogue.records import Role
from service.keys import Issued, create_key
from service.media.store import MediaStore
from service.problem_codes import problem_document
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests.swapping import Swapping


@pytest.fixture
def client(settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Iterator[TestClient]:
    """Of a service without a worker."""
    Swapping(settings, library, tiny, other, tmp_path)
    redis = EmbeddedRedis(settings.redis_dir)
    redis.start()
    served = settings.model_copy(update={"redis_url": redis.url, "swap_poll_s": 60.0})
    with TestClient(create_app(served), base_url="http://127.0.0.1:8600") as client:
        yield client
    redis.stop()


def key_of(library: Catalogue, role: Role) -> tuple[Issued, dict[str, str]]:
    issued = create_key(library, role, "me")
    return issued, {"Authorization": f"Bearer {issued.text}"}


def cancelled(library: Catalogue, job: Job) -> bool:
    now = library.job(job.id)
    assert now is not None
    return now.status == "cancelled"


def test_only_an_admin_cancels_what_an_admin_began(client: TestClient, library: Catalogue) -> None:
    job = library.create_job("rebuild")
    refused = client.delete(f"/v1/jobs/{job.id}")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    _, editor = key_of(library, "editor")
    refused = client.delete(f"/v1/jobs/{job.id}", headers=editor)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden_role")
    assert not cancelled(library, job)
    issued, admin = key_of(library, "admin")
    assert client.delete(f"/v1/jobs/{job.id}", headers=admin).json()["status"] == "cancelled"
    (entry, *_), _ = library.audit()
    assert (entry.actor, entry.action, entry.subject) == (f"key {issued.key.id}", "job.cancelled", job.id)
    ingest = library.create_job("ingest")
    assert client.delete(f"/v1/jobs/{ingest.id}", headers=editor).json()["status"] == "cancelled"
    assert client.delete("/v1/jobs/j_0", headers=editor).status_code == 404


def failed(library: Catalogue, settings: Settings, digit: str) -> Job:
    """A job that failed, of a film whose bytes are kept."""
    path = MediaStore(settings.media_dir).path(digit * 64)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"film")
    info = MediaInfo(8.0, True, False, 128, 96, 25.0, "mp4", "h264", None)
    _, job, _ = library.add_video(digit * 64, f"{digit}.mp4", digit, [], 4, info)
    assert library.claim_job(job.id, "worker")
    assert library.fail_job(job.id, "worker", problem_document("decoder_timeout", "Too slow."))
    return job


def test_a_failed_job_is_tried_again_from_the_bytes_that_are_kept(
    client: TestClient, library: Catalogue, settings: Settings
) -> None:
    first = failed(library, settings, "a")
    _, reader = key_of(library, "reader")
    refused = client.post(f"/v1/jobs/{first.id}/retry", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden_role")
    _, editor = key_of(library, "editor")
    accepted = client.post(f"/v1/jobs/{first.id}/retry", headers=editor)
    again = accepted.json()
    assert (accepted.status_code, again["status"], again["problem"]) == (202, "queued", None)
    assert (again["video_id"], accepted.headers["location"]) == (first.video_id, f"/v1/jobs/{again['id']}")
    assert again["id"] != first.id
    video = client.get(f"/v1/videos/{first.video_id}", headers=editor).json()
    assert (video["status"], video["problem"]) == ("pending", None)
    assert client.post(f"/v1/jobs/{first.id}/retry", headers=editor).json()["id"] == again["id"]  # it is at it already
    listed = client.get("/v1/jobs", params={"video_id": first.video_id}, headers=editor).json()["jobs"]
    assert {job["id"]: job["status"] for job in listed} == {again["id"]: "queued", first.id: "failed"}
    assert client.delete(f"/v1/jobs/{again['id']}", headers=editor).json()["status"] == "cancelled"
    third = client.post(f"/v1/jobs/{again['id']}/retry", headers=editor).json()
    assert third["status"] == "queued"
    assert library.claim_job(third["id"], "worker")
    assert library.finish_job(third["id"], "worker")
    refused = client.post(f"/v1/jobs/{first.id}/retry", headers=editor)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_failed")
    assert "later job" in refused.json()["detail"]


def test_what_cannot_be_tried_again_says_why(
    client: TestClient, library: Catalogue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(job_id: str) -> tuple[int, str]:
        answer = client.post(f"/v1/jobs/{job_id}/retry")
        return answer.status_code, answer.json()["code"]

    assert refusal("j_0") == (404, "job_not_found")
    assert refusal(library.create_job("rebuild").id) == (409, "job_not_failed")
    waiting = library.add_video("b" * 64, "b.mp4", "b", [], 4, MediaInfo(8, True, False, 1, 1, 25, "mp4", "h264", None))
    assert refusal(waiting[1].id) == (409, "job_not_failed")
    lost, deleted, queueless = (failed(library, settings, digit) for digit in "cde")
    MediaStore(settings.media_dir).delete("c" * 64)
    assert refusal(lost.id) == (410, "media_gone")
    assert client.delete(f"/v1/videos/{deleted.video_id}").status_code == 204
    assert refusal(deleted.id) == (410, "media_gone")
    parts = client.app.state.parts  # type: ignore[attr-defined]
    parts.queue.redis.shutdown(nosave=True)
    assert refusal(queueless.id) == (503, "queue_unavailable")
    video = library.video(queueless.video_id or "")
    assert video is not None
    assert video.status == "failed"


@pytest.mark.parametrize("how", ["header", "cookie"])
def test_a_stream_of_events_ends_when_its_key_is_revoked(
    client: TestClient, library: Catalogue, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = library.create_job("ingest")
    issued, headers = key_of(library, "reader")
    if how == "cookie":
        assert client.post("/v1/session", json={"key": issued.text}).status_code == 200
        headers = {}
    served = client.app.state.parts.catalogue  # type: ignore[attr-defined]
    read, let_in = served.job, threading.Event()

    def watched(job_id: str) -> Job | None:
        let_in.set()
        return read(job_id)

    monkeypatch.setattr(served, "job", watched)
    with ThreadPoolExecutor(1) as pool:
        try:
            following = pool.submit(client.get, f"/v1/jobs/{job.id}/events", headers=headers)
            assert let_in.wait(30)
            assert not following.done()
            library.revoke_key(issued.key.id, "me")
            said = following.result(timeout=30).text
        finally:
            library.cancel_job(job.id)  # whatever happened, the stream ends now
    assert '"status":"queued"' in said
    assert "cancelled" not in said
