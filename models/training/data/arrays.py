"""Arrays in files that are filled bit by bit, through memory."""

import errno
import os
from pathlib import Path

import numpy as np

PIECE = 1 << 30  # bytes that are asked for at once: Ctrl-C gets through in between


def new_array(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """A new .npy file of zeros, with all of its place on the disk taken.

    Raises OSError where there is none left, and removes the file.
    """
    try:
        array: np.ndarray = np.lib.format.open_memmap(path, "w+", kind, shape)
        take_place(path)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    return array


def take_place(path: Path) -> None:
    """Fill the holes of a file, where the system can. Raises OSError where the disk has no room for them.

    A file with holes can be made on a full disk too. The first write into a hole by way of memory then ends the process
    without a word (SIGBUS).
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        for begin in range(0, size, PIECE):
            try:
                os.posix_fallocate(file.fileno(), begin, min(PIECE, size - begin))
            except OSError as error:
                if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # not on this kind of disk
                    return
                raise OSError(error.errno, error.strerror, str(path)) from None
