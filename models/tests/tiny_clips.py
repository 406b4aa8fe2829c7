"""A small set of clips to train on: squares of a colour, each with its tone, some silent and some not narrated."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.training.data.manifest import Clip, Narration, write_manifest

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 220)}
TONES = {"red": 220, "green": 880, "blue": 2500}  # Hz: what is heard goes with what is seen


def write_clip(path: Path, colour: str, silent: bool, shift: int) -> None:
    """Two seconds: a square of a colour that moves, a steady tone."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=8000, layout="mono") if not silent else None
        for i in range(20):
            picture = np.full((48, 64, 3), 60, np.uint8)
            x = (shift + 2 * i) % 40
            picture[12:36, x : x + 24] = COLOURS[colour]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None:
            wave = 0.3 * np.sin(2 * np.pi * TONES[colour] * np.arange(16_000) / 8000)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            out.mux(audio.encode(frame))
            out.mux(audio.encode(None))


def write_set(folder: Path) -> Path:
    """18 clips and their manifest; the folder."""
    (folder / "clips").mkdir()
    clips = []
    for i in range(18):
        colour = list(COLOURS)[i % 3]
        silent, untold = i % 6 == 5, i % 5 == 4
        name = f"clips/{i:02d}.mp4"
        write_clip(folder / name, colour, silent, 3 * i)
        told = [Narration(0.2, 0.9, f"a {colour} square"), Narration(0.8, 1.8, "low tone"), Narration(0, 2, colour)]
        clips.append(
            Clip(
                id=f"{i:02d}",
                file=name,
                duration_s=2.0,
                fps=10,
                has_video=True,
                has_audio=not silent,
                map=f"room {i % 3}",
                seed=i,
                game="squares",
                narrations=[] if untold else told,
                concepts=[colour],
            )
        )
    write_manifest(folder / "manifest.jsonl", clips)
    return folder
