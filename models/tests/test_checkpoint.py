import pickle
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.pretrained import CheckpointError, read_checkpoint
from models.tests.checkpoints import PUBLISHED, Contents, Style, random_contents, write_checkpoint
from models.tests.published_layout import BN, Leaf, digest, published_layout

# Of the sorted lists of arrays that the reference implementation creates.
DIGESTS = {
    "s3d": (1243, "6e383895036d33c3a8a598d8a57cd1923a3262884b7bfc77b01fd22323503fae"),
    "tsm-resnet50": (930, "8ad61ea1b8ccfa2eda5bd2e53f8e097a11c8b0ee8e1d90f68e90ff5c04cb89e2"),
    "tsm-resnet50x2": (930, "c5a80237bf23c6627d9b6982d65bea617d97f9e516a82321f6d7ded8b138c07d"),
}


@pytest.fixture
def contents() -> Contents:
    """Two modules, with every kind of leaf."""
    rng = np.random.default_rng(1)
    norm = {"scale": rng.random((1, 1, 5), np.float32), "offset": rng.random((1, 1, 5), np.float32)}
    average = {
        "counter": np.array(7, np.int32),
        "hidden": rng.random((1, 1, 5), np.float32),
        "average": rng.random((1, 1, 5), np.float32),
    }
    return {
        "params": {"net/~/conv": {"w": rng.random((2, 3, 4), np.float32)}, f"net/{BN}": norm},
        "state": {f"net/{BN}/~/mean_ema": average},
    }


def assert_same(read: Contents, expected: Contents) -> None:
    """The same arrays under the same names, with native dtypes and in C order."""
    assert read.keys() == expected.keys()
    for section, modules in expected.items():
        assert read[section].keys() == modules.keys()
        for module, leaves in modules.items():
            assert read[section][module].keys() == leaves.keys()
            for leaf, values in leaves.items():
                got = read[section][module][leaf]
                assert got.dtype == values.dtype
                assert got.dtype.isnative
                assert got.flags.c_contiguous
                assert got.shape == values.shape
                np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize("arch", DIGESTS)
def test_the_layout_is_that_of_the_reference(arch: str) -> None:
    layout = published_layout(arch)
    assert (len(layout), digest(layout)) == DIGESTS[arch]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("arrays", ["numpy", "numpy-1", "dill", "jax", "jax-0.3"])
@pytest.mark.parametrize("mapping", ["dict", "frozendict", "FlatMapping", "OrderedDict"])
def test_every_container_is_read_exactly(
    tmp_path: Path, contents: Contents, mapping: Any, arrays: Any, protocol: int
) -> None:
    for fortran, big_endian in product((False, True), repeat=2):
        style = Style(mapping, arrays, protocol, fortran, big_endian)
        assert_same(read_checkpoint(write_checkpoint(tmp_path / "c.pkl", contents, style)), contents)


def test_a_published_checkpoint_is_read_in_full(tmp_path: Path) -> None:
    contents = random_contents("s3d")
    path = write_checkpoint(tmp_path / "mmv_s3d.pkl", contents, PUBLISHED)
    read = read_checkpoint(path)
    found = [
        Leaf(s, p, n, a.shape) for s, paths in read.items() for p, leaves in paths.items() for n, a in leaves.items()
    ]
    assert digest(found) == DIGESTS["s3d"][1]
    assert_same(read, contents)


def test_shapes_stay_as_in_the_file(tmp_path: Path, contents: Contents) -> None:
    path = tmp_path / "c.pkl"
    replicated = read_checkpoint(write_checkpoint(path, contents, Style(replicas=3)))
    assert replicated["params"]["net/~/conv"]["w"].shape == (3, 2, 3, 4)
    np.testing.assert_array_equal(replicated["params"]["net/~/conv"]["w"][2], contents["params"]["net/~/conv"]["w"])
    assert replicated["state"][f"net/{BN}/~/mean_ema"]["counter"].shape == (3,)
    squeezed = read_checkpoint(write_checkpoint(path, contents, Style(squeezed=True)))
    assert squeezed["params"][f"net/{BN}"]["scale"].shape == (5,)


def test_counter_and_hidden_may_be_absent_and_other_keys_are_left_out(tmp_path: Path, contents: Contents) -> None:
    read = read_checkpoint(write_checkpoint(tmp_path / "c.pkl", contents, Style(slim=True, extra=True)))
    assert read.keys() == {"params", "state"}
    assert read["state"][f"net/{BN}/~/mean_ema"].keys() == {"average"}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_numbers_of_every_size_are_read(tmp_path: Path, dtype: str, protocol: int) -> None:
    values = np.random.default_rng(0).integers(0, 2, (3, 2, 4)).astype(dtype)
    leaves = {
        "c": values,
        "f": np.asfortranarray(values),
        "mixed": values.transpose(1, 0, 2),
        "scalar": values[0, 0, 0],
    }
    path = tmp_path / "c.pkl"
    path.write_bytes(pickle.dumps({"params": {"m": leaves}, "state": {}}, protocol))
    expected = {name: np.asarray(leaf) for name, leaf in leaves.items()}
    assert_same(read_checkpoint(path), {"params": {"m": expected}, "state": {}})


def test_plain_numbers_become_arrays_without_axes(tmp_path: Path) -> None:
    path = tmp_path / "c.pkl"
    path.write_bytes(pickle.dumps({"params": {"m": {"i": -3, "f": 0.5, "b": True}}, "state": {}}))
    leaves = read_checkpoint(path)["params"]["m"]
    assert {name: (leaf.shape, leaf.item()) for name, leaf in leaves.items()} == {
        "i": ((), -3),
        "f": ((), 0.5),
        "b": ((), True),
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"weights": {}, "state": {}}, "has no 'params' at its top level, only 'weights', 'state'"),
        ({}, "has no 'params' and no 'state' at its top level, only nothing"),
        ({"params": [], "state": {}}, "has a list at 'params', where a mapping belongs"),
        ({"params": {"m": np.ones(2)}, "state": {}}, "has an array at 'params/m', where a mapping belongs"),
        (
            {"params": {"m": {"w": [1.0]}}, "state": {}},
            "has a list at 'params/m/w', where an array or a number belongs",
        ),
        ({"params": {"m": {"w": {"x": 1}}}, "state": {}}, "has a mapping at 'params/m/w', where an array"),
        ({"params": {1: {}}, "state": {}}, "has a mapping with an int for a key"),
        ({"params": {"m": {"w": 2**64}}, "state": {}}, "more than 64 bits"),
        ({"k" * 1001: {}, "state": {}}, "key of 1001 letters"),
    ],
)
def test_other_layouts_are_told(tmp_path: Path, value: dict, message: str) -> None:
    path = tmp_path / "c.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(CheckpointError) as told:
        read_checkpoint(path)
    assert str(told.value).startswith(f"{path}: {message}") or message in str(told.value)
    assert "\n" not in str(told.value)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, w=np.ones(2))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_zip, "a zip file"),
        (_npz, "a zip file"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "an HDF5 file"),
        (lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>404</html>"), "a web page"),
        (lambda path: path.write_bytes(b'<?xml version="1.0"?><Error/>'), "a web page or an XML error message"),
        (lambda path: path.write_bytes(b'{"error": 404}'), "JSON"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(100)), "gzip-compressed"),
        (lambda path: path.write_bytes(bytes(257) + b"ustar" + bytes(300)), "a tar archive"),
        (lambda path: path.write_bytes((20).to_bytes(8, "little") + b'{"w": 1}' + bytes(40)), "a safetensors file"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_bytes(b"RIFF1234WAVE"), "no pickle"),
        (lambda path: path.write_bytes(b"(this is plain text)\n"), "damaged"),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "holds a list"),
        (lambda path: path.write_bytes(b"\x80\x06."), "protocol 6"),
        (lambda path: path.mkdir(), "directory"),
        (lambda path: None, "No such file"),
    ],
)
def test_other_files_are_told_by_what_they_are(tmp_path: Path, write: Callable[[Path], Any], message: str) -> None:
    path = tmp_path / "mmv_s3d.pkl"
    write(path)
    with pytest.raises(CheckpointError, match=message) as told:
        read_checkpoint(path)
    assert str(told.value).startswith(f"{path}: ")


def test_bytes_after_the_pickle_are_not_looked_at(tmp_path: Path, contents: Contents) -> None:
    path = write_checkpoint(tmp_path / "c.pkl", contents)
    path.write_bytes(path.read_bytes() + b"cos\nsystem\n")
    assert_same(read_checkpoint(path), contents)
