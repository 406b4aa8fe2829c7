"""Subtitles, .srt and .vtt, as timed text. Lenient: what cannot be read is counted and passed over.

Both formats are read by one parser, since files are named wrongly as often as they are written wrongly. Captions that
YouTube makes roll: every cue shows the line before it again, and in between come cues of 10 ms that repeat it alone.
Each line is given once.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

SUFFIXES = (".vtt", ".srt")
MOST_AGAIN = 16  # lines of a cue that may be shown again by the next; more would be no caption
TOUCHING_S = 0.1  # cues no further apart than this follow each other: a line shown in both is one line

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMING = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]*>|\{\\[^{}]*\}")  # <i>, <v Bob>, <00:00:01.500>, {\an8}


@dataclass(frozen=True)
class Cue:
    """Words shown from `start_s` to `end_s` of the film, on one line, without markup."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Subtitles:
    """Cues by their start, and how many could not be read."""

    cues: list[Cue]
    malformed: int


def subtitles_beside(film: Path, with_language: Iterable[Path] | None = None) -> Path | None:
    """The subtitles of a film: a file of its name with .vtt or .srt, or with a language between (`film.en.srt`).

    `with_language`: files that may be the latter, for whoever has listed the folder already.
    """
    plain = [film.with_suffix(suffix) for suffix in SUFFIXES]
    named = sorted(
        p
        for p in (film.parent.glob(f"{_glob_escape(film.stem)}.*") if with_language is None else with_language)
        if p.suffix.lower() in SUFFIXES and p.stem.count(".") == film.stem.count(".") + 1
    )
    english = [p for p in named if p.stem.rpartition(".")[2].lower().split("-")[0] in ("en", "eng", "english")]
    return next((p for p in [*plain, *english, *named] if p.is_file()), None)


def read_subtitles(path: Path) -> Subtitles:
    """Read a file (`decode_subtitles`)."""
    return parse_subtitles(decode_subtitles(path.read_bytes()))


def decode_subtitles(data: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16, or else in Windows' western encoding, as old ones are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def parse_subtitles(text: str) -> Subtitles:
    """The cues of a file's text. A cue without words is none; one that ends before it begins is malformed."""
    found: list[tuple[float, float, list[str]]] = []
    lines: list[str] | None = None  # of the cue that is being read
    malformed = 0
    for line in text.replace("\ufeff", "").splitlines():
        if "-->" in line:
            if lines and lines[-1].strip().isdecimal():
                lines.pop()  # the number of this cue, where no empty line came before it
            match = _TIMING.match(line)
            start, end = (_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:])) if match else (0.0, 0.0)
            lines = [] if end > start else None
            malformed += lines is None
            if lines is not None:
                found.append((start, end, lines))
        elif not line:  # not one of spaces, with which YouTube fills a cue up
            lines = None
        elif lines is not None:
            lines.append(line)
    cues = [(start, end, [clean for line in shown if (clean := _plain(line))]) for start, end, shown in found]
    return Subtitles(_each_line_once(sorted((c for c in cues if c[2]), key=lambda c: c[:2])), malformed)


def _each_line_once(cues: list[tuple[float, float, list[str]]]) -> list[Cue]:
    out: list[Cue] = []
    before: list[str] = []
    until = -TOUCHING_S
    for start, end, lines in cues:
        again = 0
        if start <= until + TOUCHING_S:
            longest = min(len(before), len(lines), MOST_AGAIN)
            again = next((k for k in range(longest, 0, -1) if before[-k:] == lines[:k]), 0)
        if new := lines[again:]:
            out.append(Cue(start, end, " ".join(new)))
        else:  # nothing but what was there before: it is shown for longer
            out[-1] = replace(out[-1], end_s=max(out[-1].end_s, end))
        before, until = lines, end
    return out


def _plain(line: str) -> str:
    text = html.unescape(_TAG.sub("", line)).replace("\u266a", " ")  # the note sign that marks singing
    return " ".join(text.split())


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction or 0}")


def _glob_escape(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)
