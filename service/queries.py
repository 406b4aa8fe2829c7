"""A query becomes vectors: for each (channel, space) it can be compared in, float32 [Q, D]."""

from collections.abc import Mapping

import numpy as np

from index.protocol import FloatArray
from index.spaces import SpaceKey
from models.preprocess.text import split_words
from models.preprocess.windows import spread, window_starts
from models.runtime import Embedding, Encoders
from service.media.confined import MOST_QUERY_WINDOWS
from service.plans import Kind
from service.problems import Refused, text_unavailable

Vectors = dict[SpaceKey, FloatArray]


def text_vectors(encoders: Encoders, text: str) -> Vectors:
    """Words. Raises Refused (empty_query, text_unavailable) or UnknownWords."""
    if "text" not in encoders.bundle.modalities:
        raise text_unavailable()
    if not split_words(text):
        raise Refused("empty_query", "Write what is to be seen or heard, for example 'a door opens'.")
    coarse = encoders.text([text])
    return {SpaceKey(channel, "coarse"): coarse for channel in ("visual", "sound")}


def image_vectors(encoders: Encoders, picture: np.ndarray) -> Vectors:
    """A still, uint8 [H, W, 3]."""
    embedding = encoders.image(picture[None])
    return _in("frame", embedding) | _across(embedding, "visual", "sound")


def audio_vectors(encoders: Encoders, waveform: np.ndarray) -> Vectors:
    """Mono sound, float32 [S] at the bundle's rate: in windows, as the library's sound is."""
    embedding = _embed_sound(encoders, waveform)
    return _in("sound", embedding) | _across(embedding, "visual")


def video_vectors(encoders: Encoders, windows: np.ndarray, waveform: np.ndarray | None) -> Vectors:
    """A clip: its windows, uint8 [B, T, H, W, 3], the middle picture of each, and its sound [S] if it has any."""
    clip = encoders.video(windows)
    vectors = _in("frame", encoders.image(windows[:, windows.shape[1] // 2])) | _across(clip, "visual")
    if waveform is None:
        return vectors | _across(clip, "sound")
    return vectors | _in("sound", _embed_sound(encoders, waveform))


def segment_query(stored: Mapping[tuple[str, str], np.ndarray]) -> tuple[Kind, Vectors]:
    """A moment of the library, by its stored vectors [rows, D] of each (channel, space): as the clip that it is.

    Of its pictures the middle one is asked with. What is only seen is compared with what is heard too, and the reverse.
    """
    vectors = {SpaceKey(*key): rows.astype(np.float32) for key, rows in stored.items()}
    vectors = {key: rows[len(rows) // 2][None] if key.channel == "frame" else rows for key, rows in vectors.items()}
    has = {key.channel for key in vectors}
    for missing, other in (("sound", "visual"), ("visual", "sound")):
        if missing not in has:
            across = {key.space: rows for key, rows in vectors.items() if key.channel == other}
            vectors |= {SpaceKey(missing, space): across[space] for space in ("fine", "coarse") if space in across}
    return "video" if "visual" in has else "audio", vectors


def _embed_sound(encoders: Encoders, waveform: np.ndarray) -> Embedding:
    inputs = encoders.bundle.inputs
    starts = window_starts(len(waveform) / inputs.sample_rate, inputs.window_s, inputs.hop_s)
    length = round(inputs.window_s * inputs.sample_rate)
    cuts = [waveform[(at := round(start * inputs.sample_rate)) : at + length] for start in starts]
    if len(cuts) == 1:
        return encoders.audio(cuts[0][None])
    full = [np.pad(cut, (0, length - len(cut))) for cut in cuts]  # rounding may cost the last one a sample
    return encoders.audio(np.stack([full[i] for i in spread(len(full), MOST_QUERY_WINDOWS)]))


def _in(channel: str, embedding: Embedding) -> Vectors:
    """Compared with its own kind, in every space that the bundle has."""
    given = {space: getattr(embedding, space) for space in ("fine", "coarse", "instance")}
    return {SpaceKey(channel, space): rows for space, rows in given.items() if rows is not None}


def _across(embedding: Embedding, *channels: str) -> Vectors:
    """Compared with another kind, in the spaces that they share."""
    given = {space: getattr(embedding, space) for space in ("fine", "coarse")}
    return {SpaceKey(channel, space): rows for channel in channels for space, rows in given.items() if rows is not None}
