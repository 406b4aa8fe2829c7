"""MSR-VTT, the 1,000 pairs known as 1k-A (JSFusion's): zero-shot text-to-video retrieval."""

import csv
import json
from pathlib import Path

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import VIDEOS, by_stem, first_of
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.retrieval import Described, retrieve

LISTS = ("MSRVTT_JSFUSION_test.csv", "msrvtt_test.csv", "msrvtt_ret_test1k.json", "msrvtt_test1k.json")
FOLDERS = ("", "msrvtt_data/", "annotation/", "annotations/", "anno_downstream/", "csv/", "MSRVTT/")


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    path = first_of(context.data, [folder + name for folder in FOLDERS for name in LISTS], "list of the 1k-A pairs")
    there = by_stem(context.data, VIDEOS)
    pairs = read(path)
    described = [Described(video, there.get(video), [(0.0, None)], [sentence]) for video, sentence in pairs]
    notes = [
        f"{context.windows()} windows of each film, as the command of the MIL-NCE release has it; the paper's number "
        "is not known here"
    ]
    return retrieve(
        context, described, protocol="msrvtt", title="MSR-VTT 1k-A, zero-shot text to video", unit="film", notes=notes
    )


def read(path: Path) -> list[tuple[str, str]]:
    """(video, sentence) pairs, from a CSV with video_id and sentence or a JSON list of {"video", "caption"}."""
    try:
        if path.suffix == ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))
            return [(Path(row["video"]).stem, str(row["caption"])) for row in rows]
        with path.open(newline="", encoding="utf-8-sig") as file:
            pairs = [(row["video_id"], row["sentence"]) for row in csv.DictReader(file)]
        if any(video is None or sentence is None for video, sentence in pairs):
            raise ValueError("a line is too short")
        return pairs
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{path}: an entry lacks its video or its sentence ({error})") from None
