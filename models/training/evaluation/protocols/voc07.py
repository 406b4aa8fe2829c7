"""PASCAL VOC 2007: image classification, a linear SVM for each of the 20 classes, trainval to test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Features, Task
from models.training.evaluation.protocols.files import first_of, lines
from models.training.evaluation.protocols.intervals import interval, mean_known
from models.training.evaluation.protocols.linear import fit_probe
from models.training.evaluation.protocols.precision import eleven_point_precision, ranked
from models.training.evaluation.protocols.result import Coverage, Figure, ProtocolError, Result
from models.training.evaluation.protocols.stills import TOLD, still_features

GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
RESAMPLES = 200


@dataclass(frozen=True)
class ImageSet:
    """One of train, val, trainval, test: names, and for each class 1, -1 or 0 (only difficult objects) of each."""

    names: list[str]
    truth: np.ndarray  # int8 [N, classes]


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    sets_at = "ImageSets/Main"
    main = first_of(context.data, [f"{f}{sets_at}" for f in ("VOCdevkit/VOC2007/", "VOC2007/", "")], "lists of images")
    root = main.parent.parent
    classes = sorted(p.name.removesuffix("_trainval.txt") for p in main.glob("*_trainval.txt"))
    if not classes:
        raise ProtocolError(f"{main} has no file <class>_trainval.txt")
    sets = {name: read_set(main, classes, name) for name in ("trainval", "test")}
    dim = context.encoders.bundle.dims["video_representation"]
    figures, details = [], {}
    coverage: list[Coverage] = []
    for path in context.options.image_paths:
        embed = still_features(context.encoders, path)
        features = {}
        for name, images in sets.items():
            tasks = [Task(n, existing(root / "JPEGImages" / f"{n}.jpg"), 1) for n in images.names]
            features[name] = context.embed("voc07", f"{name}-{path}", tasks, dim, embed)
        c = context.options.svm_c or choose_c(context, main, classes, sets["trainval"], features["trainval"])
        figure, by_class = evaluate(context, path, classes, sets, features, c)
        figures.append(figure)
        details[path] = {"C": c, "average precision": by_class}
        if not coverage:
            coverage = [features[name].coverage(name) for name in sets]
    recipe = {
        **{f"{path} path": TOLD[path] for path in context.options.image_paths},
        "features": f"the representation before the heads, {dim} values, of one centre-cropped view of each image.",
        "classifier": "for each class StandardScaler, then LinearSVC, trainval to test; images with nothing but "
        "difficult objects of a class (0 in its list) are left out for that class. C, one for all classes: "
        + (
            f"{context.options.svm_c:g}."
            if context.options.svm_c
            else f"the best of {', '.join(f'{c:g}' for c in GRID)} for the published train to val."
        ),
        "mAP": "VOC2007's own: precision interpolated at the 11 recalls 0, 0.1, ... 1.",
        "intervals": f"bootstrap over the test images, {RESAMPLES} samples.",
    }
    notes = ["how the paper chose C, and whether it scaled features, is not known here"]
    return Result("voc07", "PASCAL VOC 2007, linear", figures, coverage, recipe, notes, details)


def existing(path: Path) -> Path | None:
    """None for a file that is not there."""
    return path if path.is_file() else None


def read_set(main: Path, classes: list[str], name: str) -> ImageSet:
    """`<class>_<set>.txt`: lines of an image's name and 1, -1 or 0, in the same order for every class."""
    names: list[str] = []
    columns = []
    for label in classes:
        path = main / f"{label}_{name}.txt"
        if not path.is_file():
            raise ProtocolError(f"{path} is missing; the test lists come with the annotated test archive")
        rows = [line.split() for line in lines(path)]
        if any(len(row) != 2 or row[1] not in ("1", "0", "-1") for row in rows):
            raise ProtocolError(f"{path}: a line is not an image's name and 1, 0 or -1")
        names = names or [row[0] for row in rows]
        if [row[0] for row in rows] != names:
            raise ProtocolError(f"{path} does not list the images that {classes[0]}_{name}.txt lists")
        columns.append([int(row[1]) for row in rows])
    return ImageSet(names, np.array(columns, np.int8).T)


def choose_c(context: Context, main: Path, classes: list[str], trainval: ImageSet, features: Features) -> float:
    """Of GRID the C with the highest mean average precision when train teaches and val tests."""
    in_train = set(lines(main / "train.txt"))
    used = features.used
    is_train = np.array([name in in_train for name in trainval.names])
    part = {True: np.flatnonzero(is_train & used), False: np.flatnonzero(~is_train & used)}
    if not len(part[True]) or not len(part[False]):
        raise ProtocolError(f"{main / 'train.txt'} does not part trainval into train and val")
    rows = {half: features.stacked(part[half]) for half in part}
    means: list[float] = []
    for tried, c in enumerate(GRID):
        context.progress("choosing C", tried, len(GRID))
        found = []
        for column in range(len(classes)):
            truth = {half: trainval.truth[part[half], column] for half in part}
            if learnable(truth[True]) and (truth[False] == 1).any():
                scores, _ = class_scores(rows[True], truth[True], rows[False], c)
                found.append(average_precision(scores, truth[False]))
        means.append(float(np.mean(found)) if found else 0.0)
    context.progress("choosing C", len(GRID), len(GRID))
    return GRID[int(np.argmax(means))]


def evaluate(
    context: Context, path: str, classes: list[str], sets: dict[str, ImageSet], features: dict[str, Features], c: float
) -> tuple[Figure, dict[str, float]]:
    """mAP over the classes that the test has, and each class's average precision."""
    used = {name: np.flatnonzero(f.used) for name, f in features.items()}
    if not len(used["test"]) or not len(used["trainval"]):
        raise ProtocolError(f"{context.data} has no readable image of trainval or of test")
    rows = {name: features[name].stacked(used[name]) for name in features}
    by_class: dict[str, float] = {}
    rankings = []
    chances = []
    for column, label in enumerate(classes):
        context.progress(f"{path}: classes", column, len(classes))
        truth = {name: sets[name].truth[used[name], column] for name in sets}
        if not learnable(truth["trainval"]) or not (truth["test"] == 1).any():
            continue
        scores, _ = class_scores(rows["trainval"], truth["trainval"], rows["test"], c)
        by_class[label] = average_precision(scores, truth["test"])
        counted = np.flatnonzero(truth["test"] != 0)
        order, relevant = ranked(scores[counted], truth["test"][counted] == 1)
        rankings.append((counted[order], relevant))
        chances.append(float(relevant.mean()))
    context.progress(f"{path}: classes", len(classes), len(classes))
    if not by_class:
        raise ProtocolError(f"{context.data}: not one class has images in trainval and in test")

    def resampled(counts: np.ndarray) -> float:
        return mean_known([eleven_point_precision(relevant, counts[order]) for order, relevant in rankings])

    low, high = interval(resampled, len(used["test"]), RESAMPLES)
    value = float(np.mean(list(by_class.values())))
    return Figure(f"mAP, {path}", value, low, high, float(np.mean(chances))), by_class


def learnable(truth: np.ndarray) -> bool:
    """Whether there are images with and without the class."""
    return bool((truth == 1).any() and (truth == -1).any())


def class_scores(train: np.ndarray, truth: np.ndarray, test: np.ndarray, c: float) -> tuple[np.ndarray, bool]:
    """Scores [N] of the test rows for one class, and whether the solver converged. Training leaves out truth 0."""
    counted = truth != 0
    probe = fit_probe(train[counted], truth[counted], c)
    return probe.scores(test)[:, 1], probe.converged


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """11-point; truth 0 is left out."""
    counted = truth != 0
    return eleven_point_precision(ranked(scores[counted], truth[counted] == 1)[1])
