"""Ingest with the real encoders: what becomes of a film, and that doing it again doubles nothing."""

import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from index import SpaceKey
from models.preprocess.media import MediaError
from models.runtime import Embedding, Encoders
from models.tests import media_samples
from service.catalogue import Catalogue, Video
from service.catalogue.jobs import JobLost
from service.catalogue.lookups import all_segments
from service.ingest import ingest_video
from service.jobs.pulse import Pulse
from service.media import children
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.queries import image_vectors
from service.settings import Settings
from service.tests.stored import segments_of
from service.tests.test_upload import files_in, upload


def no_report(progress: float, stage: str) -> None:
    assert 0.0 <= progress <= 1.0
    assert stage


def take_in(path: Path, settings: Settings, library: Catalogue, encoders: Encoders) -> tuple[Video, dict[str, int]]:
    video, _, _ = upload(path, settings, library)
    store, thumbnails = MediaStore(settings.media_dir), Thumbnails(settings.thumbnails_dir)
    return video, ingest_video(library, store, thumbnails, encoders, video, no_report)


def vectors_of(library: Catalogue, encoders: Encoders) -> dict[tuple[str, str, int], np.ndarray]:
    return {(c, s, i): v for c, s, i, v in library.vectors(encoders.bundle.fingerprint)}


def test_a_film_gets_segments_with_vectors_of_what_is_seen_and_heard(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    video, result = take_in(samples / "film.mp4", settings, library, encoders)
    spec = encoders.bundle.inputs
    segments = segments_of(library, video.id, encoders.bundle.fingerprint)
    assert result["segments"] == len(segments) > 1
    assert segments[0].start_s == 0.0
    assert segments[-1].end_s == pytest.approx(8.0, abs=0.2)
    stored = vectors_of(library, encoders)
    stills = 0
    for segment in segments:
        assert stored[("visual", "fine", segment.id)].shape == (1, encoders.bundle.dims["fine"])
        assert stored[("visual", "coarse", segment.id)].shape == (1, encoders.bundle.dims["coarse"])
        assert len(stored[("sound", "fine", segment.id)]) in (1, 2)
        stills += len(stored.get(("frame", "fine", segment.id), ()))
        assert Thumbnails(settings.thumbnails_dir).path(video.id, segment.start_s).is_file()
    assert stills == pytest.approx(8.0 / spec.step_s, abs=1)
    for vectors in stored.values():
        assert vectors.dtype == np.float16
        assert np.linalg.norm(vectors.astype(np.float32), axis=1) == pytest.approx(1.0, abs=5e-3)


def test_a_still_is_stored_with_the_segment_whose_middle_is_nearest(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    video, _ = take_in(samples / "film.mp4", settings, library, encoders)
    spec = encoders.bundle.inputs
    grid = media_grid(samples / "film.mp4", encoders)
    stored = vectors_of(library, encoders)
    segments = segments_of(library, video.id, encoders.bundle.fingerprint)
    middles = np.array([(s.start_s + s.end_s) / 2 for s in segments])
    for i in range(len(grid)):
        wanted = encoders.image(grid[i : i + 1]).fine[0]
        best = max(segments, key=lambda s: (stored[("frame", "fine", s.id)].astype(np.float32) @ wanted).max())
        assert abs(middles - i * spec.step_s).min() == pytest.approx(
            abs((best.start_s + best.end_s) / 2 - i * spec.step_s), abs=spec.step_s
        )


def media_grid(path: Path, encoders: Encoders) -> np.ndarray:
    from models.preprocess.media import read_frames

    spec = encoders.bundle.inputs
    return np.stack(list(read_frames(path, spec.step_s, spec.frame_height, spec.frame_width)))


def test_a_sound_alone_and_a_silent_film_get_what_they_have(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    sound, _ = take_in(samples / "sound.mp3", settings, library, encoders)
    assert {channel for channel, _, _ in vectors_of(library, encoders)} == {"sound"}
    assert files_in(settings.thumbnails_dir) == []
    library.delete_video(sound.id)
    take_in(samples / "silent.mp4", settings, library, encoders)
    assert {channel for channel, _, _ in vectors_of(library, encoders)} == {"visual", "frame"}


def test_a_sound_of_silence_fails_with_a_sentence(
    tmp_path: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    path = media_samples.sound_file(tmp_path / "silence.wav", wave=np.zeros(32_000, np.float32))
    with pytest.raises(MediaError) as caught:
        take_in(path, settings, library, encoders)
    assert caught.value.code == "nothing_to_find"


class PlainEncoders(Encoders):
    """Encoders of a bundle that has the three spaces of the format and no more."""

    def _embed(self, modality: str, array: np.ndarray) -> Embedding:
        return super()._embed(modality, array)._replace(instance=None)


def test_a_bundle_without_an_instance_space_works(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    plain = PlainEncoders(encoders.bundle)
    take_in(samples / "film.mp4", settings, library, plain)
    spaces = {(channel, space) for channel, space, _ in vectors_of(library, plain)}
    assert ("frame", "fine") in spaces
    assert "instance" not in {space for _, space in spaces}
    asked = image_vectors(plain, media_grid(samples / "film.mp4", plain)[0])
    assert SpaceKey("frame", "fine") in asked
    assert "instance" not in {key.space for key in asked}


def test_silent_stretches_of_a_recording_are_no_segments(
    tmp_path: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    wave = media_samples.sound(1, 20.0)
    wave[4 * media_samples.RATE : 16 * media_samples.RATE] = 0.0
    _, result = take_in(media_samples.sound_file(tmp_path / "gap.wav", wave=wave), settings, library, encoders)
    ids, _, times = all_segments(library, encoders.bundle.fingerprint)
    assert len(ids) == result["segments"]
    assert set(ids.tolist()) == {segment_id for _, _, segment_id in vectors_of(library, encoders)}
    middles = times.mean(axis=1)
    assert ((middles > 6.0) & (middles < 14.0)).sum() == 0
    assert (middles > 14.0).any()


def test_taking_a_film_in_again_replaces_what_was_there(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    _, first = take_in(samples / "film.mp4", settings, library, encoders)
    before = list(vectors_of(library, encoders).values())
    _, second = take_in(samples / "film.mp4", settings, library, encoders)
    after = list(vectors_of(library, encoders).values())
    assert first == second
    assert library.segment_count(encoders.bundle.fingerprint) == first["segments"]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_a_cancelled_ingest_does_not_wait_for_a_decoder_that_hangs(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    video, job, _ = upload(samples / "long.mp4", settings, library)
    assert library.claim_job(job.id, "w")
    store, thumbnails = MediaStore(settings.media_dir), Thumbnails(settings.thumbnails_dir)
    cancelled: list[float] = []
    with Pulse(library, job.id, "w", threading.Event()) as pulse:

        def report(progress: float, stage: str) -> None:
            pulse.report(progress, stage)
            if stage == "embedding" and not cancelled:
                (child,) = children.at_work()
                child.kill(signal.SIGSTOP)
                library.cancel_job(job.id)
                cancelled.append(time.monotonic())

        with pytest.raises(JobLost):
            ingest_video(library, store, thumbnails, encoders, video, report)
    # A second, on a machine that has nothing else to do; the decoder's own time is 60.
    assert time.monotonic() - cancelled[0] < 20
    assert children.at_work() == []


def test_a_report_that_raises_ends_the_ingest_with_nothing_stored(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders
) -> None:
    video, _, _ = upload(samples / "long.mp4", settings, library)

    def stop(progress: float, stage: str) -> None:
        if progress > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_video(
            library,
            MediaStore(settings.media_dir),
            Thumbnails(settings.thumbnails_dir),
            encoders,
            video,
            stop,
        )
    assert library.segment_count(encoders.bundle.fingerprint) == 0
