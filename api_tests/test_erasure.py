"""A deleted video is gone, and the service proves it."""

import time
from pathlib import Path
from typing import Any

from api_tests.server import Server
from models.tests import media_samples


def erased(server: Server, video_id: str, within_s: float = 60.0) -> dict[str, Any]:
    """The erasure when it is complete."""
    deadline = time.monotonic() + within_s
    while True:
        answer = server.http.get(f"/v1/videos/{video_id}/erasure")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        if body["status"] == "complete":
            return body
        assert body["completed_at"] is None
        assert time.monotonic() < deadline, body
        time.sleep(0.2)


def rebuild(server: Server) -> str:
    """A new index generation is served; its name."""
    job = server.http.post("/v1/admin/index/rebuild", headers=server.admin).json()
    done = server.wait(job["id"])
    assert done["status"] == "done", done
    return str(done["result"]["generation"])


def test_a_deleted_video_is_removed_everywhere_and_the_proof_says_so(server: Server, tmp_path: Path) -> None:
    video_id = server.add(media_samples.film(tmp_path / "secret.mp4", 77, 6.0), title="Secret")
    sha256 = server.http.get(f"/v1/videos/{video_id}").json()["sha256"]
    generation = rebuild(server)
    assert server.http.get("/v1/search", params={"q": "a door opens"}).status_code == 200  # now in the cache
    not_deleted = server.http.get(f"/v1/videos/{video_id}/erasure")
    assert (not_deleted.status_code, not_deleted.json()["code"]) == (404, "erasure_not_found")

    deleted = server.http.delete(f"/v1/videos/{video_id}")
    assert deleted.status_code == 204
    assert deleted.headers["location"] == f"/v1/videos/{video_id}/erasure"
    proof = erased(server, video_id)
    places = {place["place"]: place["found"] for place in proof["places"]}
    assert set(places.values()) == {0}
    assert places.keys() >= {"catalogue.vectors", "catalogue.pages", "files.media", "files.thumbnails", "cache"}
    assert not any(generation in place for place in places)  # replaced by a copy without the video
    assert any(place.startswith("index.0") for place in places)
    assert proof["requested_at"] <= proof["completed_at"] <= proof["checked_at"]
    assert not [path for path in server.home.rglob("*") if path.name.startswith((video_id, sha256))]

    hidden = server.home / "thumbnails" / video_id  # whatever brings something back: it is seen, and removed again
    hidden.mkdir()
    (hidden / "0.jpg").write_bytes(b"x")
    assert server.http.get(f"/v1/videos/{video_id}/erasure").json()["status"] == "pending"
    erased(server, video_id, within_s=90)
    assert not hidden.exists()


def test_what_was_never_known_has_no_erasure(server: Server) -> None:
    for unknown in ("v_0123456789abcdef", "nonsense", "%00"):
        answer = server.http.get(f"/v1/videos/{unknown}/erasure")
        assert (answer.status_code, answer.json()["code"]) == (404, "erasure_not_found")
