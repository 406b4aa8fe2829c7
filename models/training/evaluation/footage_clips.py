"""A footage set through a bundle's encoders: what evaluation compares, embedded once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.preprocess.media import read_audio, read_frames
from models.preprocess.text import UnknownWords
from models.preprocess.windows import fit_frames
from models.runtime import Encoders
from models.training.data.footage.mentions import audible, mentioned
from models.training.data.manifest import Clip, Narration, read_manifest

SAID = "what is said at the event -> video"  # directions that ask with other texts than `described`
HEARD = "what can be heard, told -> audio"
THREADS = 2  # each decodes and embeds a clip of its own
FINER = 4  # the grid on which frames are read, per step of the network's


@dataclass(frozen=True)
class EmbeddedClips:
    """The middle window of every clip, a still out of it, and its frames as a library holds them.

    Rows align with `clips`. Sound is NaN for a silent clip; what a bundle has no output for is None.
    """

    clips: list[Clip]
    stills: np.ndarray  # uint8 [N, H, W, 3], between two of the window's frames: seen by no encoder of the library
    video_fine: np.ndarray
    video_coarse: np.ndarray
    image_fine: np.ndarray  # of the stills
    image_coarse: np.ndarray
    image_instance: np.ndarray | None
    frame_fine: np.ndarray  # [N, T, F], of the window's frames
    frame_instance: np.ndarray | None
    sound_fine: np.ndarray
    sound_coarse: np.ndarray | None

    @property
    def heard(self) -> np.ndarray:
        """bool [N]: which clips have sound."""
        return np.array([c.has_audio for c in self.clips])


def embed_clips(encoders: Encoders, data: Path, progress: Callable[[int, int], None] | None = None) -> EmbeddedClips:
    """Decode and embed every clip of `data/manifest.jsonl`."""
    clips = read_manifest(data / "manifest.jsonl")
    encoders.warm()
    rows: list[dict[str, np.ndarray]] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for row in pool.map(lambda clip: _embed(encoders, data, clip), clips):
            rows.append(row)
            if progress:
                progress(len(rows), len(clips))
    sizes = {name: value.shape for row in rows for name, value in row.items()}
    columns = {
        name: np.stack([row.get(name, np.full(shape, np.nan, np.float32)) for row in rows])
        for name, shape in sizes.items()
    }
    silent = np.full((len(clips), encoders.bundle.dims["fine"]), np.nan, np.float32)
    optional = {"image_instance": None, "frame_instance": None, "sound_coarse": None, "sound_fine": silent}
    return EmbeddedClips(clips, **{**optional, **columns})  # type: ignore[arg-type]


def said(clip: Clip) -> str:
    """The narration nearest to the clip's event, whatever it says: one in twenty speaks of something else."""
    return min(clip.narrations, key=lambda n: _from_event(clip, n)).text


def described(clip: Clip) -> str:
    """The narration that names most of what the clip shows, the nearest to the event among equals."""
    seen = set(clip.concepts)
    return min(clip.narrations, key=lambda n: (-len(mentioned(n.text) & seen), _from_event(clip, n))).text


def described_by_ear(clip: Clip) -> str:
    """The narration that names most of what can be heard in the clip, the nearest to the event among equals."""
    heard = audible(clip.concepts)
    return min(clip.narrations, key=lambda n: (-len(audible(mentioned(n.text)) & heard), _from_event(clip, n))).text


def _from_event(clip: Clip, narration: Narration) -> float:
    at = clip.events[0].at_s if clip.events else clip.duration_s / 2
    return abs((narration.start_s + narration.end_s) / 2 - at)


def text_rows(encoders: Encoders, texts: list[str]) -> np.ndarray:
    """Coarse [Q, C]; a text that the service would refuse as unknown words is all zeros: it ranks nothing first."""
    out = np.zeros((len(texts), encoders.bundle.dims["coarse"]), np.float32)
    for row, text in enumerate(texts):
        try:
            out[row] = encoders.text([text])[0]
        except UnknownWords:
            continue
    return out


def _embed(encoders: Encoders, data: Path, clip: Clip) -> dict[str, np.ndarray]:
    spec = encoders.bundle.inputs
    start = max(0.0, (clip.duration_s - spec.window_s) / 2)
    # A grid that starts at the window: read at a fine step, then take every frame of the window.
    grid = read_frames(data / clip.file, spec.step_s / FINER, spec.frame_height, spec.frame_width, method=spec.resize)
    frames = np.stack(list(grid))
    first = round(start / spec.step_s * FINER)
    window = fit_frames(frames[first::FINER], spec.frames)
    still = frames[min(first + FINER * (spec.frames // 2) + FINER // 2, len(frames) - 1)]
    video, library, image = encoders.video(window[None]), encoders.image(window), encoders.image(still[None])
    assert video.coarse is not None, "vision reaches the coarse space in every graph"
    assert image.coarse is not None, "vision reaches the coarse space in every graph"
    out = {
        "stills": still,
        "video_fine": video.fine[0],
        "video_coarse": video.coarse[0],
        "image_fine": image.fine[0],
        "image_coarse": image.coarse[0],
        "frame_fine": library.fine,
    }
    if image.instance is not None and library.instance is not None:
        out |= {"image_instance": image.instance[0], "frame_instance": library.instance}
    if clip.has_audio:
        sound = np.concatenate(list(read_audio(data / clip.file, spec.sample_rate)))
        begin = round(start * spec.sample_rate)
        heard = encoders.audio(sound[None, begin : begin + round(spec.window_s * spec.sample_rate)])
        out["sound_fine"] = heard.fine[0]
        if heard.coarse is not None:
            out["sound_coarse"] = heard.coarse[0]
    return out
