"""A file to search by: decoded in the confined child, then embedded."""

import time
from pathlib import Path

from models.preprocess.media import MediaError
from models.runtime import Encoders
from service.media import confined
from service.media.confined import MediaLimits
from service.plans import Kind
from service.queries import Vectors, audio_vectors, image_vectors, video_vectors


def embed_example(kind: Kind, path: Path, encoders: Encoders, limits: MediaLimits) -> tuple[Vectors, float, float]:
    """Vectors of a still, a sound or a clip; milliseconds of decoding and of embedding. Raises MediaError."""
    started = time.perf_counter()
    inputs = encoders.bundle.inputs
    if kind == "image":
        try:
            picture = confined.decode_query_image(path, inputs, limits)
        except MediaError as error:
            raise _better(error, path, limits) from None
        decoded = time.perf_counter()
        vectors = image_vectors(encoders, picture)
    elif kind == "audio":
        waveform = confined.decode_query_audio(path, inputs, limits)
        decoded = time.perf_counter()
        vectors = audio_vectors(encoders, waveform)
    else:
        clip = confined.decode_query_video(path, inputs, limits)
        decoded = time.perf_counter()
        vectors = video_vectors(encoders, clip.windows, clip.waveform)
    return vectors, (decoded - started) * 1000, (time.perf_counter() - decoded) * 1000


def kind_of_file(path: Path, limits: MediaLimits) -> Kind:
    """What a file can be asked with: a still, a clip, or a sound where it has no picture. Raises MediaError."""
    info = confined.probe(path, limits)
    if info.is_image:
        return "image"
    return "video" if info.has_video else "audio"


def _better(error: MediaError, path: Path, limits: MediaLimits) -> MediaError:
    """What is not a still may be a sound or a film: say so."""
    if error.code != "not_an_image":
        return error
    try:
        info = confined.probe(path, limits)
    except MediaError:
        return error
    if not info.has_video:
        return MediaError("no_picture", "This is a sound: it has no picture to search by. Search by sound instead.")
    if not info.is_image:
        return MediaError(
            "not_an_image", "This is a film, not a still image. Search by video, or send one picture of it."
        )
    return error
