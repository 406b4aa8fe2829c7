"""Files come into the library and go out of it whole, or not at all."""

import hashlib
from pathlib import Path

import pytest

from models.preprocess.media import MediaError
from service.catalogue import Catalogue, Job, Video
from service.media.confined import MediaLimits
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.media.upload import Incoming, add_to_library, remove_from_library
from service.settings import Settings


def upload(path: Path, settings: Settings, catalogue: Catalogue) -> tuple[Video, Job, bool]:
    with Incoming(settings.upload_dir, settings.max_upload_bytes) as incoming:
        with path.open("rb") as file:
            while chunk := file.read(10_000):
                incoming.write(chunk)
        incoming.close()
        limits = MediaLimits(settings.max_duration_s, settings.max_pixels)
        return add_to_library(incoming, path.name, path.stem, ["t"], limits, catalogue, MediaStore(settings.media_dir))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_a_film_is_kept_under_its_sha256(samples: Path, settings: Settings, library: Catalogue) -> None:
    video, job, created = upload(samples / "film.mp4", settings, library)
    stored = MediaStore(settings.media_dir).path(video.sha256)
    assert stored.read_bytes() == (samples / "film.mp4").read_bytes()
    assert video.sha256 == hashlib.sha256(stored.read_bytes()).hexdigest()
    assert (created, job.status, video.has_video, video.has_audio) == (True, "queued", True, True)
    assert (video.width, video.height, video.tags) == (128, 96, ["t"])
    assert video.duration_s == pytest.approx(8.0, abs=0.1)
    again, same_job, created = upload(samples / "film.mp4", settings, library)
    assert (again.id, same_job.id, created) == (video.id, job.id, False)
    assert files_in(settings.upload_dir) == []
    assert stored.is_file()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty.mp4", "empty_file"),
        ("text.mp4", "not_media"),
        ("truncated.mp4", "truncated_media"),
        ("still.png", "unsupported_media"),
    ],
)
def test_a_bad_file_leaves_nothing_behind(
    samples: Path, settings: Settings, library: Catalogue, name: str, code: str
) -> None:
    with pytest.raises(MediaError) as caught:
        upload(samples / name, settings, library)
    assert caught.value.code == code
    assert files_in(settings.upload_dir) == []
    assert files_in(settings.media_dir) == []
    assert library.counts()["videos"] == 0


def test_an_upload_that_is_too_large_stops_at_the_limit(settings: Settings) -> None:
    with Incoming(settings.upload_dir, 100) as incoming:
        incoming.write(b"x" * 60)
        with pytest.raises(MediaError) as caught:
            incoming.write(b"x" * 60)
    assert caught.value.code == "upload_too_large"
    assert files_in(settings.upload_dir) == []


def test_removing_a_video_takes_its_files_along(samples: Path, settings: Settings, library: Catalogue) -> None:
    video, _, _ = upload(samples / "film.mp4", settings, library)
    store, thumbnails = MediaStore(settings.media_dir), Thumbnails(settings.thumbnails_dir)
    thumbnails.put(video.id, 1.6, b"jpeg")
    assert thumbnails.path(video.id, 1.6).name == "1600.jpg"
    assert remove_from_library(video.id, library, store, thumbnails)
    assert not remove_from_library(video.id, library, store, thumbnails)
    assert files_in(settings.media_dir) == []
    assert files_in(settings.thumbnails_dir) == []


def test_only_a_sha256_becomes_a_path(settings: Settings) -> None:
    with pytest.raises(ValueError, match="sha256"):
        MediaStore(settings.media_dir).path("../../etc/passwd")
    with pytest.raises(ValueError, match="video id"):
        Thumbnails(settings.thumbnails_dir).path("../x", 0.0)
