"""UCF101: action recognition, linear. The one protocol for which the reference has code (`mmv/eval_ucf101.py`)."""

from models.training.evaluation.protocols.action_recognition import linear
from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.files import Folder, first_of, lines
from models.training.evaluation.protocols.result import ProtocolError, Result
from models.training.evaluation.protocols.splits import Labelled, Split

SVM_C = 1e-3  # eval_ucf101.py


def run(context: Context) -> Result:
    """Raises ProtocolError, BundleError."""
    context.encoders.bundle.encoder("video")  # before anything is read
    return linear(context, read(context), "ucf101", "UCF101, linear", SVM_C, [])


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
