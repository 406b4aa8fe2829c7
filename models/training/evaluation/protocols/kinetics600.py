"""Kinetics-600: action recognition, a linear layer trained on batches of features."""

import csv
from pathlib import Path

import numpy as np

from models.training.evaluation.protocols import films
from models.training.evaluation.protocols.action_recognition import sampling_notes
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Features, Task
from models.training.evaluation.protocols.files import VIDEOS, by_stem, first_of
from models.training.evaluation.protocols.intervals import interval, mean_share
from models.training.evaluation.protocols.result import Figure, ProtocolError, Result
from models.training.evaluation.protocols.seeds import generator
from models.training.evaluation.protocols.streaming import TOLD, train_classifier

TRAINING_WINDOWS, TEST_WINDOWS = 1, 10
CSV = {
    "training": ["train.csv", "kinetics600_train.csv", "kinetics_600_train.csv", "kinetics-600_train.csv"],
    "validation": [
        "validate.csv",
        "val.csv",
        "kinetics600_val.csv",
        "kinetics_600_val.csv",
        "kinetics-600_val.csv",
        "kinetics600_validate.csv",
    ],
}


def run(context: Context) -> Result:
    """Trained on the training list, tested on the validation list. Raises ProtocolError, BundleError."""
    encoders, seed = context.encoders, context.options.seed
    encoders.bundle.encoder("video")
    dim = encoders.bundle.dims["video_representation"]
    there = by_stem(context.data, VIDEOS)
    listed = {part: read(find_list(context.data, part)) for part in CSV}
    classes = sorted({label for label, _ in listed["training"]})
    windows = {"training": context.windows(TRAINING_WINDOWS), "validation": context.windows(TEST_WINDOWS)}
    embeds = {
        "training": films.training_features(encoders, "kinetics600", seed),
        "validation": films.test_features(encoders),
    }
    features, labels = {}, {}
    for part, clips in listed.items():
        # Shuffled once: the batches of the classifier are made of neighbours.
        order = generator(seed, "kinetics600", part).permutation(len(clips))
        chosen = [clips[i] for i in order]
        tasks = [Task(name, there.get(name), windows[part]) for _, name in chosen]
        features[part] = context.embed("kinetics600", part, tasks, dim, embeds[part])
        index = {name: i for i, name in enumerate(classes)}
        labels[part] = np.array([index.get(label, -1) for label, _ in chosen], np.int64)
    probe_rows, of = training_rows(features["training"])
    classifier = train_classifier(
        features["training"].rows,
        probe_rows,
        lambda picked: labels["training"][of[picked]],
        len(classes),
        seed=seed,
        progress=lambda n, total: context.progress("training the classifier: passes", n, total),
    )
    tested = np.flatnonzero(features["validation"].used)
    if not len(tested):
        raise ProtocolError(f"{context.data} has no readable film of the validation list")
    top = np.stack([classifier.scores(features["validation"].of(int(i))).mean(axis=0) for i in tested])
    ranked = np.argsort(-top, axis=1, kind="stable")
    hits = ranked == labels["validation"][tested][:, None]
    low, high = interval(mean_share(hits[:, :1].astype(float)), len(tested))
    figures = [Figure("top-1, validation", float(hits[:, 0].mean()), low, high, 1 / len(classes))]
    five = hits[:, :5].any(axis=1, keepdims=True)
    low, high = interval(mean_share(five.astype(float)), len(tested))
    figures.append(Figure("top-5, validation", float(five.mean()), low, high, min(1.0, 5 / len(classes))))
    recipe = {
        "features": f"{windows['training']} windows of each training film (any place and crop, half of them flipped) "
        f"and {windows['validation']} evenly spread centre-cropped ones of each validation film, of its first 20 s. "
        f"The representation before the heads, {dim} values.",
        "classifier": f"softmax regression: {TOLD}; scores of a film's windows are averaged.",
        "intervals": "bootstrap over the validation films, 1,000 samples.",
        "classes": str(len(classes)),
    }
    notes = [
        *[note for note in sampling_notes(context) if "windows of each film" not in note],
        "the paper's optimiser and number of training windows for Kinetics-600 are not known here",
    ]
    return Result(
        "kinetics600",
        "Kinetics-600, linear",
        figures,
        [features[part].coverage(part) for part in listed],
        recipe,
        notes,
    )


def find_list(data: Path, part: str) -> Path:
    """The list of one part, at the places where the archives and their mirrors have it."""
    folders = ("", "annotations/", "kinetics600/", "kinetics600/annotations/", "data/")
    return first_of(data, [folder + name for folder in folders for name in CSV[part]], f"list of its {part} films")


def read(path: Path) -> list[tuple[str, str]]:
    """(label, name of the film without suffix) of a list with label, youtube_id, time_start and time_end."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        return [
            (r["label"], f"{r['youtube_id']}_{int(float(r['time_start'])):06d}_{int(float(r['time_end'])):06d}")
            for r in rows
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise ProtocolError(f"{path}: a row lacks label, youtube_id, time_start or time_end ({error})") from None


def training_rows(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all files that were used, and the number of the file that each is of: int64 [N] both."""
    used = np.flatnonzero(features.used)
    if not len(used):
        raise ProtocolError("not one training file could be read")
    rows = [np.arange(features.starts[i], features.starts[i + 1]) for i in used]
    return np.concatenate(rows), np.repeat(used, [len(r) for r in rows])
