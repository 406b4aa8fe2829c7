"""Writes a recording as mp4: h264 at 17.5 pictures a second (every second tic), AAC mono at 44.1 kHz."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from models.training.data.footage.studio import SAMPLE_RATE, TICS_PER_SECOND, Tic

EVERY = 2
FRAMES_PER_SECOND = TICS_PER_SECOND / EVERY
_AAC_FRAME = 1024


def write_clip(path: Path, tape: list[Tic], *, with_sound: bool, crf: int, audio_bit_rate: int) -> None:
    """The same tape gives the same bytes. Writes beside `path` and renames: `path` is never a half-written file.

    `crf`: h264 quality, lower is better. `audio_bit_rate` in bits a second.
    """
    temporary = path.with_suffix(".part")
    with av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        height, width, _ = tape[0].picture.shape
        video = out.add_stream("libx264", rate=Fraction(TICS_PER_SECOND, EVERY))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"crf": str(crf), "preset": "veryfast"}
        video.codec_context.thread_count = 1  # with more, the bytes depend on the machine
        sound = None
        if with_sound:
            sound = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            sound.bit_rate = audio_bit_rate
        for tic in tape[::EVERY]:
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(tic.picture), format="rgb24")))
        out.mux(video.encode())
        if sound is not None:
            samples = np.concatenate([tic.sound for tic in tape]).astype(np.float32).mean(axis=1) / 32768
            for start in range(0, len(samples), _AAC_FRAME):
                frame = av.AudioFrame.from_ndarray(
                    samples[None, start : start + _AAC_FRAME], format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
                out.mux(sound.encode(frame))
            out.mux(sound.encode())
    temporary.replace(path)
