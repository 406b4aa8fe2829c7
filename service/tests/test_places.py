"""Uploads and queries by example do not wait for each other."""

from pathlib import Path

import pytest
from anyio import CapacityLimiter
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.mark.parametrize("taken", ["heavy", "uploads"])
def test_when_all_places_of_one_kind_are_taken_the_other_goes_on(taken: str, settings: Settings, samples: Path) -> None:
    app = create_app(settings.model_copy(update={"redis_url": f"unix://{settings.home}/none.sock"}))
    with TestClient(app, base_url="http://127.0.0.1:8600") as client:
        assert client.portal is not None
        limiter: CapacityLimiter = getattr(app.state.parts, taken)
        for _ in range(int(limiter.total_tokens)):
            client.portal.call(limiter.acquire_on_behalf_of, object())
        if taken == "heavy":
            with (samples / "film.mp4").open("rb") as file:
                answer = client.post("/v1/videos", files={"file": file})
            assert answer.json()["code"] == "queue_unavailable"  # it got to the queue, which is away
        else:
            with (samples / "still.png").open("rb") as file:
                answer = client.post("/v1/search/image", files={"file": file})
            assert answer.status_code == 200
