"""A library as the material that a bundle is adapted to: its films, read by the confined child as at their ingest."""

from collections.abc import Iterator
from pathlib import Path

from models.bundle import Bundle, InputSpec
from models.preprocess.subtitles import read_subtitles, subtitles_beside
from models.training.adapt_windows import Decoded, Film
from models.training.data.manifest import Narration
from models.training.stages import fingerprint
from service.catalogue import Catalogue, Video
from service.ingest import media_info
from service.media import confined
from service.media.store import MediaStore
from service.settings import Settings

PAGE = 500


def library_films(catalogue: Catalogue, store: MediaStore, subtitles: Path | None = None) -> list[Film]:
    """The films that are taken in. What is said in them is in `subtitles`, files named as the films were at upload."""
    films, cursor = [], None
    while True:
        videos, cursor = catalogue.videos(PAGE, cursor, "ready")
        for video in videos:
            path = store.path(video.sha256)
            if video.has_video and path.is_file():
                films.append(Film(video.sha256, path, media_info(video), _said(video, subtitles)))
        if cursor is None:
            return films


def read_confined(film: Film, spec: InputSpec) -> Iterator[Decoded]:
    """The windows of a film, decoded where a hostile file does no harm. Raises MediaError."""
    for window in confined.decode_windows(film.path, spec, film.info):
        own = window.sound is not None and window.sound_starts_s[0] == window.start_s
        yield Decoded(window.start_s, window.frames, window.sound[0] if own and window.sound is not None else None)


def adaptation_folder(settings: Settings, bundle: Bundle, films: list[Film], steps: int = 0) -> Path:
    """Where the adaptation of a bundle to these films is worked on: the same again goes on there."""
    key = fingerprint([bundle.fingerprint, sorted(film.id for film in films), steps])
    return settings.training_dir / f"adapt-{key[:12]}"


def _said(video: Video, subtitles: Path | None) -> tuple[Narration, ...]:
    # The name is an uploader's: only its last part is looked for, in the folder that was named here.
    beside = subtitles_beside(subtitles / Path(video.filename).name) if subtitles and video.filename else None
    if beside is None:
        return ()
    return tuple(Narration(cue.start_s, cue.end_s, cue.text) for cue in read_subtitles(beside).cues)
