"""HMDB51: action recognition, linear, over its three 70/30 splits."""

from models.bundle import Bundle
from models.training.evaluation.protocols.action_recognition import linear
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import Folder, first_of, lines
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.splits import Labelled, Split

UNUSED, TRAINING, TEST = "0", "1", "2"  # what the split files write behind a film's name


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    bundle = context.encoders.bundle
    bundle.encoder("video")  # before anything is read
    note = "windows, crops and flips are UCF101's: the reference has no code for HMDB51"
    return linear(context, read(context), "hmdb51", "HMDB51, linear", paper_c(bundle), [note])


def paper_c(bundle: Bundle) -> float:
    """The paper's C: 1e-4 for TSM-50 (2,048 values), 3e-4 for TSM-50x2 and S3D, and here for all other networks."""
    is_tsm50 = bundle.backbones.get("video") != "s3d" and bundle.dims["video_representation"] == 2048
    return 1e-4 if is_tsm50 else 3e-4


def read(context: Context) -> Labelled:
    """`<class>/*.avi` and `testTrainMulti_7030_splits/<class>_test_split<n>.txt`, as the archives unpack."""
    data = context.data
    lists = first_of(
        data,
        ["testTrainMulti_7030_splits", "test_train_splits/testTrainMulti_7030_splits", "splits"],
        "split lists",
    )
    classes = sorted(path.name.removesuffix("_test_split1.txt") for path in lists.glob("*_test_split1.txt"))
    if not classes:
        raise ProtocolError(f"{lists} has no file <class>_test_split1.txt")
    videos = first_of(data, [f"{folder}{classes[0]}" for folder in ("", "hmdb51_org/", "hmdb51/", "videos/")], "films")
    labels: dict[str, int] = {}
    splits = []
    for number in context.splits(3):
        split = Split(f"split {number}", [], [])
        for label, name in enumerate(classes):
            path = lists / f"{name}_test_split{number}.txt"
            for line in lines(path):
                film, _, use = line.rpartition(" ")
                if use not in (UNUSED, TRAINING, TEST):
                    raise ProtocolError(f"{path}: {line!r} does not end with 0, 1 or 2")
                key = f"{name}/{film.strip()}"
                labels[key] = label
                if use != UNUSED:
                    (split.train if use == TRAINING else split.test).append(key)
        splits.append(split)
    return Labelled(Folder(videos.parent), labels, classes, splits)
