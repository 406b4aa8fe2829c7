"""VOC07 and ImageNet on miniature data sets in their published layouts, through the three image paths."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from models.bundle import load_bundle, shipped_bundle_path
from models.networks.deflation import DeflatedMMV
from models.preprocess.media import read_image
from models.runtime import Encoders
from models.tests.tiny_sets import BLUE, GREEN, RED, coverage, evaluate, figure, picture, text
from models.training.evaluation.protocols import voc07
from models.training.evaluation.protocols.precision import eleven_point_precision
from models.training.evaluation.protocols.result import ProtocolError
from models.training.evaluation.protocols.stills import image_network
from models.training.restore import restore


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders(load_bundle(shipped_bundle_path()))


def test_each_path_is_the_network_that_it_names(encoders: Encoders) -> None:
    rng = np.random.default_rng(0)
    spec = encoders.bundle.inputs
    images = rng.integers(0, 256, (2, spec.frame_height, spec.frame_width, 3), dtype=np.uint8)
    found = {path: image_network(encoders, path)(images) for path in ("deflated", "naive", "inflated")}
    np.testing.assert_array_equal(found["deflated"], encoders.image(images).representation)
    static = np.stack([np.stack([image] * spec.frames) for image in images])
    np.testing.assert_allclose(found["inflated"], encoders.video(static).representation, rtol=1e-5, atol=1e-5)
    untrained = DeflatedMMV(restore(encoders.bundle).network)
    with torch.no_grad():
        naive = untrained(torch.from_numpy(images).float() / 255)["representation"].numpy()
    np.testing.assert_allclose(found["naive"], naive, rtol=1e-4, atol=1e-5)
    assert np.abs(found["naive"] - found["deflated"]).mean() > 0.01  # trained scales and offsets are another network


def voc(data: Path) -> dict[str, list[int]]:
    """12 images of trainval and 8 of test; class `car` is red, `person` blue; one of each is only difficult."""
    colours = [RED, BLUE, GREEN, RED, BLUE, GREEN, RED, BLUE, GREEN, RED, BLUE, GREEN]
    names = {"trainval": [f"{i:06d}" for i in range(1, 13)], "test": [f"{i:06d}" for i in range(13, 21)]}
    root = data / "VOCdevkit" / "VOC2007"
    main = root / "ImageSets" / "Main"
    truth = {}
    for part, listed in names.items():
        for i, name in enumerate(listed):
            picture(root / "JPEGImages" / f"{name}.jpg", colours[i], int(name))
        for label, wanted in (("car", RED), ("person", BLUE)):
            marks = [1 if colours[i] == wanted else -1 for i in range(len(listed))]
            marks[2] = 0  # a green one that has a difficult object of the class
            truth[f"{label}_{part}"] = marks
            text(main / f"{label}_{part}.txt", *(f"{n} {mark:2d}" for n, mark in zip(listed, marks, strict=True)))
    text(main / "train.txt", *names["trainval"][:6])
    text(main / "val.txt", *names["trainval"][6:])
    return truth


def test_voc07_is_what_scikit_learn_gives_by_hand(tmp_path: Path, encoders: Encoders) -> None:
    data = tmp_path / "data"
    truth = voc(data)
    result = evaluate("voc07", encoders, data, svm_c=0.01, image_paths=("deflated", "inflated"))
    assert [f.name for f in result.figures] == ["mAP, deflated", "mAP, inflated"]
    spec = encoders.bundle.inputs
    stills = {
        part: np.stack(
            [
                read_image(data / f"VOCdevkit/VOC2007/JPEGImages/{i:06d}.jpg", spec.frame_height, spec.frame_width)
                for i in numbers
            ]
        )
        for part, numbers in (("trainval", range(1, 13)), ("test", range(13, 21)))
    }
    rows = {part: encoders.image(images).representation for part, images in stills.items()}
    found = []
    for label in ("car", "person"):
        marks = {part: np.array(truth[f"{label}_{part}"]) for part in rows}
        learnt = marks["trainval"] != 0
        scaler = StandardScaler().fit(rows["trainval"][learnt])
        svm = LinearSVC(C=0.01, random_state=0).fit(
            scaler.transform(rows["trainval"][learnt]), marks["trainval"][learnt]
        )
        seen = marks["test"] != 0
        order = np.argsort(-svm.decision_function(scaler.transform(rows["test"][seen])))
        found.append(eleven_point_precision(marks["test"][seen][order] == 1))
    assert figure(result, "mAP, deflated").value == pytest.approx(np.mean(found))
    assert figure(result, "mAP, deflated").chance == pytest.approx(3 / 7)
    assert coverage(result, "trainval") == (12, 12, 0, 0)
    assert result.details["deflated"]["C"] == 0.01


def test_voc07_chooses_c_by_its_own_validation_set_and_counts_missing_images(
    tmp_path: Path, encoders: Encoders
) -> None:
    data = tmp_path / "data"
    voc(data)
    (data / "VOCdevkit/VOC2007/JPEGImages/000020.jpg").unlink()
    (data / "VOCdevkit/VOC2007/JPEGImages/000019.jpg").write_bytes(b"no picture")
    result = evaluate("voc07", encoders, data)
    assert [f.name for f in result.figures] == ["mAP, deflated", "mAP, naive", "mAP, inflated"]
    assert figure(result, "mAP, inflated").value == pytest.approx(1)
    assert result.details["inflated"]["C"] in voc07.GRID
    assert coverage(result, "test") == (8, 6, 1, 1)


def test_voc07_without_the_test_lists_says_where_they_come_from(tmp_path: Path, encoders: Encoders) -> None:
    data = tmp_path / "data"
    voc(data)
    (data / "VOCdevkit/VOC2007/ImageSets/Main/car_test.txt").unlink()
    with pytest.raises(ProtocolError, match="annotated test archive"):
        evaluate("voc07", encoders, data)
    text(data / "VOCdevkit/VOC2007/ImageSets/Main/car_test.txt", "000013 2")
    with pytest.raises(ProtocolError, match="not an image's name and 1, 0 or -1"):
        evaluate("voc07", encoders, data)
    with pytest.raises(ProtocolError, match="image path 'flat' is not known"):
        evaluate("voc07", encoders, data, image_paths=("flat",))


WNIDS = {"n01440764": RED, "n01443537": BLUE}


def imagenet(data: Path) -> None:
    for wnid, colour in WNIDS.items():
        for i in range(4):
            picture(data / "train" / wnid / f"{wnid}_{i}.JPEG", colour, i)


def test_imagenet_tells_colours_apart_and_says_how_little_of_it_that_is(tmp_path: Path, encoders: Encoders) -> None:
    data = tmp_path / "data"
    imagenet(data)
    for i, (wnid, colour) in enumerate(WNIDS.items()):
        picture(data / "val" / wnid / f"ILSVRC2012_val_{i + 1:08d}.JPEG", colour, 10 + i)
    result = evaluate("imagenet", encoders, data)
    assert [f.name for f in result.figures][::2] == ["top-1, deflated", "top-1, naive", "top-1, inflated"]
    assert figure(result, "top-1, deflated").value == 1
    assert figure(result, "top-1, inflated").value == 1
    assert figure(result, "top-1, inflated").chance == 0.5
    assert coverage(result, "train") == (1_281_167, 8, 1_281_159, 0)
    assert coverage(result, "val") == (50_000, 2, 49_998, 0)
    assert len(result.warnings()) == 2
    assert "2 classes; ILSVRC2012 has 1,000" in result.notes


def test_imagenets_flat_validation_folder_takes_its_labels_from_the_development_kit(
    tmp_path: Path, encoders: Encoders
) -> None:
    data = tmp_path / "data"
    imagenet(data)
    for number, colour in ((1, BLUE), (2, RED), (3, BLUE)):
        picture(data / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", colour, number)
    with pytest.raises(ProtocolError, match="development kit"):
        evaluate("imagenet", encoders, data, image_paths=("deflated",))
    kit = data / "ILSVRC2012_devkit_t12" / "data"
    text(kit / "ILSVRC2012_validation_ground_truth.txt", "1", "2", "1")
    kinds = [("ILSVRC2012_ID", "i4"), ("WNID", "O"), ("words", "O"), ("num_children", "i4")]
    synsets = np.zeros((3, 1), kinds)
    # The kit's numbers are not the order of the names; the last one is a group of classes.
    for row, values in enumerate(((1, "n01443537", "goldfish", 0), (2, "n01440764", "tench", 0), (3, "n0", "fish", 2))):
        synsets[row, 0] = values
    savemat(kit / "meta.mat", {"synsets": synsets})
    result = evaluate("imagenet", encoders, data, image_paths=("deflated",))
    assert figure(result, "top-1, deflated").value == 1
    assert coverage(result, "val") == (50_000, 3, 49_997, 0)
    picture(data / "val" / "ILSVRC2012_val_00000004.JPEG", RED, 4)
    with pytest.raises(ProtocolError, match="has 3 lines, none for this image"):
        evaluate("imagenet", encoders, data, image_paths=("deflated",))
