"""Linear classification of films or sounds over published splits: UCF101, HMDB51, ESC-50."""

from dataclasses import dataclass

import numpy as np

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Embed, Task
from models.training.evaluation.protocols.files import Folder
from models.training.evaluation.protocols.intervals import interval, mean_share
from models.training.evaluation.protocols.linear import fit_probe, mean_scores, ranked_labels
from models.training.evaluation.protocols.result import Coverage, Figure, ProtocolError, Result


@dataclass(frozen=True)
class Split:
    """A published split: keys of the files to train on and to test with."""

    name: str
    train: list[str]
    test: list[str]


@dataclass(frozen=True)
class Labelled:
    """A data set: the label of each file by its key (its path below `folder`), the classes' names by label."""

    folder: Folder
    labels: dict[str, int]
    classes: list[str]
    splits: list[Split]


def classify(
    context: Context,
    data: Labelled,
    *,
    protocol: str,
    title: str,
    dim: int,
    training: Embed,
    test: Embed,
    svm_c: float,
    windows_told: str,
    notes: list[str],
) -> Result:
    """A probe for each split: top-1 of each and their mean, by the mean score of a file's windows."""
    windows = context.windows()
    keys = {
        "training": sorted({key for split in data.splits for key in split.train}),
        "test": sorted({key for split in data.splits for key in split.test}),
    }
    features, place = {}, {}
    for part, embed in (("training", training), ("test", test)):
        tasks = [Task(key, data.folder.find(key), windows) for key in keys[part]]
        features[part] = context.embed(protocol, part, tasks, dim, embed)
        place[part] = {key: i for i, key in enumerate(keys[part])}
    figures: list[Figure] = []
    coverage: list[Coverage] = []
    notes = list(notes)
    right = np.full((len(keys["test"]), len(data.splits)), np.nan)
    details = {}
    for s, split in enumerate(data.splits):
        context.progress("fitting", s, len(data.splits))
        rows = {}
        for part, names in (("training", split.train), ("test", split.test)):
            tasks_of = np.array([place[part][name] for name in names], np.int64)
            coverage.append(features[part].coverage(f"{split.name}, {part}", tasks_of))
            rows[part] = tasks_of[features[part].used[tasks_of]]
            if not len(rows[part]):
                raise ProtocolError(f"{context.data} has no readable file of {split.name}'s {part}")
        labels = {part: np.array([data.labels[keys[part][i]] for i in rows[part]]) for part in rows}
        probe = fit_probe(features["training"].stacked(rows["training"]), np.repeat(labels["training"], windows), svm_c)
        scores = mean_scores(probe.scores(features["test"].stacked(rows["test"])), windows)
        ranked = ranked_labels(scores, probe.classes)
        hits = ranked == labels["test"][:, None]
        right[rows["test"], s] = hits[:, 0]
        low, high = interval(mean_share(right[:, [s]][rows["test"]]), len(rows["test"]))
        chance = 1 / len(data.classes)
        figures.append(Figure(f"top-1, {split.name}", float(hits[:, 0].mean()), low, high, chance))
        details[split.name] = {"top5": float(hits[:, :5].any(axis=1).mean()), "converged": probe.converged}
        if not probe.converged:
            notes.append(f"{split.name}: the SVM's solver had not converged after its 1,000 iterations")
    context.progress("fitting", len(data.splits), len(data.splits))
    if len(data.splits) > 1:
        mean = float(np.nanmean(right, axis=0).mean())
        low, high = interval(mean_share(right), len(right))
        spread = float(np.std([f.value for f in figures]))
        figures.append(Figure(f"top-1, mean of {len(data.splits)}", mean, low, high, 1 / len(data.classes)))
        details["standard deviation over splits"] = {"top1": spread}
    recipe = {
        "features": windows_told.format(windows=windows) + f" The representation before the heads, {dim} values.",
        "classifier": f"StandardScaler, then LinearSVC with C = {svm_c:g} (scikit-learn); all windows of a file "
        "have its label in training, in the test their scores are averaged.",
        "intervals": "bootstrap over the test files, 1,000 samples; the classifier is not fitted anew.",
        "classes": str(len(data.classes)),
    }
    return Result(protocol, title, figures, coverage, recipe, notes, details)
