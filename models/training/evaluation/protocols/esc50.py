"""ESC-50: environmental sounds, linear, over its five folds."""

import csv

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import Folder, first_of
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.sounds import sound_features
from models.training.evaluation.protocols.splits import Labelled, Split, classify

FOLDS = 5
SVM_C = 1e-3  # UCF101's: the paper's own for ESC-50 is not known here


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    encoders, seed = context.encoders, context.options.seed
    encoders.bundle.encoder("audio")
    window = encoders.bundle.inputs.window_s
    return classify(
        context,
        read(context),
        protocol="esc50",
        title="ESC-50, linear, 5 folds",
        dim=encoders.bundle.dims["audio_representation"],
        training=sound_features(encoders, "esc50", seed, training=True),
        test=sound_features(encoders, "esc50", seed, training=False),
        svm_c=context.options.svm_c or SVM_C,
        windows_told=f"{{windows}} windows of {window:g} s of each sound: anywhere in training, spread in the test.",
        notes=[
            "the reference has no code for ESC-50: windows, averaging and C are UCF101's, with no augmentation but the "
            "window's place"
        ],
    )


def read(context: Context) -> Labelled:
    """`audio/*.wav` and `meta/esc50.csv`, as the repository unpacks; fold n is the test of split n."""
    meta = first_of(context.data, ["meta/esc50.csv", "ESC-50-master/meta/esc50.csv", "esc50.csv"], "list of sounds")
    root = meta.parent.parent if meta.parent.name == "meta" else meta.parent
    with meta.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        labels = {row["filename"]: int(row["target"]) for row in rows}
        folds = {row["filename"]: int(row["fold"]) for row in rows}
        names = {int(row["target"]): row["category"] for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{meta}: a row lacks filename, fold, target or category ({error})") from None
    splits = [
        Split(f"fold {n}", [f for f in folds if folds[f] != n], [f for f in folds if folds[f] == n])
        for n in context.splits(FOLDS)
    ]
    return Labelled(Folder(root / "audio"), labels, [names[label] for label in sorted(names)], splits)
