"""Jobs over HTTP: who may cancel which, and that following one ends with the key that it is followed by."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from models.bundle import Bundle
from service.app import create_app
from service.catalogue import Catalogue, Job
from service.catalogue.records import Role
from service.keys import Issued, create_key
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests.swapping import Swapping
from service.tests.waiting import wait_for


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


@pytest.mark.parametrize("how", ["header", "cookie"])
def test_a_stream_of_events_ends_when_its_key_is_revoked(client: TestClient, library: Catalogue, how: str) -> None:
    job = library.create_job("ingest")
    issued, headers = key_of(library, "reader")
    if how == "cookie":
        assert client.post("/v1/session", json={"key": issued.text}).status_code == 200
        headers = {}

    def used() -> bool:
        stored = library.stored_key(issued.key.id)
        return stored is not None and stored.key.last_used_at is not None

    with ThreadPoolExecutor(1) as pool:
        try:
            following = pool.submit(client.get, f"/v1/jobs/{job.id}/events", headers=headers)
            wait_for(used, 30)
            assert not following.done()
            library.revoke_key(issued.key.id, "me")
            said = following.result(timeout=30).text
        finally:
            library.cancel_job(job.id)  # whatever happened, the stream ends now
    assert '"status":"queued"' in said
    assert "cancelled" not in said
