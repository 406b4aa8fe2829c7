"""AudioSet: tagging with 527 classes, a shallow classifier on features of the balanced training set; mAP."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Task
from models.training.evaluation.protocols.files import SOUNDS, by_stem, first_of
from models.training.evaluation.protocols.intervals import interval, mean_known
from models.training.evaluation.protocols.kinetics600 import training_rows
from models.training.evaluation.protocols.precision import area_precision, ranked
from models.training.evaluation.protocols.result import Figure, ProtocolError, Result
from models.training.evaluation.protocols.seeds import generator
from models.training.evaluation.protocols.sounds import sound_features
from models.training.evaluation.protocols.streaming import TOLD, train_classifier

HIDDEN = 512
RESAMPLES = 100
LISTS = {"training": "balanced_train_segments.csv", "evaluation": "eval_segments.csv"}
CLASSES = "class_labels_indices.csv"


@dataclass(frozen=True)
class Segment:
    """One line of a list: ten seconds of a video, and what sounds in it (machine ids)."""

    video: str
    start_s: float
    end_s: float
    tags: tuple[str, ...]


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    encoders, seed = context.encoders, context.options.seed
    encoders.bundle.encoder("audio")
    dim, windows = encoders.bundle.dims["audio_representation"], context.windows()
    classes = read_classes(first_of(context.data, [CLASSES, f"metadata/{CLASSES}"], "list of classes"))
    there = by_stem(context.data, SOUNDS)
    features, targets = {}, {}
    for part, name in LISTS.items():
        segments = read_segments(first_of(context.data, [name, f"metadata/{name}"], f"list of its {part} segments"))
        order = generator(seed, "audioset", part).permutation(len(segments))
        chosen = [segments[i] for i in order]
        embed = sound_features(encoders, "audioset", seed, training=part == "training", part=part_of_video)
        features[part] = context.embed("audioset", part, [task(s, there, windows) for s in chosen], dim, embed)
        targets[part] = tags(chosen, classes)
    rows, of = training_rows(features["training"])
    classifier = train_classifier(
        features["training"].rows,
        rows,
        lambda picked: targets["training"][of[picked]].astype(np.float32),
        len(classes),
        hidden=HIDDEN,
        seed=seed,
        progress=lambda n, total: context.progress("training the classifier: passes", n, total),
    )
    tested = np.flatnonzero(features["evaluation"].used)
    if not len(tested):
        raise ProtocolError(f"{context.data} has no readable sound of the evaluation list")
    scores = np.stack([classifier.scores(features["evaluation"].of(int(i))).mean(axis=0) for i in tested])
    truth = targets["evaluation"][tested]
    figure, sounding = mean_average_precision(scores, truth)
    recipe = {
        "features": f"{windows} windows of {encoders.bundle.inputs.window_s:g} s of each sound, anywhere in training "
        f"and spread in the evaluation. The representation before the heads, {dim} values.",
        "classifier": f"one hidden layer of {HIDDEN} ReLUs, binary cross-entropy for each class: {TOLD}; scores of a "
        "sound's windows are averaged.",
        "mAP": f"mean over {sounding} classes of the area under the precision-recall curve (scikit-learn's "
        f"average_precision_score); {len(classes) - sounding} classes never sound in what was evaluated.",
        "intervals": f"bootstrap over the evaluated sounds, {RESAMPLES} samples.",
    }
    notes = ["the paper trains a shallow classifier on frozen features; its exact recipe is not known here"]
    coverage = [features[part].coverage(part) for part in LISTS]
    return Result("audioset", "AudioSet, tagging", [figure], coverage, recipe, notes)


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> tuple[Figure, int]:
    """scores [N, C], truth bool [N, C]: the figure, and over how many classes; those never true are left out."""
    sounding = np.flatnonzero(truth.any(axis=0))
    if not len(sounding):
        raise ProtocolError("not one of the classes sounds in what was evaluated")
    value = np.mean([average_precision_score(truth[:, c], scores[:, c]) for c in sounding])
    orders = [ranked(scores[:, c], truth[:, c]) for c in sounding]

    def resampled(counts: np.ndarray) -> float:
        return mean_known([area_precision(relevant, counts[order]) for order, relevant in orders])

    low, high = interval(resampled, len(scores), RESAMPLES)
    return Figure("mAP", float(value), low, high, float(truth[:, sounding].mean())), len(sounding)


def read_classes(path: Path) -> dict[str, int]:
    """Column of each machine id (index,mid,display_name)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return {row["mid"]: int(row["index"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{path}: a row lacks index or mid ({error})") from None


def read_segments(path: Path) -> list[Segment]:
    """Lines are `YTID, start_seconds, end_seconds, "mid,mid"`, after some that begin with #."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader((line for line in file if not line.startswith("#")), skipinitialspace=True)
        try:
            return [Segment(r[0], float(r[1]), float(r[2]), tuple(r[3].split(","))) for r in rows if r]
        except (IndexError, ValueError) as error:
            raise ProtocolError(f"{path}: a line is not an id, two times and labels ({error})") from None


def part_of_video(task: Task, path: Path) -> tuple[float, float] | None:
    """The segment's times where the file is named by its id alone: mostly the whole video, and `read_sound` finds out.

    None for a file that is cut by its name.
    """
    video, start, end = task.wanted
    return (start, end) if path.stem in (video, "Y" + video) else None


def task(segment: Segment, there: dict[str, Path], windows: int) -> Task:
    """The segment's own file, by any of the names that downloaders give it; else the whole video."""
    name, start, end = segment.video, segment.start_s, segment.end_s
    key = f"{name}_{start:.3f}"
    times = [f"{start:.3f}", f"{start:g}", f"{1000 * start:.0f}", f"{start:.1f}", f"{start:06.0f}"]
    ends = [f"{end:.3f}", f"{end:g}", f"{1000 * end:.0f}", f"{end:.1f}", f"{end:06.0f}"]
    cut = [f"{name}_{t}" for t in times] + [f"{name}_{t}_{e}" for t, e in zip(times, ends, strict=True)]
    for stem in cut:
        for prefix in ("", "Y"):  # some downloaders write Y before an id, which may begin with a hyphen
            if prefix + stem in there:
                return Task(key, there[prefix + stem], windows, [name, start, end])
    return Task(key, there.get(name) or there.get("Y" + name), windows, [name, start, end])


def tags(segments: list[Segment], classes: dict[str, int]) -> np.ndarray:
    """bool [segments, classes]; ids that the list of classes does not have are left out."""
    out = np.zeros((len(segments), len(classes)), bool)
    for row, segment in zip(out, segments, strict=True):
        row[[classes[mid] for mid in segment.tags if mid in classes]] = True
    return out
