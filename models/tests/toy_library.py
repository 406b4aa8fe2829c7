"""A small library of films to adapt to: squares whose colour goes with the pitch that is heard, or does not."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FILMS, SCENES, SCENE_S = 16, 8, 1.6
RATE = 8000


def write_library(folder: Path, *, related: bool, subtitles: bool = False) -> Path:
    """16 films of 8 scenes; the folder. `related`: pitch rises with hue, else it is any other."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for number in range(FILMS):
        levels = rng.permutation(np.linspace(0, 1, SCENES))
        heard = levels if related else rng.permutation(levels)
        _write_film(folder / f"{number:02d}.mp4", levels, heard)
        if subtitles:
            cues = [
                f"00:00:{i * SCENE_S + 0.2:06.3f} --> 00:00:{i * SCENE_S + 1.4:06.3f}\n{_word(level)}\n"
                for i, level in enumerate(levels)
            ]
            (folder / f"{number:02d}.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    return folder


def _word(level: float) -> str:
    """Of `tiny.WORDS`."""
    return "a red square" if level < 0.34 else "a green square" if level < 0.67 else "a blue square"


def _write_film(path: Path, levels: np.ndarray, heard: np.ndarray) -> None:
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        for i in range(round(SCENES * SCENE_S * 5)):
            level = levels[min(int(i / 5 / SCENE_S), SCENES - 1)]
            picture = np.full((48, 64, 3), 40, np.uint8)
            x = (3 * i) % 32
            colour = np.clip([1 - 2 * level, 1 - abs(2 * level - 1), 2 * level - 1], 0, 1)
            picture[8:40, x : x + 32] = 40 + 200 * colour
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 5)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        pitch = np.repeat(200 * 2 ** (4 * heard), round(SCENE_S * RATE))
        wave = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
        sound = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
