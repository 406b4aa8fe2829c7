"""Arrays in files that are filled bit by bit, through memory."""

import os
from pathlib import Path

import numpy as np


def new_array(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """A new .npy file of zeros, with all of its place on the disk taken.

    Raises OSError where there is none left, and removes the file. A file with holes would be made on a full disk too,
    and the first write into a hole would end the process without a word (SIGBUS), or hang the pool that waits for it.
    """
    try:
        array: np.ndarray = np.lib.format.open_memmap(path, "w+", kind, shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    return array
