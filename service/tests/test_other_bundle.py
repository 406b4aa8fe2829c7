"""A library that was made with another bundle: what it says, and what uploading a film again does."""

from pathlib import Path

from fastapi.testclient import TestClient

from service.app import create_app
from service.catalogue import Catalogue, NewSegment
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests.test_cli import run


def test_a_film_without_segments_of_the_active_bundle_waits_and_is_queued_when_uploaded_again(
    samples: Path, settings: Settings, library: Catalogue
) -> None:
    redis = EmbeddedRedis(settings.redis_dir)
    redis.start()

    def send(client: TestClient) -> tuple[int, dict[str, str]]:
        with (samples / "film.mp4").open("rb") as file:
            answer = client.post("/v1/videos", files={"file": file})
        return answer.status_code, answer.json()

    app = create_app(settings.model_copy(update={"redis_url": redis.url}))
    with TestClient(app, base_url="http://127.0.0.1:8600") as client:
        _, first = send(client)
        library.claim_job(first["job_id"], "earlier")
        library.store_segments(first["video_id"], "another bundle", [NewSegment(0.0, 3.2)])
        library.finish_job(first["job_id"], "earlier")
        key = {"Authorization": f"Bearer {settings.admin_token()}"}
        assert client.get("/v1/admin/index", headers=key).json()["waiting_videos"] == 1
        assert client.get("/readyz").status_code == 200
        told = run("index", "status", home=settings.home).stdout
        assert f"not yet taken in with the bundle {app.state.parts.encoders.bundle.name}: 1 " in told
        status, again = send(client)
        assert (status, again["status"], again["created"]) == (202, "ready", False)
        assert again["job_id"] != first["job_id"]
        assert send(client)[1]["job_id"] == again["job_id"]
    redis.stop()
