"""Three hundred files made to do harm: each gets a clear answer in bounded memory, and the service does not notice."""

import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from models.bundle import InputSpec
from models.preprocess.media import MediaError
from service.app import create_app
from service.media import children, confined
from service.media.confined import MediaLimits
from service.problem_codes import PROBLEMS
from service.problems import FILE_CODES
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.tests.hostile_media import NAMES, hostile_files

SPEC = InputSpec(
    window_s=3.2, hop_s=1.6, frames=8, frame_height=32, frame_width=40, sample_rate=16_000, words=16, audio="waveform"
)
LIMITS = MediaLimits(max_duration_s=600.0, max_pixels=50_000_000)
PICTURES = (".png", ".jpeg", ".webp", ".bmp", ".tiff", ".gif", ".svg", ".ppm", ".psd", ".ico", ".jp2", ".exr")
MOST_MEMORY = 700 * 1024**2
# What the words of a playlist would bring forth if anybody followed them.
TRACES = (Path("/tmp/mmv-hostile"), Path("/tmp/evil.txt"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    return list(hostile_files(tmp_path_factory.mktemp("good")))


def outcome_of(path: Path) -> str:
    """ "taken", or the code of the error. Probed, decoded where that went well, and a picture is searched by too."""
    error = None
    try:
        info = confined.probe(path, LIMITS)
        if not info.is_image:
            windows = sum(1 for _ in confined.decode_windows(path, SPEC, info))
            assert 1 <= windows <= 1 + info.duration_s / SPEC.hop_s + 1
    except MediaError as caught:
        error = caught
    assert error is None or error.code in FILE_CODES
    assert error is None or len(error.message) > 25, error
    if path.suffix in PICTURES:
        refused = None
        try:
            assert confined.decode_query_image(path, SPEC, LIMITS).shape == (32, 40, 3)
        except MediaError as caught:
            refused = caught
        assert refused is None or (refused.code in PROBLEMS and len(refused.message) > 25), refused
    return "taken" if error is None else error.code


def test_each_hostile_file_gets_a_clear_answer_in_bounded_memory(
    files: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert len({name for name, _ in files}) == len(files) >= 200
    peaks: list[tuple[int, str]] = []
    name = ""
    close = children.Child.close

    def closed(child: children.Child) -> int | None:
        status = close(child)
        peaks.append((child.peak_bytes or 0, name))
        return status

    monkeypatch.setattr(children.Child, "close", closed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: Counter[str] = Counter()
    slowest = (0.0, "")
    for name, data in files:
        path = tmp_path / f"file{Path(name).suffix}"
        path.write_bytes(data)
        began = time.process_time(), time.monotonic()
        found[outcome_of(path)] += 1
        slowest = max(slowest, (time.monotonic() - began[1], name))
        path.unlink()
    assert max(peaks)[0] < MOST_MEMORY, max(peaks)
    assert slowest[0] < confined.PATIENCE_S, slowest
    assert children.at_work() == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300 * 1024**2
    assert found["not_media"] > 50, found
    assert 0 < found["taken"] < len(files) / 2, found
    assert "Traceback" not in caplog.text  # nothing that a file found in our own code
    assert not any(trace.exists() for trace in TRACES)


@pytest.mark.parametrize(
    "kind", [".m3u8", ".ffconcat", ".sdp", ".mpd", ".pls", ".asx", ".xspf", ".svg", ".xml", ".zip"]
)
def test_what_names_other_files_is_no_media(files: list[tuple[str, bytes]], tmp_path: Path, kind: str) -> None:
    ours = [(name, data) for name, data in files if name.endswith(kind)]
    assert ours
    for name, data in ours[:3]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError) as caught:
            confined.probe(tmp_path / name, LIMITS)
        assert caught.value.code == "not_media", name


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    redis = EmbeddedRedis(settings.redis_dir)
    redis.start()
    app = create_app(settings.model_copy(update={"redis_url": redis.url, "max_duration_s": 600.0}))
    with TestClient(app, base_url="http://127.0.0.1:8600", raise_server_exceptions=False) as client:
        yield client
    redis.stop()


def test_the_service_outlives_what_is_sent_to_it(
    client: TestClient, settings: Settings, files: list[tuple[str, bytes]]
) -> None:
    """Every tenth file over HTTP, under names that would go elsewhere, as an upload and as a query."""
    before = set(os.listdir("/tmp"))
    taken = 0
    for number, (_, data) in enumerate(files[3::10]):
        name = NAMES[number % len(NAMES)]
        response = client.post("/v1/videos", files={"file": (name, data)})
        if response.status_code == 202:
            taken += 1
            video = client.get(f"/v1/videos/{response.json()['video_id']}").json()
            assert not set(video["filename"]) & set("/\\\0\r\n")
            assert 0 < len(video["filename"]) <= 255
            assert video["filename"].strip(".")
            media = client.get(video["media_url"])
            assert media.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in media.headers["content-security-policy"]
            assert media.headers["content-type"].split("/")[0] in ("video", "audio", "application")
        else:
            assert 400 <= response.status_code < 500, response.text
            assert response.json()["code"] in (*FILE_CODES, "bad_request")  # which a form with such a name may be
            assert len(response.json()["detail"]) > 25
        kind = ("image", "audio", "video")[number % 3]
        answer = client.post(f"/v1/search/{kind}", files={"file": (name, data)})
        assert answer.status_code == 200 or answer.json()["code"] in PROBLEMS, answer.text
        assert answer.status_code < 500, answer.text
    assert taken > 0
    assert client.get("/readyz").status_code == 200
    assert client.get("/v1/videos").json()["total"] == taken
    assert list(settings.upload_dir.iterdir()) == []
    ours = {name for name in set(os.listdir("/tmp")) - before if not name.startswith(("pytest", "mmv-", "tmp"))}
    assert not {"evil.txt", "mmv-hostile"} & ours
