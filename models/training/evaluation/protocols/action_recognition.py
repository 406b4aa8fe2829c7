"""Action recognition by a linear classifier on films' representations: what UCF101 and HMDB51 have in common."""

from models.training.evaluation.protocols import films
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.result import Result
from models.training.evaluation.protocols.splits import Labelled, classify

WINDOWS_TOLD = (
    "{windows} windows of each training film (any place, any crop, half of them flipped) and {windows} evenly spread "
    "centre-cropped ones of each test film, out of its first 20 s."
)


def linear(context: Context, labelled: Labelled, protocol: str, title: str, svm_c: float, notes: list[str]) -> Result:
    """An SVM over `labelled`'s splits, on the reference's windows; `svm_c` unless another was asked for.

    `notes` are said beside what differs from the reference for this bundle. Raises ProtocolError, BundleError.
    """
    encoders = context.encoders
    return classify(
        context,
        labelled,
        protocol=protocol,
        title=title,
        dim=encoders.bundle.dims["video_representation"],
        training=films.training_features(encoders, protocol, context.options.seed),
        test=films.test_features(encoders),
        svm_c=context.options.svm_c or svm_c,
        windows_told=WINDOWS_TOLD,
        notes=[*sampling_notes(context), *notes],
    )


def sampling_notes(context: Context) -> list[str]:
    """How the windows differ from the reference's, for this bundle."""
    spec = context.encoders.bundle.inputs
    notes = []
    if spec.resize != "bilinear":
        notes.append(
            f"the bundle sees {spec.frames} frames of {spec.frame_height} x {spec.frame_width}, {spec.step_s:g} s "
            "apart; the reference sees 32 of 224 x 224, 0.08 s apart"
        )
    elif (spec.frame_height, spec.frame_width) != (224, 224):
        notes.append(f"frames of {spec.frame_height} x {spec.frame_width}; the reference's are 224 x 224")
    if context.windows() != 10:
        notes.append(f"{context.windows()} windows of each film; the reference takes 10, in training and in the test")
    return notes
