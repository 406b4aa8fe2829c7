"""Videos and jobs: upload, listing, changing, deleting, progress."""

import json
from pathlib import Path

import pytest

from api_tests.conftest import Library, Server
from models.tests import media_samples


def test_an_upload_becomes_a_job_and_then_a_searchable_video(server: Server, tmp_path: Path) -> None:
    path = media_samples.film(tmp_path / "Später Gast.mp4", 20, 5.0)
    uploaded = server.upload(path, title="  A  guest ", tags="one, two,,one")
    assert uploaded["created"]
    job = server.wait(uploaded["job_id"])
    assert (job["status"], job["progress"], job["kind"]) == ("done", 1.0, "ingest")
    assert job["video_id"] == uploaded["video_id"]
    video = server.http.get(f"/v1/videos/{uploaded['video_id']}").json()
    assert (video["status"], video["title"], video["tags"]) == ("ready", "A guest", ["one", "two"])
    assert video["filename"] == "Später Gast.mp4"
    assert video["duration_s"] == pytest.approx(5.0, abs=0.3)
    assert (video["width"], video["height"], video["has_video"], video["has_audio"]) == (128, 96, True, True)
    assert video["size_bytes"] == path.stat().st_size
    still = media_samples.still(tmp_path / "q.png", 20, 2.0)
    assert server.query("image", still).json()["results"][0]["video_id"] == uploaded["video_id"]
    server.http.delete(f"/v1/videos/{uploaded['video_id']}")


def test_the_same_bytes_again_are_the_same_video(server: Server, library: Library, tmp_path: Path) -> None:
    first = server.add(media_samples.film(tmp_path / "a.mp4", 21, 4.0))
    copy = tmp_path / "b.mp4"
    copy.write_bytes((tmp_path / "a.mp4").read_bytes())
    with copy.open("rb") as file:
        response = server.http.post("/v1/videos", files={"file": ("b.mp4", file)})
    assert response.status_code == 200
    assert (response.json()["video_id"], response.json()["created"]) == (first, False)
    server.http.delete(f"/v1/videos/{first}")


def test_the_library_is_listed_newest_first_in_pages(server: Server, library: Library) -> None:
    whole = server.http.get("/v1/videos", params={"limit": 100}).json()
    assert whole["total"] == len(whole["videos"])
    assert {video["id"] for video in whole["videos"]} >= library.everything
    times = [video["created_at"] for video in whole["videos"]]
    assert times == sorted(times, reverse=True)
    pages, cursor = [], None
    while True:
        page = server.http.get("/v1/videos", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        pages += page["videos"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == whole["videos"]
    tagged = server.http.get("/v1/videos", params={"tag": "silent"}).json()["videos"]
    assert [video["id"] for video in tagged] == [library.silent]


def test_title_and_tags_can_be_changed(server: Server, library: Library) -> None:
    url = f"/v1/videos/{library.films[1]}"
    before = server.http.get(url).json()
    changed = server.http.patch(url, json={"title": "Another title", "tags": ["film", "changed"]}).json()
    assert (changed["title"], changed["tags"]) == ("Another title", ["film", "changed"])
    assert server.http.get(url).json() == changed
    hit = server.http.get("/v1/search", params={"q": "a door", "video_id": library.films[1]}).json()["results"][0]
    assert hit["title"] == "Another title"
    restored = server.http.patch(url, json={"title": before["title"], "tags": before["tags"]}).json()
    assert restored == before


def test_a_deleted_video_is_gone_everywhere(server: Server, tmp_path: Path) -> None:
    video_id = server.add(media_samples.film(tmp_path / "gone.mp4", 22, 5.0))
    still = media_samples.still(tmp_path / "q.png", 22, 2.0)
    best = server.query("image", still).json()["results"][0]
    assert best["video_id"] == video_id
    assert server.http.get(best["thumbnail_url"]).status_code == 200

    assert server.http.delete(f"/v1/videos/{video_id}").status_code == 204

    hits = server.query("image", still, limit=100).json()["results"]
    assert video_id not in {hit["video_id"] for hit in hits}
    for url in (f"/v1/videos/{video_id}", best["media_url"], best["thumbnail_url"]):
        assert server.http.get(url).status_code == 404
    assert server.http.delete(f"/v1/videos/{video_id}").status_code == 404
    sha256 = [path for path in (server.home / "media").rglob("*") if video_id[2:] in path.name]
    assert sha256 == []


def test_a_jobs_events_follow_it_to_its_end(server: Server, tmp_path: Path) -> None:
    uploaded = server.upload(media_samples.film(tmp_path / "a.mp4", 23, 20.0))
    states = []
    with server.http.stream("GET", f"/v1/jobs/{uploaded['job_id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        states += [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert states[-1]["status"] == "done"
    progress = [state["progress"] for state in states]
    assert progress == sorted(progress)
    assert len({json.dumps(state) for state in states}) == len(states)
    server.http.delete(f"/v1/videos/{uploaded['video_id']}")


def test_a_cancelled_job_leaves_a_video_that_can_be_uploaded_again(server: Server, tmp_path: Path) -> None:
    path = media_samples.film(tmp_path / "long.mp4", 24, 60.0)
    uploaded = server.upload(path)
    cancelled = server.http.delete(f"/v1/jobs/{uploaded['job_id']}").json()
    assert cancelled["status"] == "cancelled"
    assert server.http.get(f"/v1/videos/{uploaded['video_id']}").json()["status"] == "failed"
    again = server.upload(path)
    assert again["job_id"] != uploaded["job_id"]
    assert server.wait(again["job_id"])["status"] == "done"
    server.http.delete(f"/v1/videos/{uploaded['video_id']}")


def test_a_film_that_was_set_aside_is_taken_in_again_without_its_bytes(server: Server, tmp_path: Path) -> None:
    uploaded = server.upload(media_samples.film(tmp_path / "aside.mp4", 25, 20.0))
    server.http.delete(f"/v1/jobs/{uploaded['job_id']}")
    again = server.http.post(f"/v1/jobs/{uploaded['job_id']}/retry")
    assert again.status_code == 202
    assert server.wait(again.json()["id"])["status"] == "done"
    assert server.http.get(f"/v1/videos/{uploaded['video_id']}").json()["status"] == "ready"
    still = media_samples.still(tmp_path / "q.png", 25, 8.0)
    assert server.query("image", still).json()["results"][0]["video_id"] == uploaded["video_id"]
    server.http.delete(f"/v1/videos/{uploaded['video_id']}")


def test_jobs_are_listed_by_status(server: Server, library: Library) -> None:
    done = server.http.get("/v1/jobs", params={"status": "done", "limit": 100}).json()["jobs"]
    assert {job["video_id"] for job in done} >= library.everything
    assert {job["status"] for job in done} == {"done"}
