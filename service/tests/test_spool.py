"""An ingest that is interrupted goes on from the last part that was stored, and gives what a whole one gives."""

from pathlib import Path

import numpy as np
import pytest

from models.runtime import Encoders
from models.tests import media_samples
from service import ingest
from service.catalogue import Catalogue, Video
from service.ingest import ingest_video
from service.media import confined
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.settings import Settings
from service.spool import Building, Pieces, Spool, Taken, sweep_spool
from service.tests.test_upload import upload

VIDEO, BUNDLE = "v_0123456789abcdef", "f" * 64


def part_of(first: int, count: int) -> Taken:
    rng = np.random.default_rng(first)
    segments = [Building(float(first + i), first + i + 2.0) for i in range(count)]
    for segment in segments:
        segment.add_vector("visual", "fine", rng.random(4).astype(np.float16))
    segments[0].add_vector("sound", "fine", rng.random(4).astype(np.float16))
    stills = Pieces("frame", rng.random(3), {"fine": rng.random((3, 4)).astype(np.float16)})
    return Taken(segments, [stills], {first: np.full((2, 3, 3), first, np.uint8)})


def assert_same(one: Taken, other: Taken) -> None:
    assert [(s.start_s, s.end_s) for s in one.segments] == [(s.start_s, s.end_s) for s in other.segments]
    for a, b in zip(one.segments, other.segments, strict=True):
        assert a.vectors.keys() == b.vectors.keys()
        assert all(np.array_equal(a.vectors[key], b.vectors[key]) for key in a.vectors)
    for c, d in zip(one.pieces, other.pieces, strict=True):
        assert c.channel == d.channel
        assert np.array_equal(c.middles_s, d.middles_s)
        assert all(np.array_equal(c.vectors[space], d.vectors[space]) for space in c.vectors)
    assert one.preview.keys() == other.preview.keys()
    assert all(np.array_equal(one.preview[at], other.preview[at]) for at in one.preview)


def test_parts_come_back_as_they_were(tmp_path: Path) -> None:
    spool, whole = Spool(tmp_path, VIDEO, BUNDLE), Taken()
    for first, count in ((0, 3), (3, 2)):
        spool.add(part_of(first, count), first)
        whole.extend(part_of(first, count))
    assert_same(spool.load(), whole)
    spool.clear()
    assert spool.load().windows == 0
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_and_what_follows_it_are_done_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, VIDEO, BUNDLE)
    for first in (0, 3, 6):
        spool.add(part_of(first, 3), first)
    files = sorted(tmp_path.glob("*/*.npz"))
    files[1].write_bytes(files[1].read_bytes()[:-30])
    assert spool.load().windows == 3
    files[0].unlink()
    assert spool.load().windows == 0


def test_parts_of_other_videos_and_models_are_left_alone(tmp_path: Path) -> None:
    Spool(tmp_path, VIDEO, BUNDLE).add(part_of(0, 3), 0)
    assert Spool(tmp_path, VIDEO, "e" * 64).load().windows == 0
    assert Spool(tmp_path, "v_fedcba9876543210", BUNDLE).load().windows == 0
    assert sweep_spool(tmp_path, lambda: [VIDEO]) == 0
    assert sweep_spool(tmp_path, lambda: ["v_fedcba9876543210"]) == 1
    assert sweep_spool(tmp_path / "none", list) == 0


class Interrupted(Exception):
    """As when the worker is killed, for all that the ingest can do about it."""


def take_in(settings: Settings, library: Catalogue, encoders: Encoders, video: Video, stop_at: float = 2.0) -> None:
    def report(progress: float, stage: str) -> None:
        if progress > stop_at:
            raise Interrupted

    ingest_video(
        library,
        MediaStore(settings.media_dir),
        Thumbnails(settings.thumbnails_dir),
        encoders,
        video,
        report,
        spool_dir=settings.spool_dir,
        checkpoint_s=0.0,
    )


def test_an_interrupted_ingest_goes_on_where_it_was_and_gives_the_same(
    tmp_path: Path, settings: Settings, library: Catalogue, encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, _, _ = upload(media_samples.film(tmp_path / "film.mp4", 9, 24.0, fps=5), settings, library)
    bundle = encoders.bundle.fingerprint
    began: list[int] = []
    decode = confined.decode_windows

    def decode_windows(*args: object, first_window: int, **kwargs: object) -> object:
        began.append(first_window)
        return decode(*args, first_window=first_window, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest.confined, "decode_windows", decode_windows)
    with pytest.raises(Interrupted):
        take_in(settings, library, encoders, video, stop_at=0.4)
    assert library.segment_count(bundle) == 0
    take_in(settings, library, encoders, video)
    assert began[0] == 0
    assert began[1] >= 4
    assert list(settings.spool_dir.iterdir()) == []
    gone_on = list(library.vectors(bundle))
    preview = Thumbnails(settings.thumbnails_dir).preview_path(video.id).read_bytes()
    take_in(settings, library, encoders, video)
    assert began[2] == 0
    whole = list(library.vectors(bundle))
    assert [(c, s, v.shape) for c, s, _, v in gone_on] == [(c, s, v.shape) for c, s, _, v in whole]
    same = [
        float((a.astype(float) * b.astype(float)).sum(axis=1).min())
        for (*_, a), (*_, b) in zip(gone_on, whole, strict=True)
    ]
    assert min(same) > 0.99
    assert Thumbnails(settings.thumbnails_dir).preview_path(video.id).read_bytes() == preview
