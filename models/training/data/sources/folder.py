"""A folder of films, those in folders below it too, with the subtitles that lie beside them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from models.preprocess.media import MediaError, probe
from models.preprocess.subtitles import SUFFIXES, read_subtitles, subtitles_beside
from models.training.data.manifest import Narration
from models.training.data.sample import Item, Source, fingerprint_of
from models.training.data.stretches import Film, cut

# Not films, so not counted as films that cannot be read.
OTHER_FILES = {*SUFFIXES, ".txt", ".md", ".json", ".nfo", ".csv", ".pdf", ".html", ".ass", ".sub", ".idx", ""}


def open_folder(
    path: Path, videos: Path | None, stretch_s: float, progress: Callable[[int, int], None] | None
) -> Source:
    """Every film below a folder, cut into stretches, with its subtitles' words where it has any."""
    folder = videos or path
    skipped = Counter[str]()
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _hidden(p, folder)]
    films = []
    for number, file in enumerate(files, 1):
        if progress:
            progress(number, len(files))
        if file.suffix.lower() not in OTHER_FILES and (film := _film(file, folder, skipped)):
            films.append(film)
    return source_of_films("stretches of films", folder, films, stretch_s, skipped)


def source_of_films(
    kind: str, folder: Path, films: Iterable[Film], stretch_s: float, skipped: Counter[str] | None = None
) -> Source:
    """Films, wherever they are from, cut into stretches of `stretch_s` seconds."""
    films = list(films)
    items: list[Item] = [item for film in films for item in cut(film, stretch_s)]
    sizes = " ".join(str(film.path.stat().st_size) for film in films)  # a file of the same name may be another film
    fingerprint = hashlib.sha256(f"{fingerprint_of(items)} {sizes}".encode()).hexdigest()[:16]
    return Source(kind, folder, items, skipped or Counter(), fingerprint)


def film_narrations(film: Path, skipped: Counter[str] | None = None) -> tuple[Narration, ...]:
    """What the subtitles beside a film say; malformed cues are counted in `skipped`."""
    beside = subtitles_beside(film)
    if beside is None:
        return ()
    found = read_subtitles(beside)
    if skipped is not None and found.malformed:
        skipped["malformed subtitles"] += found.malformed
    return tuple(Narration(cue.start_s, cue.end_s, cue.text) for cue in found.cues)


def _film(file: Path, folder: Path, skipped: Counter[str]) -> Film | None:
    try:
        info = probe(file)
    except MediaError:
        skipped["unreadable"] += 1
        return None
    if not info.has_video or info.is_image or not info.duration_s:
        skipped["without a moving picture"] += 1
        return None
    words = film_narrations(file, skipped)
    return Film(file.relative_to(folder).as_posix(), file, 0.0, info.duration_s, info.has_audio, words)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "cache-")) for part in path.relative_to(folder).parts)
