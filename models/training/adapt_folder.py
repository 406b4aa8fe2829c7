"""The films of a folder, to adapt to: those below it too, with the subtitles that lie beside them."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from models.preprocess.media import MediaError, probe
from models.training.adapt_windows import Film
from models.training.data.sources.folder import film_narrations


def films_in(folder: Path, progress: Callable[[Path], None] = lambda path: None) -> Iterator[Film]:
    """Every film that can be read, each content once. Raises ValueError where there is no folder."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    seen = set[str]()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        progress(path)
        try:
            info = probe(path)
        except MediaError:
            continue
        if info.is_image or not info.duration_s:
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        if content not in seen:
            seen.add(content)
            yield Film(content, path, info, film_narrations(path))
