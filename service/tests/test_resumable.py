"""Uploads over HTTP, resumable and ordinary, against the whole application: what is kept, refused, and gone on with."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.tests import media_samples
from service.app import create_app
from service.catalogue import open_catalogue
from service.redis_server import EmbeddedRedis
from service.routes.tus import BYTES
from service.settings import Settings
from service.sweep import sweep_home
from service.tests.test_upload import files_in
from service.tests.waiting import wait_for

TUS = {"Tus-Resumable": "1.0.0"}
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i> & welcome\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A library with a real Redis, and no worker: jobs stay queued."""
    home = tmp_path_factory.mktemp("home")
    redis = EmbeddedRedis(tmp_path_factory.mktemp("r"))
    redis.start()
    yield Settings(home=home, redis_url=redis.url, max_upload_bytes=2_000_000)
    redis.stop()


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with running(settings) as client:
        yield client


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media_samples.film(tmp_path_factory.mktemp("film") / "a.mp4", 1, 2.0, fps=8).read_bytes()


@pytest.fixture(autouse=True)
def nothing_left(client: TestClient, settings: Settings) -> Iterator[None]:
    """Each test begins and ends with an empty library."""
    yield
    for video in client.get("/v1/videos").json()["videos"]:
        assert client.delete(f"/v1/videos/{video['id']}").status_code == 204
    assert [path for path in files_in(settings.upload_dir) if path.suffix != ".json"] == []
    assert files_in(settings.media_dir) == []


def running(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8600", raise_server_exceptions=False)


def metadata(**said: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())


def create(client: TestClient, length: int, **said: str) -> str:
    response = client.post(
        "/v1/uploads", headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(**said)}
    )
    assert response.status_code == 201, response.text
    return str(response.headers["Location"])


def append(client: TestClient, where: str, offset: int, data: bytes, **headers: str) -> Any:
    sent = {**TUS, "Content-Type": BYTES, "Upload-Offset": str(offset), **headers}
    return client.patch(where, headers=sent, content=data)


def offset_of(client: TestClient, where: str) -> int:
    response = client.head(where, headers=TUS)
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    return int(response.headers["Upload-Offset"])


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_what_the_server_can_do_is_told(client: TestClient) -> None:
    response = client.options("/v1/uploads")
    assert response.status_code == 204
    assert response.headers["Tus-Version"] == "1.0.0"
    assert {"creation", "termination", "checksum", "expiration"} <= set(response.headers["Tus-Extension"].split(","))
    assert response.headers["Tus-Max-Size"] == "2000000"


def test_a_film_in_three_pieces_becomes_a_video(client: TestClient, film: bytes) -> None:
    where = create(client, len(film), filename="x/Tür.mp4", title="A door", tags="one, two")
    at = 0
    for end in (10_000, 10_001):
        response = append(client, where, at, film[at:end])
        assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(end))
        assert "Upload-Expires" in response.headers
        at = offset_of(client, where)
    assert client.get(where).json()["status"] == "receiving"
    response = append(client, where, at, film[at:])
    assert response.status_code == 204, response.text
    video = client.get(f"/v1/videos/{response.headers['Video-Id']}").json()
    assert (video["filename"], video["title"], video["tags"]) == ("Tür.mp4", "A door", ["one", "two"])
    assert video["sha256"] == hashlib.sha256(film).hexdigest()
    told = client.get(where).json()
    assert (told["status"], told["video_id"], told["job_id"]) == ("done", video["id"], response.headers["Job-Id"])
    assert client.get(f"/v1/jobs/{told['job_id']}").json()["status"] == "queued"
    assert append(client, where, len(film), b"").status_code == 204
    assert offset_of(client, where) == len(film)


def test_the_first_bytes_may_come_with_the_announcement(client: TestClient, film: bytes) -> None:
    headers = {**TUS, "Upload-Length": str(len(film)), "Content-Type": BYTES}
    response = client.post("/v1/uploads", headers=headers, content=film[:5000])
    assert (response.status_code, response.headers["Upload-Offset"]) == (201, "5000")
    assert append(client, response.headers["Location"], 5000, film[5000:]).headers["Video-Id"].startswith("v_")


def test_wrong_requests_are_told_and_change_nothing(client: TestClient, settings: Settings, film: bytes) -> None:
    where = create(client, len(film))
    response = append(client, where, 7, film)
    assert (code_of(response), response.headers["Upload-Offset"]) == ((409, "offset_mismatch"), "0")
    assert code_of(append(client, where, 0, film + b"x")) == (413, "upload_too_large")
    assert code_of(append(client, where, 0, film, **{"Content-Type": "video/mp4"})) == (415, "unsupported_body")
    assert code_of(client.patch(where, headers={"Content-Type": BYTES}, content=b"x")) == (400, "bad_request")
    assert code_of(append(client, where, 0, film, **{"Tus-Resumable": "0.2.2"})) == (412, "tus_version")
    for sums in ("crc32 AAAA", "sha1 not base64!"):
        assert code_of(append(client, where, 0, film, **{"Upload-Checksum": sums})) == (400, "bad_request")
    assert offset_of(client, where) == 0
    announced = {**TUS, "Upload-Length": "2000001"}
    assert code_of(client.post("/v1/uploads", headers=announced)) == (413, "upload_too_large")
    assert code_of(client.post("/v1/uploads", headers=TUS)) == (422, "invalid_request")
    bad: Any = {**TUS, "Upload-Length": "10", "Upload-Metadata": "filename \N{BULLET}".encode()}
    assert code_of(client.post("/v1/uploads", headers=bad)) == (400, "bad_request")
    bad = {**TUS, "Upload-Length": "10", "Upload-Metadata": metadata(sha256="abc")}
    assert code_of(client.post("/v1/uploads", headers=bad)) == (400, "bad_request")
    for name in ("0" * 32, "..%2F..%2Fcatalogue", "x"):
        assert client.head(f"/v1/uploads/{name}", headers=TUS).status_code == 404
    assert client.delete(where, headers=TUS).status_code == 204
    assert client.head(where, headers=TUS).status_code == 404


def test_bytes_with_another_checksum_are_not_kept(client: TestClient, film: bytes) -> None:
    where = create(client, len(film))
    good = base64.b64encode(hashlib.sha1(film[:5000]).digest()).decode()
    assert append(client, where, 0, film[:5000], **{"Upload-Checksum": f"sha1 {good}"}).status_code == 204
    assert code_of(append(client, where, 5000, film[5000:], **{"Upload-Checksum": f"sha1 {good}"}))[0] == 460
    assert offset_of(client, where) == 5000
    assert client.delete(where).status_code == 204


def test_a_whole_file_that_is_not_what_was_announced_is_refused(client: TestClient, film: bytes) -> None:
    where = create(client, len(film), sha256="0" * 64)
    assert code_of(append(client, where, 0, film)) == (460, "checksum_mismatch")
    assert client.head(where).status_code == 460


def test_what_is_no_film_is_refused_at_its_end(client: TestClient) -> None:
    where = create(client, 20, filename="a.mp4")
    assert code_of(append(client, where, 0, b"this is no film, sir")) == (415, "not_media")
    assert code_of(client.get(where)) == (415, "not_media")
    assert client.head(where).status_code == 415
    empty = client.post("/v1/uploads", headers={**TUS, "Upload-Length": "0"})
    assert code_of(empty) == (422, "empty_file")


def test_only_one_request_is_at_an_upload(client: TestClient, settings: Settings, film: bytes) -> None:
    from service.resumable import uploads_of

    where = create(client, len(film))
    with uploads_of(settings).hold(where.rsplit("/", 1)[1]):
        response = append(client, where, 0, film)
        assert code_of(response) == (423, "upload_locked")
        assert client.delete(where).status_code == 423
    assert client.delete(where).status_code == 204


def test_a_network_that_lets_only_post_through(client: TestClient, film: bytes) -> None:
    where = create(client, len(film))
    headers = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": BYTES}
    assert client.post(where, headers=headers, content=film).headers["Video-Id"].startswith("v_")
    assert client.post(where).status_code == 405
    assert client.post(where, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204


def test_an_upload_goes_on_after_a_restart_and_a_complete_one_is_taken_in(settings: Settings, film: bytes) -> None:
    with running(settings) as before:
        half, whole = create(before, len(film)), create(before, len(film), title="Whole")
        append(before, half, 0, film[:7000])
    identifier = whole.rsplit("/", 1)[1]
    (settings.upload_dir / f"{identifier}.data").write_bytes(film)  # the service ended before it said so
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        sweep_home(settings, catalogue)
    with running(settings) as after:
        assert offset_of(after, half) == 7000
        assert offset_of(after, whole) == len(film)
        wait_for(lambda: after.get(whole).json()["status"] == "done", 60)  # it is taken in beside requests
        video_id = after.get(whole).json()["video_id"]
        assert after.get(f"/v1/videos/{video_id}").json()["title"] == "Whole"
        assert append(after, half, 7000, film[7000:]).headers["Video-Id"] == video_id


def test_an_upload_to_which_nothing_comes_expires(client: TestClient, settings: Settings) -> None:
    where = create(client, 100)
    append(client, where, 0, b"x" * 10)
    info = settings.upload_dir / f"{where.rsplit('/', 1)[1]}.json"
    told = json.loads(info.read_text())
    info.write_text(json.dumps({**told, "expires_at": "2020-01-01T00:00:00+00:00"}))
    assert client.head(where).status_code == 404
    assert code_of(append(client, where, 10, b"x")) == (404, "upload_not_found")
    sweep_home(settings, client.app.state.parts.catalogue)  # type: ignore[attr-defined]
    assert not info.exists()


def test_without_redis_nothing_is_lost(client: TestClient, settings: Settings, film: bytes, tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path / "r")
    redis.start()
    with running(settings.model_copy(update={"redis_url": redis.url})) as client:
        where = create(client, len(film))
        assert append(client, where, 0, film[:5000]).status_code == 204
        redis.stop()
        response = append(client, where, 5000, film[5000:])
        assert (code_of(response), response.headers["Retry-After"]) == ((503, "queue_unavailable"), "5")
        assert code_of(client.post("/v1/uploads", headers={"Upload-Length": "5"})) == (503, "queue_unavailable")
        files = {"file": ("a.mp4", film)}
        assert code_of(client.post("/v1/videos", files=files)) == (503, "queue_unavailable")
        assert offset_of(client, where) == 5000
        redis.start()
        assert append(client, where, 5000, film[5000:]).headers["Video-Id"].startswith("v_")
        redis.stop()


def test_a_full_disk_and_a_full_queue_are_told_before_the_file_is_sent(settings: Settings, film: bytes) -> None:
    with running(settings.model_copy(update={"min_free_bytes": 2**60})) as full:
        files = {"file": ("a.mp4", film)}
        assert code_of(full.post("/v1/videos", files=files)) == (507, "storage_full")
        assert code_of(full.post("/v1/uploads", headers={"Upload-Length": "5"})) == (507, "storage_full")
    with running(settings.model_copy(update={"max_queued_jobs": 1})) as busy:
        assert busy.post("/v1/videos", files=files).status_code == 202
        response = busy.post("/v1/videos", files=files)
        assert (code_of(response), response.headers["Retry-After"]) == ((503, "queue_full"), "30")


def test_uploads_that_are_begun_and_not_ended_are_bounded(settings: Settings, film: bytes) -> None:
    with running(settings.model_copy(update={"max_open_uploads": 2})) as client:
        begun = [create(client, len(film)) for _ in range(2)]
        response = client.post("/v1/uploads", headers={"Upload-Length": "5"})
        assert (code_of(response), response.headers["Retry-After"]) == ((503, "queue_full"), "60")
        assert append(client, begun[0], 0, film).status_code == 204
        begun.append(create(client, 5))
        for where in begun[1:]:
            assert client.delete(where).status_code == 204


def test_a_film_that_somebody_took_out_of_the_store_is_told_so(
    client: TestClient, settings: Settings, film: bytes
) -> None:
    video = client.post("/v1/videos", files={"file": ("a.mp4", film)}).json()["video_id"]
    for path in files_in(settings.media_dir):
        path.unlink()
    assert code_of(client.get(f"/v1/videos/{video}/media")) == (500, "media_missing")


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_written(
    client: TestClient, settings: Settings, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.media import partial, upload

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upload.Incoming, "write", full)
    monkeypatch.setattr(partial.Held, "write", full)
    assert code_of(client.post("/v1/videos", files={"file": ("a.mp4", film)})) == (507, "storage_full")
    assert [path.suffix for path in files_in(settings.upload_dir) if path.suffix != ".json"] == []
    where = create(client, len(film))
    assert code_of(append(client, where, 0, film)) == (507, "storage_full")
    monkeypatch.undo()
    assert offset_of(client, where) == 0
    assert append(client, where, 0, film).status_code == 204


def test_the_same_bytes_sent_by_eight_clients_at_once_make_one_video(client: TestClient, film: bytes) -> None:
    answers: list[dict[str, Any]] = []

    def send(number: int) -> None:
        if number % 2:
            answers.append(client.post("/v1/videos", files={"file": (f"{number}.mp4", film)}).json())
        else:
            where = create(client, len(film), filename=f"{number}.mp4")
            append(client, where, 0, film)
            answers.append(client.get(where).json())

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["video_id"] for answer in answers}) == 1
    assert len({answer["job_id"] for answer in answers}) == 1
    assert [answer["created"] for answer in answers].count(True) == 1
    assert client.get("/v1/videos").json()["total"] == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_subtitles_come_along_and_are_given_as_webvtt(client: TestClient, film: bytes, encoding: str) -> None:
    text = SRT.replace("welcome", "adiós")
    files = {"file": ("a.mp4", film), "subtitles": ("a.srt", text.encode(encoding))}
    answer = client.post("/v1/videos", files=files).json()
    video = client.get(f"/v1/videos/{answer['video_id']}").json()
    response = client.get(video["subtitles_url"])
    assert response.headers["content-type"] == "text/vtt; charset=utf-8"
    assert response.text == "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello there &amp; adiós\n"


def test_subtitles_can_be_put_replaced_and_removed(client: TestClient, film: bytes) -> None:
    video_id = client.post("/v1/videos", files={"file": ("a.mp4", film)}, data={"subtitles": SRT}).json()["video_id"]
    where = f"/v1/videos/{video_id}/subtitles"
    assert client.put(where, content=SRT.replace("Hello", "Bye").encode()).status_code == 204
    assert "Bye there" in client.get(where).text
    assert code_of(client.put(where, content=b"no cues")) == (422, "subtitles_unreadable")
    assert code_of(client.put(where, content=b"x" * 5_000_000)) == (413, "body_too_large")
    assert "Bye there" in client.get(where).text
    assert client.delete(where).status_code == 204
    assert code_of(client.get(where)) == (404, "subtitles_not_found")
    assert client.get(f"/v1/videos/{video_id}").json()["subtitles_url"] is None
    assert code_of(client.put("/v1/videos/v_0/subtitles", content=SRT.encode())) == (404, "video_not_found")
    bad = client.post("/v1/videos", files={"file": ("a.mp4", film)}, data={"subtitles": "no cues"})
    assert code_of(bad) == (422, "subtitles_unreadable")


def test_a_video_that_is_not_taken_in_yet_has_no_preview(client: TestClient, film: bytes) -> None:
    video_id = client.post("/v1/videos", files={"file": ("a.mp4", film)}).json()["video_id"]
    assert code_of(client.get(f"/v1/videos/{video_id}/preview")) == (404, "preview_not_found")
    assert code_of(client.get("/v1/videos/v_0/preview")) == (404, "video_not_found")
    assert client.get(f"/v1/videos/{video_id}").json()["preview_url"] is None
