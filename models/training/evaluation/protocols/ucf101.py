"""UCF101: action recognition, linear. The one protocol for which the reference has code (`mmv/eval_ucf101.py`)."""

from models.training.evaluation.protocols import films
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import Folder, first_of, lines
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.splits import Labelled, Split, classify

SVM_C = 1e-3  # eval_ucf101.py
WINDOWS_TOLD = (
    "{windows} windows of each training film (any place, any crop, half of them flipped) and {windows} evenly spread "
    "centre-cropped ones of each test film, out of its first 20 s."
)


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    encoders = context.encoders
    encoders.bundle.encoder("video")
    return classify(
        context,
        read(context),
        protocol="ucf101",
        title="UCF101, linear",
        dim=encoders.bundle.dims["video_representation"],
        training=films.training_features(encoders, "ucf101", context.options.seed),
        test=films.test_features(encoders),
        svm_c=context.options.svm_c or SVM_C,
        windows_told=WINDOWS_TOLD,
        notes=sampling_notes(context),
    )


def read(context: Context) -> Labelled:
    """`UCF-101/<Class>/v_*.avi` and `ucfTrainTestlist/`, as the two archives unpack."""
    data = context.data
    videos = first_of(data, ["UCF-101", "UCF101", "videos"], "folder of videos")
    lists = first_of(
        data, ["ucfTrainTestlist", "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist"], "split lists"
    )
    numbered = [line.split() for line in lines(lists / "classInd.txt")]
    if any(len(row) != 2 or not row[0].isdecimal() for row in numbered):
        raise ProtocolError(f"{lists / 'classInd.txt'}: a line is not a number and a class")
    index = {name: int(number) - 1 for number, name in numbered}
    labels: dict[str, int] = {}

    def listed(name: str) -> list[str]:
        """Lines are `Class/v_x.avi`, in training lists followed by the class's number."""
        keys = [line.split()[0] for line in lines(lists / name)]
        for key in keys:
            folder = key.split("/")[0]
            if folder not in index:
                raise ProtocolError(f"{lists / name}: {key} is of a class that classInd.txt does not have")
            labels[key] = index[folder]
        return keys

    splits = [
        Split(f"split {n}", listed(f"trainlist{n:02}.txt"), listed(f"testlist{n:02}.txt")) for n in context.splits(3)
    ]
    return Labelled(Folder(videos), labels, list(index), splits)


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
