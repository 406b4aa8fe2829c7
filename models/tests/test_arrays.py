"""Arrays in files have all of their place on the disk from the start."""

import errno
from pathlib import Path

import numpy as np
import pytest

from models.tests.test_training_faults import largest_file
from models.training.data.arrays import new_array, take_place


def test_its_place_is_taken_and_holds_zeros(tmp_path: Path) -> None:
    array = new_array(tmp_path / "a.npy", np.int16, (500, 1000))
    assert not array.any()
    array[499] = 7
    assert (np.load(tmp_path / "a.npy")[499] == 7).all()
    taken = (tmp_path / "a.npy").stat()
    assert taken.st_blocks * 512 >= taken.st_size > 1_000_000


def test_without_room_it_is_refused_and_gone(tmp_path: Path) -> None:
    with largest_file(100_000), pytest.raises(OSError, match=r"a\.npy") as error:
        new_array(tmp_path / "a.npy", np.int16, (500, 1000))
    assert error.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_holes_of_an_array_of_before_are_filled_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "old.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (2_000_000,))
    array[1_000_000] = 5
    array.flush()
    assert path.stat().st_blocks * 512 < 1_000_000
    take_place(path)
    assert path.stat().st_blocks * 512 >= 2_000_000
    assert np.flatnonzero(np.load(path)).tolist() == [1_000_000]
