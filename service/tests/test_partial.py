"""Files of interrupted uploads: what a disk that fills up, or a crash, leaves of them."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.media import partial, space
from service.media.partial import PartialUploads, UploadGone
from service.media.thumbnails import Thumbnails
from service.media.upload import Incoming, remove_leftovers
from service.spool import Spool
from service.tests.test_spool import BUNDLE, VIDEO, part_of


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writing more is an error, as on a full disk: what fits is written first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def uploads(tmp_path: Path) -> PartialUploads:
    return PartialUploads(tmp_path / "uploads", 60.0)


def test_what_did_not_fit_is_gone_even_when_there_is_space_again_at_once(
    uploads: PartialUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cutting off what was written frees the space in which the rest of it would fit."""
    upload = uploads.create(300_000, {})
    truncate: Callable[..., Any] = os.truncate
    with uploads.hold(upload.id) as held:
        held.write(b"a" * 1000)
        with no_file_larger_than(100_000):

            def truncate_and_make_room(path: Path, size: int) -> None:
                truncate(path, size)
                resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1:] * 2)

            monkeypatch.setattr(partial.os, "truncate", truncate_and_make_room)
            with pytest.raises(OSError, match="File too large"):
                held.write(b"b" * 100_000)
        assert held.offset == held.path.stat().st_size == 1000
        held.write(b"c" * 100_000)
        assert held.path.read_bytes() == b"a" * 1000 + b"c" * 100_000


def test_uploads_that_come_together_leave_what_must_stay_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may have been announced while there was space for it."""
    free = 1000

    def disk_usage(folder: Path) -> Any:
        return type("Usage", (), {"free": free})

    monkeypatch.setattr(space.shutil, "disk_usage", disk_usage)
    uploads = PartialUploads(tmp_path, 60.0, reserve_bytes=400)
    upload = uploads.create(2000, {})
    with uploads.hold(upload.id) as held, Incoming(tmp_path, 10_000, reserve_bytes=400) as incoming:
        held.write(b"x" * 600)
        incoming.write(b"x" * 600)
        free = 500
        with pytest.raises(OSError, match="No space left"):
            held.write(b"x" * 200)
        with pytest.raises(OSError, match="No space left"):
            incoming.write(b"x" * 200)
        assert held.offset == held.path.stat().st_size == 600


def test_bytes_of_an_upload_that_is_over_go_after_a_crash_too(uploads: PartialUploads) -> None:
    upload = uploads.create(3, {})
    with uploads.hold(upload.id) as held:
        held.write(b"abc")
        data = held.path
        uploads.end(upload, answer={"video_id": "v_1"})
    data.write_bytes(b"abc")  # the process ended before it removed them
    assert uploads.sweep() == 0
    assert not data.exists()
    assert uploads.look(upload.id)[0].answer == {"video_id": "v_1"}
    with pytest.raises(UploadGone), uploads.hold(upload.id):
        pass


def test_what_another_process_receives_is_no_leftover(tmp_path: Path) -> None:
    """A replica goes on while the service beside it starts."""
    with Incoming(tmp_path, 100) as incoming:
        incoming.write(b"half")
        (tmp_path / "0.part").write_bytes(b"of a crash")
        assert remove_leftovers(tmp_path) == 1
        incoming.close()
        assert remove_leftovers(tmp_path) == 0
        assert incoming.path.read_bytes() == b"half"


def test_a_disk_that_is_full_leaves_no_half_of_a_picture_or_part(tmp_path: Path) -> None:
    pictures = Thumbnails(tmp_path / "thumbnails")
    with no_file_larger_than(200):
        with pytest.raises(OSError, match="File too large"):
            pictures.writer(VIDEO).put_preview([np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)])
        with pytest.raises(OSError, match="File too large"):
            Spool(tmp_path / "spool", VIDEO, BUNDLE).add(part_of(0, 3), 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
