"""UCF101, HMDB51 and ESC-50 on miniature data sets in their published layouts: splits, numbers, what is missing."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from models.bundle import load_bundle, shipped_bundle_path
from models.runtime import Encoders
from models.tests.tiny_sets import BLUE, GREEN, RED, TONES, coverage, evaluate, figure, film, text, tone
from models.training.evaluation.protocols import esc50, hmdb51, ucf101
from models.training.evaluation.protocols.context import Context, Options
from models.training.evaluation.protocols.films import read_film
from models.training.evaluation.protocols.result import ProtocolError
from models.training.evaluation.protocols.seeds import generator

CLASSES = {"ApplyEyeMakeup": RED, "HandstandPushups": GREEN, "YoYo": BLUE}
GROUPS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders(load_bundle(shipped_bundle_path()))


@pytest.fixture(scope="module")
def ucf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes of 4 films; split n tests with group n. The archive spells one class otherwise than its lists."""
    data = tmp_path_factory.mktemp("ucf") / "data"
    lists = data / "ucfTrainTestlist"
    text(lists / "classInd.txt", *(f"{i} {name}" for i, name in enumerate(CLASSES, 1)))
    for number, (name, colour) in enumerate(CLASSES.items()):
        for group in GROUPS:
            film(data / "UCF-101" / name / f"v_{name}_g{group:02}_c01.avi", colour, 10 * number + group)

    def key(name: str, group: int) -> str:
        return f"{name}/v_{name.replace('Handstand', 'HandStand')}_g{group:02}_c01.avi"

    for split in (1, 2, 3):
        training = [f"{key(n, g)} {i}" for i, n in enumerate(CLASSES, 1) for g in GROUPS if g != split]
        text(lists / f"trainlist{split:02}.txt", *training)
        text(lists / f"testlist{split:02}.txt", *(key(n, split) for n in CLASSES))
    return data


def test_ucf101_tells_colours_apart_in_every_split(ucf: Path, encoders: Encoders) -> None:
    result = evaluate("ucf101", encoders, ucf, windows=2)
    names = ["top-1, split 1", "top-1, split 2", "top-1, split 3", "top-1, mean of 3"]
    assert [f.name for f in result.figures] == names
    assert [f.value for f in result.figures] == [1, 1, 1, 1]
    assert figure(result, "top-1, split 1").chance == pytest.approx(1 / 3)
    assert coverage(result, "split 2, training") == (9, 9, 0, 0)
    assert coverage(result, "split 2, test") == (3, 3, 0, 0)
    assert result.warnings() == []
    assert "C = 0.001" in result.recipe["classifier"]


def test_ucf101_is_what_scikit_learn_gives_by_hand(ucf: Path, encoders: Encoders) -> None:
    """A classifier too weak to be always right, so that numbers could differ; the films read and cut here."""
    # Labels are shuffled among the training films, so that something is wrong.
    wrong = ucf.parent / "wrong"
    wrong.mkdir()
    (wrong / "UCF-101").symlink_to(ucf / "UCF-101")
    lists = wrong / "ucfTrainTestlist"
    text(lists / "classInd.txt", *(f"{i} {name}" for i, name in enumerate(CLASSES, 1)))
    training = [f"{n}/v_{n}_g{g:02}_c01.avi" for n in CLASSES for g in (3, 4)]
    test = [f"{n}/v_{n}_g{g:02}_c01.avi" for n in CLASSES for g in (1, 2)]
    (wrong / "UCF-101").unlink()
    for key in training + test:
        (wrong / "UCF-101" / key).parent.mkdir(parents=True, exist_ok=True)
        source = key
        if "YoYo" in key and "g03" in key:  # a film of the wrong colour
            source = "ApplyEyeMakeup/v_ApplyEyeMakeup_g03_c01.avi"
        if "YoYo" in key and "g02" in key:
            source = "HandstandPushups/v_HandstandPushups_g02_c01.avi"
        (wrong / "UCF-101" / key).symlink_to(ucf / "UCF-101" / source)
    text(lists / "trainlist01.txt", *(f"{key} 1" for key in training))
    text(lists / "testlist01.txt", *test)
    result = evaluate("ucf101", encoders, wrong, windows=2, split=1, svm_c=0.01)

    index = list(CLASSES)
    spec = encoders.bundle.inputs
    rows = {}
    for key in training:
        taken = read_film(wrong / "UCF-101" / key, spec).training_windows(2, generator(0, "ucf101", key))
        rows[key] = encoders.video(taken).representation
    scaler = StandardScaler().fit(np.concatenate([rows[k] for k in training]))
    svm = LinearSVC(C=0.01, random_state=0).fit(
        scaler.transform(np.concatenate([rows[k] for k in sorted(training)])),
        np.repeat([index.index(k.split("/")[0]) for k in sorted(training)], 2),
    )
    right = []
    for key in test:
        windows = read_film(wrong / "UCF-101" / key, spec).test_windows(2)
        scores = svm.decision_function(scaler.transform(encoders.video(windows).representation)).mean(axis=0)
        right.append(scores.argmax() == index.index(key.split("/")[0]))
    assert 0 < np.mean(right) < 1
    assert [f.name for f in result.figures] == ["top-1, split 1"]
    assert result.figures[0].value == pytest.approx(np.mean(right))


def test_ucf101_without_some_films_goes_on_and_says_so(ucf: Path, encoders: Encoders) -> None:
    data = ucf.parent / "part"
    (data / "ucfTrainTestlist").parent.mkdir()
    (data / "ucfTrainTestlist").symlink_to(ucf / "ucfTrainTestlist")
    for path in sorted((ucf / "UCF-101").rglob("*.avi")):
        copy = data / "UCF-101" / path.relative_to(ucf / "UCF-101")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if "YoYo_g01" in path.name:
            copy.write_bytes(b"not a film")
        elif "YoYo_g02" not in path.name:
            copy.symlink_to(path)
    result = evaluate("ucf101", encoders, data, windows=1, split=1)
    assert coverage(result, "split 1, training") == (9, 8, 1, 0)
    assert coverage(result, "split 1, test") == (3, 2, 0, 1)
    assert len(result.warnings()) == 2
    assert "not comparable" in result.warnings()[0]


def test_a_folder_that_is_not_ucf101_is_told_what_was_looked_for(tmp_path: Path, encoders: Encoders) -> None:
    with pytest.raises(ProtocolError, match="UCF-101"):
        evaluate("ucf101", encoders, tmp_path)
    (tmp_path / "UCF-101").mkdir()
    with pytest.raises(ProtocolError, match="ucfTrainTestlist"):
        evaluate("ucf101", encoders, tmp_path)
    lists = tmp_path / "ucfTrainTestlist"
    text(lists / "classInd.txt", "1 YoYo")
    for n in (1, 2, 3):
        text(lists / f"trainlist{n:02}.txt", "YoYo/v_YoYo_g01_c01.avi 1")
        text(lists / f"testlist{n:02}.txt", "YoYo/v_YoYo_g02_c01.avi")
    with pytest.raises(ProtocolError, match=r"none of the 1 files of ucf101's training, such as YoYo/v_YoYo_g01"):
        evaluate("ucf101", encoders, tmp_path)
    with pytest.raises(ProtocolError, match="split 4 is not one of 1 to 3"):
        evaluate("ucf101", encoders, tmp_path, split=4)
    text(lists / "trainlist01.txt", "Zither/v_Zither_g01_c01.avi 1")
    with pytest.raises(ProtocolError, match=r"classInd\.txt does not have"):
        ucf101.read(Context(encoders, tmp_path, tmp_path))


def test_hmdb51_takes_films_by_the_numbers_of_its_split_files(tmp_path: Path, encoders: Encoders) -> None:
    data = tmp_path / "data"
    uses = {"cartwheel": [1, 2, 0, 1], "wave": [2, 1, 1, 0]}
    for name, colour in (("cartwheel", RED), ("wave", BLUE)):
        for i in range(4):
            film(data / name / f"a film [{i}] #_{name}_u_cm_np1_fr_med_{i}.avi", colour, i)
        for split in (1, 2, 3):
            rolled = np.roll(uses[name], split - 1)
            lines = [f"a film [{i}] #_{name}_u_cm_np1_fr_med_{i}.avi {use} " for i, use in enumerate(rolled)]
            text(data / "testTrainMulti_7030_splits" / f"{name}_test_split{split}.txt", *lines)
    found = hmdb51.read(Context(encoders, data, tmp_path))
    assert found.classes == ["cartwheel", "wave"]
    first = found.splits[0]
    assert [(key.split("/")[0], key[-5]) for key in first.train] == [
        ("cartwheel", "0"),
        ("cartwheel", "3"),
        ("wave", "1"),
        ("wave", "2"),
    ]
    assert [(key.split("/")[0], key[-5]) for key in first.test] == [("cartwheel", "1"), ("wave", "0")]
    result = evaluate("hmdb51", encoders, data, windows=1)
    assert figure(result, "top-1, mean of 3").value == 1
    assert coverage(result, "split 1, training") == (4, 4, 0, 0)
    assert "C = 0.0003" in result.recipe["classifier"]
    text(data / "testTrainMulti_7030_splits" / "wave_test_split1.txt", "x.avi 3")
    with pytest.raises(ProtocolError, match="does not end with 0, 1 or 2"):
        evaluate("hmdb51", encoders, data)


def test_hmdb51_has_the_papers_c_for_each_of_its_networks(encoders: Encoders) -> None:
    from dataclasses import replace

    bundle = encoders.bundle
    for backbone, dim, c in (("s3d", 1024, 3e-4), ("tsm-resnet", 2048, 1e-4), ("tsm-resnet", 4096, 3e-4)):
        dims = {**bundle.dims, "video_representation": dim}
        assert hmdb51.paper_c(replace(bundle, backbones={"video": backbone}, dims=dims)) == c


def test_esc50_tells_tones_apart_in_every_fold(tmp_path: Path, encoders: Encoders) -> None:
    data = tmp_path / "data"
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target, hertz in enumerate(TONES):
            name = f"{fold}-100{target}-A-{target}.wav"
            tone(data / "audio" / name, hertz, 10 * fold + target, seconds=1.5)
            rows.append(f"{name},{fold},{target},tone{target},False,100,A")
    text(data / "meta" / "esc50.csv", *rows)
    result = evaluate("esc50", encoders, data, windows=2)
    assert [f.name for f in result.figures] == [*(f"top-1, fold {n}" for n in range(1, 6)), "top-1, mean of 5"]
    assert figure(result, "top-1, mean of 5").value == 1
    assert coverage(result, "fold 3, test") == (3, 3, 0, 0)
    assert coverage(result, "fold 3, training") == (12, 12, 0, 0)
    found = esc50.read(Context(encoders, data, tmp_path, Options(split=2)))
    assert [s.name for s in found.splits] == ["fold 2"]
    assert all(key.startswith("2-") for key in found.splits[0].test)
    assert not any(key.startswith("2-") for key in found.splits[0].train)
    assert found.classes == ["tone0", "tone1", "tone2"]
