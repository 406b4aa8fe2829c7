"""What a bundle finds, as pictures for its card: text queries with their first results, the right ones framed green."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.preprocess.media import read_frames
from models.runtime import Encoders
from models.training.evaluation.footage_clips import EmbeddedClips
from models.training.evaluation.footage_retrieval import concept_scores, relevance
from models.training.evaluation.metrics import concept_precision
from models.training.evaluation.wordings import FOOTAGE_WORDINGS, GENERATOR, PLAIN_LANGUAGE, Wordings, pairs

FAILURES, FOUND = "failures.jpg", "found.jpg"
QUERIES, RESULTS = 8, 5
WIDTH, HEIGHT, FRAME, LINE = 112, 84, 4, 18  # of a thumbnail, its frame and a line of text, in pixels
RIGHT, WRONG, PAPER, INK, FAINT = "#2e9e4f", "#c8372d", "#ffffff", "#1c1c1c", "#767676"
GRID_S, BEFORE_S = 0.1, 0.4
LARGEST = 150_000  # bytes of a picture: it is read on a card


@dataclass(frozen=True)
class Row:
    """A query, and the clips (numbers) it found first with whether each is right; `relevant` are right of all."""

    query: str
    concept: str
    wording: str
    average_precision: float
    relevant: int
    results: list[tuple[int, bool]]


def write_pictures(
    encoders: Encoders, found: EmbeddedClips, data: Path, folder: Path, wordings: Wordings = FOOTAGE_WORDINGS
) -> None:
    """`failures.jpg` and `found.jpg`: the worst and the best text queries, one a concept, with their first results.

    Of the generator's wording and of plain language where they are there; else of all. None where no query asks for
    anything that the clips have.
    """
    shown = {name: wordings[name] for name in (GENERATOR, PLAIN_LANGUAGE) if name in wordings} or wordings
    rows = sorted(
        (row for name, queries in shown.items() for row in _rows(encoders, found, name, queries)),
        key=lambda row: row.average_precision,
    )
    for name, ordered in ((FAILURES, rows), (FOUND, rows[::-1])) if rows else ():
        _save(_sheet(_one_a_concept(ordered), found, data), folder / name)


def _rows(encoders: Encoders, found: EmbeddedClips, wording: str, queries: dict[str, list[str]]) -> list[Row]:
    scores, relevant = concept_scores(encoders, found, queries), relevance(found, queries)
    rows = []
    for (concept, query), row, right in zip(pairs(queries), scores, relevant, strict=True):
        if not right.any():
            continue
        average = concept_precision(row[None], right[None], [query]).mean_average_precision
        first = np.argsort(-row, kind="stable")[:RESULTS]
        results = [(int(i), bool(right[i])) for i in first]
        rows.append(Row(query, concept, wording, average, int(right.sum()), results))
    return rows


def _one_a_concept(rows: list[Row]) -> list[Row]:
    """The first row of each of the first concepts, so that a sheet does not show one thing in all its wordings."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.concept, row)
    return list(first.values())[:QUERIES]


def _sheet(rows: list[Row], found: EmbeddedClips, data: Path) -> Image.Image:
    cell = WIDTH + 2 * FRAME + 6
    height = HEIGHT + 2 * FRAME + 2 * LINE + 8
    sheet = Image.new("RGB", (8 + cell * RESULTS, 8 + height * len(rows)), PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(14), ImageFont.load_default(11)
    for i, row in enumerate(rows):
        top = 8 + i * height
        draw.text((8, top), f'"{row.query}"', INK, font)
        about = f"{row.concept}, {row.wording}; {row.relevant} moments are right, average precision "
        draw.text((8, top + LINE), about + f"{100 * row.average_precision:.0f}", FAINT, small)
        for j, (clip, right) in enumerate(row.results):
            left, above = 8 + j * cell, top + 2 * LINE
            box = (left, above, left + WIDTH + 2 * FRAME - 1, above + HEIGHT + 2 * FRAME - 1)
            draw.rectangle(box, RIGHT if right else WRONG)
            sheet.paste(_thumbnail(data, found, clip), (left + FRAME, above + FRAME))
    return sheet


def _thumbnail(data: Path, found: EmbeddedClips, row: int) -> Image.Image:
    """The picture at the clip's event, where the generator noted one: what the words are about is on show then."""
    clip = found.clips[row]
    at = clip.events[0].at_s if clip.events else clip.duration_s / 2
    if clip.events and clip.events[0].kind == "pickup":
        at = max(0.0, at - BEFORE_S)  # what was picked up is gone
    frames = list(read_frames(data / clip.file, GRID_S, HEIGHT, WIDTH))
    return Image.fromarray(frames[min(round(at / GRID_S), len(frames) - 1)])


def _save(sheet: Image.Image, path: Path) -> None:
    """JPEG, as good as fits."""
    for quality in (82, 70, 55, 40):
        sheet.save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= LARGEST:
            return
