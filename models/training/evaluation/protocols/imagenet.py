"""ImageNet (ILSVRC2012): image classification, a linear layer trained on batches of features; top-1 on validation."""

import os
from pathlib import Path

import numpy as np

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.features import Task
from models.training.evaluation.protocols.files import first_of, lines
from models.training.evaluation.protocols.intervals import interval, mean_share
from models.training.evaluation.protocols.kinetics600 import training_rows
from models.training.evaluation.protocols.result import Coverage, Figure, ProtocolError, Result
from models.training.evaluation.protocols.seeds import generator
from models.training.evaluation.protocols.stills import TOLD, still_features
from models.training.evaluation.protocols.streaming import TOLD as TRAINING_TOLD
from models.training.evaluation.protocols.streaming import train_classifier

PUBLISHED = {"train": 1_281_167, "val": 50_000}  # images; nothing in the archives lists them
DEVKIT = "ILSVRC2012_devkit_t12/data"
IMAGES = (".jpeg", ".jpg", ".png")
Labelled = list[tuple[str, Path, int]]  # key, file, label


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    root = first_of(context.data, ["train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train"], "train folder").parent
    classes = sorted(entry.name for entry in os.scandir(root / "train") if entry.is_dir())
    if len(classes) < 2:
        raise ProtocolError(f"{root / 'train'} has {len(classes)} folders of images; ImageNet has one for each class")
    index = {wnid: i for i, wnid in enumerate(classes)}
    listed = {"train": in_folders(root / "train", index), "val": validation(context.data, root / "val", index)}
    dim, seed = context.encoders.bundle.dims["video_representation"], context.options.seed
    for part in listed:
        # Shuffled once: the batches of the classifier are made of neighbours.
        order = generator(seed, "imagenet", part).permutation(len(listed[part]))
        listed[part] = [listed[part][i] for i in order]
    labels = {part: np.array([label for _, _, label in images], np.int64) for part, images in listed.items()}
    figures: list[Figure] = []
    coverage: list[Coverage] = []
    for path in context.options.image_paths:
        embed = still_features(context.encoders, path)
        features = {
            part: context.embed("imagenet", f"{part}-{path}", [Task(k, f, 1) for k, f, _ in images], dim, embed)
            for part, images in listed.items()
        }
        if not coverage:
            coverage = [told(features[part].coverage(part), PUBLISHED[part]) for part in listed]
        figures += probe(context, path, features, labels, len(classes))
    recipe = {
        **{f"{path} path": TOLD[path] for path in context.options.image_paths},
        "features": f"the representation before the heads, {dim} values, of one centre-cropped view of each image.",
        "classifier": f"softmax regression: {TRAINING_TOLD}.",
        "intervals": "bootstrap over the validation images, 1,000 samples.",
        "classes": str(len(classes)),
    }
    notes = [
        "no augmentation of the training images: features are computed once; the paper's recipe is not known here",
        "images are scaled until they cover the encoder's frame, not to 256 pixels before a crop of 224",
    ]
    if len(classes) != 1000:
        notes.insert(0, f"{len(classes)} classes; ILSVRC2012 has 1,000")
    return Result("imagenet", "ImageNet, linear", figures, coverage, recipe, notes)


def probe(context: Context, path: str, features: dict, labels: dict[str, np.ndarray], classes: int) -> list[Figure]:
    """Top-1 and top-5 of one path."""
    rows, of = training_rows(features["train"])
    classifier = train_classifier(
        features["train"].rows,
        rows,
        lambda picked: labels["train"][of[picked]],
        classes,
        seed=context.options.seed,
        progress=lambda n, total: context.progress(f"{path}: training the classifier, passes", n, total),
    )
    tested = np.flatnonzero(features["val"].used)
    if not len(tested):
        raise ProtocolError(f"{context.data} has no readable validation image")
    hits = np.concatenate(
        [
            np.argsort(-classifier.scores(features["val"].rows[part]), axis=1, kind="stable")[:, :5]
            == labels["val"][part][:, None]
            for part in np.array_split(tested, -(-len(tested) // 4096))
        ]
    )
    figures = []
    for k in (1, 5):
        right = hits[:, :k].any(axis=1, keepdims=True).astype(float)
        low, high = interval(mean_share(right), len(right))
        figures.append(Figure(f"top-{k}, {path}", float(right.mean()), low, high, min(1.0, k / classes)))
    return figures


def told(found: Coverage, published: int) -> Coverage:
    """Against the published number of images, as no list says which are missing."""
    total = max(published, found.total)
    return Coverage(found.part, total, found.used, total - found.used - found.unreadable, found.unreadable)


def in_folders(root: Path, index: dict[str, int]) -> Labelled:
    """`<wnid>/*.JPEG`. Raises ProtocolError for a folder that is not one of the training classes."""
    out = []
    for folder in sorted(entry.name for entry in os.scandir(root) if entry.is_dir()):
        if folder not in index:
            raise ProtocolError(f"{root / folder}: train has no class of this name")
        out += [(f"{folder}/{name}", root / folder / name, index[folder]) for name in images_in(root / folder)]
    return out


def images_in(folder: Path) -> list[str]:
    """Names of the images in a folder."""
    return sorted(name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in IMAGES)


def validation(data: Path, root: Path, index: dict[str, int]) -> Labelled:
    """`val/<wnid>/*.JPEG`, or the flat folder of the archive with the development kit's ground truth beside it."""
    if not root.is_dir():
        raise ProtocolError(f"{root.parent} has no folder val")
    if any(entry.is_dir() for entry in os.scandir(root)):
        return in_folders(root, index)
    kit = first_of(data, [DEVKIT, "devkit/data"], "development kit (the images in val are in no folders of classes)")
    by_number = synsets(kit / "meta.mat")
    truth = [int(line) for line in lines(kit / "ILSVRC2012_validation_ground_truth.txt")]
    out = []
    for name in images_in(root):
        number = Path(name).stem.rpartition("_")[2]  # ILSVRC2012_val_00000001.JPEG, from 1
        if not number.isdecimal() or not 1 <= int(number) <= len(truth):
            raise ProtocolError(f"{root / name}: the ground truth in {kit} has {len(truth)} lines, none for this image")
        wnid = by_number.get(truth[int(number) - 1], "")
        if wnid in index:
            out.append((name, root / name, index[wnid]))
    return out


def synsets(path: Path) -> dict[int, str]:
    """wnid of each of the 1,000 classes by the kit's own number (not the order of the wnids)."""
    from scipy.io import loadmat

    rows = loadmat(str(path), squeeze_me=True)["synsets"]
    return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows if int(row["num_children"]) == 0}
