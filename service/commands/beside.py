"""Subtitles beside films, found without listing a folder of ten thousand films ten thousand times."""

import os
import time
from pathlib import Path

from models.preprocess.subtitles import SUFFIXES, subtitles_beside

LIST_AGAIN_AFTER_S = 5.0


class Beside:
    """What lies in folders, as of a few seconds ago."""

    def __init__(self) -> None:
        self._listed: dict[Path, tuple[float, dict[str, list[Path]]]] = {}

    def subtitles_of(self, film: Path) -> Path | None:
        """As `subtitles_beside`; None too when the folder cannot be read, since a film is not kept out for that."""
        try:
            return subtitles_beside(film, self._with_language(film.parent).get(film.stem, []))
        except OSError:
            return None

    def _with_language(self, folder: Path) -> dict[str, list[Path]]:
        """Subtitles such as `film.en.srt`, by the name of their film. Raises OSError."""
        at, found = self._listed.get(folder, (0.0, {}))
        if not at or time.monotonic() - at > LIST_AGAIN_AFTER_S:
            found = {}
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(SUFFIXES):
                        path = folder / entry.name
                        found.setdefault(path.stem.rpartition(".")[0], []).append(path)
            self._listed[folder] = time.monotonic(), found
        return found
