"""Which of a library's films are trained on, which choose the best step, and which judge. Whole films, by content."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from models.bundle import InputSpec
from models.training.adapt_windows import Film, Windows

JUDGE, CHOOSE = 0.20, 0.12  # of the seconds
FEWEST_FILMS = 6
NAMED = 5  # films, in an error
FEWEST_WINDOWS = {"train": 64, "choose": 12, "judge": 24}


@dataclass(frozen=True)
class Split:
    """Films by what they are for; no film is in two parts."""

    train: list[Film]
    choose: list[Film]
    judge: list[Film]


def split_films(films: Sequence[Film], inputs: InputSpec, seed: int = 0) -> Split:
    """Drawn by the films' content, so that the same library is split alike wherever its files lie.

    Raises ValueError, saying what is needed, when a part would be too small to train or to judge by.
    """
    usable = [film for film in films if film.info.has_video and film.info.has_audio and not film.info.is_image]
    order = sorted(usable, key=lambda film: hashlib.sha256(f"{seed} {film.id}".encode()).digest())
    total = sum(film.info.duration_s for film in order)
    parts: dict[str, list[Film]] = {"judge": [], "choose": [], "train": []}
    for film in order:
        for name, share in (("judge", JUDGE), ("choose", CHOOSE)):
            held = sum(f.info.duration_s for f in parts[name])
            # One film may be most of a library: it is trained on.
            if held < share * total and held + film.info.duration_s <= 2 * share * total:
                parts[name].append(film)
                break
        else:
            parts["train"].append(film)
    windows = {name: sum(_windows(film, inputs) for film in part) for name, part in parts.items()}
    if len(usable) < FEWEST_FILMS or any(windows[name] < least for name, least in FEWEST_WINDOWS.items()):
        least_s = 1.5 * sum(FEWEST_WINDOWS.values()) * inputs.window_s
        raise ValueError(
            f"too little to learn from and to judge by: {len(usable)} films with picture and sound, "
            f"{total / 60:.0f} minutes; needed are at least {FEWEST_FILMS} films and about {least_s / 60:.0f} minutes, "
            "none of them much longer than the others together"
        )
    return Split(**parts)


class SilentFilms(ValueError):
    """Films that are of no use, as was seen only once they were decoded."""


def require_heard(windows: Windows, purpose: str) -> Windows:
    """The decoded windows of a part. Raises SilentFilms where none has picture and sound: files announce digital
    silence as sound, and tell of no damage, so that the split cannot know.
    """
    if not len(windows.heard()):
        names = ", ".join(film.path.name for film in windows.films[:NAMED])
        more = ", ..." if len(windows.films) > NAMED else ""
        raise SilentFilms(
            f"nothing to {purpose}: of the films drawn for it ({names}{more}) none has a window with picture and "
            "sound; they are silent or cannot be decoded. Leave such films out: needed are at least "
            f"{FEWEST_FILMS} films that can be seen and heard"
        )
    return windows


def _windows(film: Film, inputs: InputSpec) -> int:
    return int(film.info.duration_s / inputs.window_s)
