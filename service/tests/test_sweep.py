"""Starting clears up after a crash, and loses no film, whatever the catalogue says."""

import hashlib
import logging

import pytest

from models.preprocess.media import MediaInfo
from service.catalogue import Catalogue
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.settings import Settings
from service.sweep import sweep_home

INFO = MediaInfo(8.0, True, False, 128, 96, 25.0, "mp4", "h264", None)


def put(settings: Settings, content: bytes) -> str:
    path = settings.upload_dir / "complete"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    MediaStore(settings.media_dir).put(path, sha256)
    return sha256


def test_a_full_store_beside_an_empty_catalogue_stays_as_it_is(
    settings: Settings, library: Catalogue, caplog: pytest.LogCaptureFixture
) -> None:
    kept = sorted(put(settings, content) for content in (b"one", b"two"))
    with caplog.at_level(logging.WARNING):
        assert sweep_home(settings, library) == 0
    assert MediaStore(settings.media_dir).stored() == kept
    assert f"mmv-search ingest --home {settings.home} {settings.media_dir}/*/*" in caplog.text
    assert not settings.orphans_dir.exists()


def test_files_without_a_row_are_moved_and_uploads_in_flight_removed(settings: Settings, library: Catalogue) -> None:
    known, orphan = put(settings, b"known"), put(settings, b"never recorded")
    library.add_video(known, "known.mp4", "Known", [], 5, INFO)
    (settings.upload_dir / "abc.part").write_bytes(b"half")
    assert sweep_home(settings, library) == 2
    assert MediaStore(settings.media_dir).stored() == [known]
    assert (settings.orphans_dir / orphan).read_bytes() == b"never recorded"
    assert list(settings.upload_dir.iterdir()) == []
    assert sweep_home(settings, library) == 0


def test_pictures_of_a_video_that_is_no_more_are_removed(settings: Settings, library: Catalogue) -> None:
    known, _, _ = library.add_video(put(settings, b"known"), "known.mp4", "Known", [], 5, INFO)
    pictures = Thumbnails(settings.thumbnails_dir)
    for video_id in (known.id, "v_00000000deadbeef"):
        pictures.put(video_id, 0.0, b"jpeg")
    (settings.thumbnails_dir / "somebody's own").mkdir()
    assert sweep_home(settings, library) == 1
    assert {path.name for path in settings.thumbnails_dir.iterdir()} == {known.id, "somebody's own"}


def test_an_orphan_that_was_uploaded_again_is_not_kept_twice(settings: Settings, library: Catalogue) -> None:
    library.add_video(put(settings, b"known"), "known.mp4", "Known", [], 5, INFO)
    orphan = put(settings, b"cut short")
    assert sweep_home(settings, library) == 1
    library.add_video(put(settings, b"cut short"), "again.mp4", "Again", [], 9, INFO)
    assert sweep_home(settings, library) == 1
    assert list(settings.orphans_dir.iterdir()) == []
    assert MediaStore(settings.media_dir).path(orphan).is_file()


def test_a_restore_that_had_changed_nothing_leaves_nothing(settings: Settings, library: Catalogue) -> None:
    (settings.home / ".restoring" / "new").mkdir(parents=True)
    (settings.home / ".restoring" / "new" / "catalogue.sqlite3").write_bytes(b"half")
    assert sweep_home(settings, library) == 1
    assert not (settings.home / ".restoring").exists()
