"""The confined decode child: what it gives for good files, and that bad ones, or its death, only give a sentence."""

import dataclasses
import io
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from PIL import Image

from models.bundle import InputSpec
from models.preprocess import media
from models.preprocess.media import MediaError, MediaInfo
from models.preprocess.published import centre_crop, resize_smaller_side
from models.tests import media_samples
from service.media import children, confined, sandbox
from service.media.confined import DecodedWindow, MediaLimits
from service.media.pipe import MAX_PARTS, BadMessage, receive, send

SPEC = InputSpec(
    window_s=3.2, hop_s=1.6, frames=8, frame_height=32, frame_width=40, sample_rate=16_000, words=16, audio="waveform"
)
LIMITS = MediaLimits(max_duration_s=200.0, max_pixels=1_000_000)


def windows_of(path: Path) -> list[DecodedWindow]:
    return list(confined.decode_windows(path, SPEC, confined.probe(path, LIMITS)))


def test_a_film_comes_in_overlapping_windows_with_every_grid_frame_new_once(samples: Path) -> None:
    windows = windows_of(samples / "film.mp4")
    assert [(w.start_s, w.end_s) for w in windows] == [(0.0, 3.2), (1.6, 4.8), (3.2, 6.4), (4.8, 8.0)]
    grid = np.stack(list(media.read_frames(samples / "film.mp4", SPEC.step_s, 32, 40)))
    for window in windows:
        first = round(window.start_s / SPEC.step_s)
        assert window.frames is not None
        assert (window.frames == grid[first : first + 8]).all()
        assert window.thumbnail is not None
        assert window.thumbnail.startswith(b"\xff\xd8")
    new = [window.new_frames for window in windows]
    assert all(frames is not None for frames in new)
    assert (np.concatenate([frames for frames in new if frames is not None]) == grid).all()
    assert [round(w.new_time_s / SPEC.step_s) for w in windows] == [0, 8, 12, 16]


def test_a_bundle_of_published_weights_gets_pictures_as_published(samples: Path) -> None:
    """32 frames of 50x50: films, clips and stills are what the published functions give; short ones go round."""
    spec = dataclasses.replace(SPEC, frames=32, frame_height=50, frame_width=50, resize="bilinear")

    def fitted(frame: np.ndarray) -> np.ndarray:
        return centre_crop(resize_smaller_side(frame, 50), 50)

    def grid_of(path: Path) -> np.ndarray:
        frames = media.frames_on_grid(path, spec.step_s)
        return np.stack([fitted(frame.to_ndarray(format="rgb24")) for frame in frames])

    long, short = grid_of(samples / "film.mp4"), grid_of(samples / "short.mp4")
    assert (len(long), len(short)) == (80, 10)
    windows = list(confined.decode_windows(samples / "film.mp4", spec, confined.probe(samples / "film.mp4", LIMITS)))
    clip = confined.decode_query_video(samples / "film.mp4", spec, LIMITS)
    assert clip.windows.shape == (4, 32, 50, 50, 3)
    for n, (window, asked) in enumerate(zip(windows, clip.windows, strict=True)):
        assert window.frames is not None
        assert np.array_equal(window.frames, long[16 * n : 16 * n + 32])
        assert np.array_equal(window.frames, asked)
        assert window.thumbnail is not None
    round_and_round = short[np.arange(32) % 10]
    (window,) = confined.decode_windows(samples / "short.mp4", spec, confined.probe(samples / "short.mp4", LIMITS))
    assert window.frames is not None
    assert np.array_equal(window.frames, round_and_round)
    assert np.array_equal(
        confined.decode_query_video(samples / "short.mp4", spec, LIMITS).windows, round_and_round[None]
    )
    still = np.asarray(Image.open(samples / "still.png").convert("RGB"))
    assert np.array_equal(confined.decode_query_image(samples / "still.png", spec, LIMITS), fitted(still))


def test_sound_comes_with_each_window_and_at_every_step_to_the_next(samples: Path) -> None:
    windows = windows_of(samples / "film.mp4")
    whole = np.concatenate(list(media.read_audio(samples / "film.mp4", SPEC.sample_rate)))
    for window in windows:
        assert window.sound is not None
        assert window.sound.shape == (len(window.sound_starts_s), 51_200)
        for row, start in zip(window.sound, window.sound_starts_s, strict=True):
            assert (row == whole[round(start * 16_000) :][:51_200]).all()
    starts = [start for window in windows for start in window.sound_starts_s]
    assert starts[0] == 0
    assert np.diff(starts).max() <= SPEC.hop_s / 4 + 1e-6


def test_a_film_shorter_than_a_window_is_repeated_and_its_stills_are_not(samples: Path) -> None:
    (window,) = windows_of(samples / "short.mp4")
    assert (window.start_s, window.end_s) == (0.0, 1.0)
    assert window.frames is not None
    assert window.frames.shape == (8, 32, 40, 3)
    assert (window.frames[3] == window.frames[0]).all()
    assert window.new_count == 3
    assert window.sound is not None
    assert 14_000 < window.sound.shape[1] < 18_000


def test_a_silent_film_has_no_sound_and_a_sound_has_no_picture(samples: Path) -> None:
    assert all(w.sound is None and w.frames is not None for w in windows_of(samples / "silent.mp4"))
    for name in ("sound.wav", "sound.mp3", "sound.flac", "cover.mp3"):
        windows = windows_of(samples / name)
        assert len(windows) == 3
        assert all(w.sound is not None and w.frames is None and w.thumbnail is None for w in windows)


def test_a_phones_film_is_listed_and_pictured_upright(tmp_path: Path) -> None:
    path = media_samples.phone_film(tmp_path / "phone.mp4")
    info = confined.probe(path, LIMITS)
    assert (info.width, info.height) == (96, 128)
    for window in confined.decode_windows(path, SPEC, info, thumbnail_width=48):
        assert window.frames is not None
        assert window.thumbnail is not None
        thumbnail = np.asarray(Image.open(io.BytesIO(window.thumbnail)))
        assert thumbnail.shape == (64, 48, 3)
        assert thumbnail[:14].mean() > 230
        assert thumbnail[18:].mean() < 25


def test_a_larger_picture_may_take_more_time() -> None:
    small = MediaInfo(60.0, True, True, 640, 480, 25.0, "mp4", "h264", "aac")
    large = dataclasses.replace(small, width=3840, height=2160)
    assert confined._window_cpu_s(small) == 360
    assert confined._window_cpu_s(large) == 9 * 360


@pytest.mark.parametrize(
    ("name", "code"),
    [("empty.mp4", "empty_file"), ("text.mp4", "not_media"), ("truncated.mp4", "truncated_media")],
)
def test_a_bad_file_is_told_by_its_code(samples: Path, name: str, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        confined.probe(samples / name, LIMITS)
    assert caught.value.code == code
    assert len(caught.value.message) > 30


def test_what_is_too_long_or_too_large_is_refused(samples: Path) -> None:
    with pytest.raises(MediaError, match="90 s") as caught:
        confined.probe(samples / "long.mp4", MediaLimits(20.0, 10**6))
    assert caught.value.code == "media_too_long"
    with pytest.raises(MediaError) as caught:
        confined.probe(samples / "film.mp4", MediaLimits(20.0, 1000))
    assert caught.value.code == "media_too_large"
    with pytest.raises(MediaError) as caught:
        confined.decode_query_video(samples / "long.mp4", SPEC, MediaLimits(20.0, 10**6))
    assert caught.value.code == "query_too_long"


def test_queries_by_example_are_decoded(samples: Path) -> None:
    assert confined.decode_query_image(samples / "still.png", SPEC, LIMITS).shape == (32, 40, 3)
    assert len(confined.decode_query_audio(samples / "film.mp4", SPEC, LIMITS)) == pytest.approx(8 * 16_000, abs=2_000)
    clip = confined.decode_query_video(samples / "film.mp4", SPEC, LIMITS)
    assert clip.windows.shape == (4, 8, 32, 40, 3)
    assert clip.waveform is not None
    assert confined.decode_query_video(samples / "long.mp4", SPEC, LIMITS, most_windows=3).windows.shape[0] == 3
    assert confined.decode_query_video(samples / "silent.mp4", SPEC, LIMITS).waveform is None


@pytest.mark.parametrize(
    ("call", "name", "code"),
    [
        (confined.decode_query_audio, "silent.mp4", "no_sound"),
        (confined.decode_query_video, "sound.wav", "no_picture"),
        (confined.decode_query_video, "still.png", "no_picture"),
        (confined.decode_query_image, "film.mp4", "not_an_image"),
        (confined.decode_query_image, "empty.mp4", "empty_file"),
    ],
)
def test_a_query_of_the_wrong_kind_is_told_by_its_code(samples: Path, call: object, name: str, code: str) -> None:
    assert callable(call)
    with pytest.raises(MediaError) as caught:
        call(samples / name, SPEC, LIMITS)
    assert caught.value.code == code


def test_a_child_that_dies_is_a_file_that_breaks_the_decoder(samples: Path) -> None:
    info = confined.probe(samples / "long.mp4", LIMITS)
    windows = confined.decode_windows(samples / "long.mp4", SPEC, info)
    next(windows)
    (child,) = children.at_work()
    child.kill(signal.SIGSEGV)
    with pytest.raises(MediaError) as caught:
        list(windows)
    assert caught.value.code == "decoder_crashed"


def test_a_child_that_hangs_is_ended(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "PATIENCE_S", 1.0)
    info = confined.probe(samples / "long.mp4", LIMITS)
    windows = confined.decode_windows(samples / "long.mp4", SPEC, info)
    next(windows)
    (child,) = children.at_work()
    child.kill(signal.SIGSTOP)
    with pytest.raises(MediaError) as caught:
        list(windows)
    assert caught.value.code == "decoder_timeout"
    assert children.at_work() == []


def test_windows_that_are_closed_by_another_thread_end_a_child_that_hangs_at_once(samples: Path) -> None:
    info = confined.probe(samples / "long.mp4", LIMITS)
    windows = confined.decode_windows(samples / "long.mp4", SPEC, info)
    next(windows)
    (child,) = children.at_work()
    child.kill(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: list(windows))
        with pytest.raises(TimeoutError):
            reading.result(0.5)
        windows.close()
        with pytest.raises(MediaError):
            reading.result(confined.PATIENCE_S / 2)
    assert children.at_work() == []
    windows.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a process slept")
def test_a_film_that_comes_in_drops_is_ended(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "_idle_s", lambda info, path: 1.5)
    windows = confined.decode_windows(samples / "long.mp4", SPEC, confined.probe(samples / "long.mp4", LIMITS))
    next(windows)
    (child,) = children.at_work()

    def drip(_: DecodedWindow) -> None:
        child.kill(signal.SIGSTOP)
        Timer(0.4, child.kill, [signal.SIGCONT]).start()

    with pytest.raises(MediaError) as caught:
        list(map(drip, windows))
    assert caught.value.code == "decoder_timeout"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a process slept")
def test_a_child_that_computes_or_waits_for_a_processor_does_not_sleep(samples: Path) -> None:
    windows = confined.decode_windows(samples / "long.mp4", SPEC, confined.probe(samples / "long.mp4", LIMITS))
    next(windows)
    (child,) = children.at_work()
    before, used = child.busy_s(), len(os.sched_getaffinity(0))
    assert before is not None
    assert before > 0
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * used)]
    try:
        since = time.monotonic()
        assert len(list(itertools.islice(windows, 40))) == 40
        took_s, busy_s = time.monotonic() - since, (child.busy_s() or 0.0) - before
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        windows.close()
    # The other part is what it waits for this process, which has as little of the processors.
    assert busy_s > 0.2 * took_s


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's order of the two limits")
def test_a_child_that_computes_without_end_is_ended_and_that_is_told(samples: Path) -> None:
    program = "from service.media.sandbox import limit_cpu\nlimit_cpu(1)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGXCPU
    windows = confined.decode_windows(samples / "long.mp4", SPEC, confined.probe(samples / "long.mp4", LIMITS))
    next(windows)
    (child,) = children.at_work()
    child.kill(signal.SIGXCPU)
    with pytest.raises(MediaError) as caught:
        list(windows)
    assert caught.value.code == "decoder_timeout"


@pytest.mark.parametrize(
    "said",
    [
        {
            "names": [],
            "start_s": 0.0,
            "end_s": 3.2,
            "new_from": 0,
            "new_count": 0,
            "new_time_s": 0,
            "sound_starts_s": [],
        },
        {"names": ["frames"], "start_s": 0.0},
        {"nonsense": True},
    ],
)
def test_a_child_that_was_taken_over_fills_no_memory(
    samples: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, object]
) -> None:
    """It may send what it likes, for as long as it likes."""
    info = confined.probe(samples / "film.mp4", LIMITS)
    monkeypatch.setattr(confined, "receive", lambda connection: (said, []))
    given: list[DecodedWindow] = []
    with pytest.raises(MediaError) as caught:
        given.extend(confined.decode_windows(samples / "film.mp4", SPEC, info))
    assert caught.value.code == "decoder_crashed"
    assert children.at_work() == []


def test_a_child_that_was_taken_over_fills_no_disk(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = confined.probe(samples / "film.mp4", LIMITS)
    said = {"names": ["thumbnail"], "start_s": 0.0, "end_s": 3.2, "new_from": 0, "new_count": 0, "new_time_s": 0}
    large = np.zeros(confined.MOST_PICTURE_BYTES + 1, np.uint8)
    monkeypatch.setattr(confined, "receive", lambda connection: ({**said, "sound_starts_s": []}, [large]))
    with pytest.raises(MediaError, match="breaks the decoder"):
        next(confined.decode_windows(samples / "film.mp4", SPEC, info))


@pytest.mark.parametrize("wrong", [{"duration_s": 1e300}, {"duration_s": "long"}, {"width": -1}, {"more": 1}])
def test_what_a_child_says_of_a_file_is_checked(
    samples: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object]
) -> None:
    info = dataclasses.asdict(confined.probe(samples / "film.mp4", LIMITS))
    monkeypatch.setattr(confined, "receive", lambda connection: ({"info": {**info, **wrong}}, []))
    with pytest.raises(MediaError) as caught:
        confined.probe(samples / "film.mp4", LIMITS)
    assert caught.value.code == "decoder_crashed"


def test_a_message_has_few_parts() -> None:
    ours, theirs = multiprocessing.Pipe()
    send(theirs, {}, [np.zeros(1, np.uint8)] * (MAX_PARTS + 1))
    with pytest.raises(BadMessage):
        receive(ours)


def test_stopping_early_leaves_no_child(samples: Path) -> None:
    windows = confined.decode_windows(samples / "long.mp4", SPEC, confined.probe(samples / "long.mp4", LIMITS))
    next(windows)
    windows.close()
    assert children.at_work() == []


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has none of this but the limits, and not all of them")
def test_a_child_can_do_nothing_but_decode() -> None:
    said = confined.protections()
    assert said["refused"] == said["tried"]
    assert "seccomp" in said["confined_by"]


@pytest.mark.parametrize("without", [("_landlock",), ("_seccomp",), ("_become_nobody",)])
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has none of this")
def test_each_layer_of_the_confinement_holds_by_itself(without: tuple[str]) -> None:
    """Where the kernel lacks one, the others still keep files away."""
    program = """
        import sys
        from service.media import decode_child, sandbox
        for name in sys.argv[1:]:
            setattr(sandbox, name, lambda: 0)
        confined_by = sandbox.confine(decode_child.MEMORY_BYTES, decode_child.OPEN_FILES)
        (header, _), = decode_child.check(confined_by)
        missing = set(header["tried"]) - set(header["refused"])
        assert not missing & {"read a file", "write a file", "remove a file", "take all memory"}, (missing, confined_by)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), *without]
    assert subprocess.run(command, check=False).returncode == 0


def test_the_filter_knows_no_call_twice() -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in sandbox.REFUSED.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))


def test_a_fork_server_that_dies_is_started_again(samples: Path) -> None:
    confined.probe(samples / "film.mp4", LIMITS)
    server = children._running()
    server._process.kill()
    server._process.wait()
    assert confined.probe(samples / "film.mp4", LIMITS).has_video


def test_children_know_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMV_DATABASE_URL", "postgresql://me:secret@host/db")
    children.stop()
    confined.start()
    process = children._running()._process
    environment = Path(f"/proc/{process.pid}/environ")
    assert b"secret" not in environment.read_bytes()


def test_going_on_from_a_window_gives_what_a_whole_pass_gives(samples: Path) -> None:
    info = confined.probe(samples / "film.mp4", LIMITS)
    whole = list(confined.decode_windows(samples / "film.mp4", SPEC, info, preview=True))
    rest = list(confined.decode_windows(samples / "film.mp4", SPEC, info, preview=True, first_window=2))
    assert [w.start_s for w in rest] == [w.start_s for w in whole[2:]]
    for late, early in zip(rest, whole[2:], strict=True):
        assert late.frames is not None
        assert early.frames is not None
        assert np.array_equal(late.frames, early.frames)
        assert (late.new_from, late.new_count, late.new_time_s) == (early.new_from, early.new_count, early.new_time_s)
        assert late.sound_starts_s == early.sound_starts_s
        assert late.sound is not None
        assert early.sound is not None
        # AAC fills some bands with random noise, and another one when it is begun elsewhere.
        assert (np.abs(late.sound - early.sound) > 1e-3).mean() < 0.01


@pytest.mark.parametrize("name", ["film.mp4", "short.mp4"])
def test_a_film_has_eight_preview_pictures_in_its_own_shape(samples: Path, name: str) -> None:
    info = confined.probe(samples / name, LIMITS)
    pictures: dict[int, np.ndarray] = {}
    for window in confined.decode_windows(samples / name, SPEC, info, preview=True):
        pictures |= window.preview
    assert sorted(pictures) == list(range(8))
    assert {picture.shape for picture in pictures.values()} == {(120, 160, 3)}
