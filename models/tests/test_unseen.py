"""Pictures that nobody sees are not decoded, and those that are seen are the same to the last bit."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.preprocess.media import frames_on_grid
from models.preprocess.unseen import Unseen

FPS = 25


def moving_film(path: Path, codec: str = "libx264", **options: str) -> Path:
    """Four seconds of drifting noise, so that every picture differs from the one before."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 128 + 200, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(4 * FPS):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[:, 2 * i : 2 * i + 128]), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def all_pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    """(seconds since the first, picture), every one of them decoded."""
    with av.open(str(path)) as film:
        frames = [(frame.time or 0.0, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]
    return [(time - frames[0][0], picture) for time, picture in frames]


def on_show(path: Path, step_s: float, start_s: float) -> list[np.ndarray]:
    """What is to be seen at each moment of the grid, found the plain way."""
    pictures = all_pictures(path)
    moments = np.arange(start_s, pictures[-1][0] + 1 / FPS - 1e-6, step_s)
    return [[picture for time, picture in pictures if time < moment + 1e-6][-1] for moment in moments]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("film.mp4", {"preset": "fast", "bf": "3"}),
        ("pyramid.mkv", {"preset": "fast", "x264-params": "bframes=8:b-adapt=0:b-pyramid=strict:ref=6"}),
        ("open.ts", {"preset": "fast", "x264-params": "bframes=4:open-gop=1:keyint=20"}),
        ("fields.mp4", {"preset": "fast", "x264-params": "interlaced=1:bframes=2"}),
        ("plain.mp4", {"preset": "ultrafast"}),
    ],
)
@pytest.mark.parametrize(("step_s", "start_s", "threads"), [(0.4, 0.0, 1), (0.07, 0.0, 2), (0.2, 1.3, 1)])
def test_the_grid_is_as_if_all_were_decoded(
    tmp_path: Path, name: str, options: dict[str, str], step_s: float, start_s: float, threads: int
) -> None:
    path = moving_film(tmp_path / name, **options)
    given = [f.to_ndarray(format="rgb24") for f in frames_on_grid(path, step_s, threads, start_s)]
    wanted = on_show(path, step_s, start_s)
    assert len(given) == len(wanted)
    for one, other in zip(given, wanted, strict=True):
        assert np.array_equal(one, other)


def decoded(path: Path, step_s: float, start: float | None = 0.0) -> int:
    """How many pictures come out of a decoder that is told what is unseen."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        unseen = Unseen(stream, step_s)
        unseen.start = start
        return sum(len(packet.decode()) for packet in unseen.passed(film.demux(stream)))


def test_what_is_unseen_is_left_out(tmp_path: Path) -> None:
    path = moving_film(tmp_path / "film.mp4", preset="fast", **{"x264-params": "bframes=3:b-adapt=0:b-pyramid=none"})
    assert 25 <= decoded(path, 0.4) <= 40  # one in four is needed for others, and ten moments are to be seen
    assert decoded(path, 1 / FPS) == 4 * FPS  # every picture is to be seen
    assert decoded(path, 0.4, start=None) == 4 * FPS  # it is not known yet when the grid begins


def test_codecs_that_mark_less_clearly_are_decoded_whole(tmp_path: Path) -> None:
    path = moving_film(tmp_path / "film.mp4", codec="mpeg4", bf="2")
    assert decoded(path, 0.4) == 4 * FPS


def test_damaged_packets_are_passed_over(tmp_path: Path) -> None:
    """Their pictures may never come, so the one before is not left out for them; a break is the end."""

    class Broken:
        def __init__(self, packets: Any) -> None:
            self._packets, self._left = packets, 60

        def __iter__(self) -> "Broken":
            return self

        def __next__(self) -> Any:
            self._left -= 1
            if self._left < 0:
                raise av.InvalidDataError(1, "cut off")
            return next(self._packets)

    path = moving_film(tmp_path / "film.mp4", preset="fast")
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        passed = list(Unseen(stream, 0.4).passed(Broken(film.demux(stream))))
    assert len(passed) == 60
