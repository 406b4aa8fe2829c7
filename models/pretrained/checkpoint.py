"""Published checkpoints of the MMV release, and others in the containers Haiku was ever saved in, as NumPy arrays.

The file is a pickle, often written by dill, of a mapping with 'params' and 'state', each {module path: {leaf: array}}.
It is read without running anything that it says (`models.pretrained.unpickle`).
"""

import os
from pathlib import Path

import numpy as np

from models.pretrained.pickle_values import Array, CheckpointError, UnsafePickleError, describe
from models.pretrained.unpickle import unpickle

__all__ = ["CheckpointError", "UnsafePickleError", "read_checkpoint"]

Checkpoint = dict[str, dict[str, dict[str, np.ndarray]]]
SECTIONS = ("params", "state")
MAX_LEAVES = 100_000
MAX_BYTES = 8 << 30  # the largest published file has 576 MB; eight replicas of it would have 4.6 GB
WANTED = "a checkpoint is a pickle of a mapping with 'params' and 'state'"

_FIRST_BYTES = (b"\x80", b"(", b"}", b"c")  # protocols 2 on; a mapping or a Haiku class in protocols 0 and 1
_LOOKS = {
    b"PK\x03\x04": "a zip file, as PyTorch (.pt) and NumPy (.npz) write",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes",
    b"\x93NUMPY": "a single NumPy array (.npy)",
    b"\x1f\x8b": "gzip-compressed, perhaps a .tar.gz from TF-Hub; unpack it first",
    b"\xfd7zXZ\x00": "xz-compressed; unpack it first",
    b"BZh": "bzip2-compressed; unpack it first",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it first",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19": "a file of an old version of PyTorch",
    b"version https://git-lfs": "a Git LFS pointer in place of the file",
    b"{": "JSON text",
}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint: {"params": {module path: {leaf: array}}, "state": {...}}; other top-level keys are left out.

    Arrays are native-endian and C-ordered, of float16/32/64, (u)int8 to 64 or bool, in the file's shapes; most are
    read-only. Numbers become arrays without axes. Needs about as much memory as the file has bytes, twice that for
    pickle protocols 0 to 2. Bytes after the end of the pickle are not looked at.

    Raises CheckpointError, a one-line message that names the file, for a file that is missing, damaged, of another kind
    or laid out otherwise; UnsafePickleError for one that asks for anything but arrays. Nothing in the file is run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise CheckpointError(f"has {size} bytes, more than any checkpoint; {WANTED}")
            head = file.read(512)
            _refuse_other_formats(head, size)
            file.seek(0)
            return _sections(unpickle(file, size))
    except CheckpointError as error:
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


def _refuse_other_formats(head: bytes, size: int) -> None:
    if not head:
        raise CheckpointError(f"is an empty file; {WANTED}")
    for magic, what in _LOOKS.items():
        if head.startswith(magic):
            raise CheckpointError(f"is {what}; {WANTED}")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise CheckpointError(f"is a web page or an XML error message, perhaps of a failed download; {WANTED}")
    if head[257:262] == b"ustar":
        raise CheckpointError(f"is a tar archive; {WANTED}")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        raise CheckpointError(f"is a safetensors file; {WANTED}")
    if not head.startswith(_FIRST_BYTES):
        raise CheckpointError(f"is no pickle; {WANTED}")


def _sections(top: object) -> Checkpoint:
    if type(top) is not dict:
        raise CheckpointError(f"holds {describe(top)}; {WANTED}")
    missing = [name for name in SECTIONS if name not in top]
    if missing:
        keys = ", ".join(ascii(key[:40]) for key in list(top)[:10]) + (", ..." if len(top) > 10 else "")
        raise CheckpointError(
            f"has no {' and no '.join(map(repr, missing))} at its top level, only {keys or 'nothing'}"
        )
    leaves = 0
    sections: Checkpoint = {}
    for section in SECTIONS:
        modules = sections[section] = {}
        for module, parts in _mapping(top[section], section).items():
            where = f"{section}/{module[:200]}"
            leaves += len(_mapping(parts, where))
            if leaves > MAX_LEAVES:  # one shared mapping could stand under every path
                raise CheckpointError(f"has more than {MAX_LEAVES} arrays, far more than any checkpoint")
            modules[module] = {leaf: _array(value, f"{where}/{leaf[:40]}") for leaf, value in parts.items()}
    return sections


def _mapping(value: object, where: str) -> dict:
    if type(value) is not dict:
        raise CheckpointError(f"has {describe(value)} at {where!a}, where a mapping belongs")
    return value


def _array(value: object, where: str) -> np.ndarray:
    if isinstance(value, Array) and value.values is not None:
        return value.values
    if type(value) in (bool, int, float):
        return np.asarray(value)
    what = "an array without contents" if isinstance(value, Array) else describe(value)
    raise CheckpointError(f"has {what} at {where!a}, where an array or a number belongs")
