"""A folder of small files as one: a tar that is the same for the same content, so that it is stored once."""

import os
import tarfile
from pathlib import Path

from service.backup.repository import BackupError

# A picture in the making.
TEMPORARY = ".tmp"


def stamp_of(path: Path) -> str:
    """Tells cheaply whether a file or a folder changed: names, sizes and times. Raises FileNotFoundError."""
    if not path.is_dir():
        status = path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}"
    count = total = newest = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.endswith(TEMPORARY):  # it gets another name while we look
                continue
            status = entry.stat(follow_symlinks=False)
            count, total, newest = count + 1, total + status.st_size, max(newest, status.st_mtime_ns)
    return f"{count}:{total}:{newest}"


def pack(folder: Path, target: Path) -> None:
    """Writes the files of a folder (not those of folders in it) as a tar. Raises FileNotFoundError."""
    with tarfile.open(target, "x", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            if not path.is_file() or path.suffix == TEMPORARY:
                continue
            member = tarfile.TarInfo(path.name)  # no times, no owner
            with path.open("rb") as file:
                member.size = os.fstat(file.fileno()).st_size
                tar.addfile(member, file)


def unpack(packed: Path, folder: Path) -> None:
    """The inverse of `pack`, into a new folder. Raises BackupError for anything but plain files in it."""
    folder.mkdir(mode=0o700)
    try:
        with tarfile.open(packed, "r:") as tar:
            for member in tar:
                opened = tar.extractfile(member) if member.isreg() else None
                if opened is None or Path(member.name).name != member.name:
                    raise BackupError(f"{packed} holds {member.name!r}, which is no plain file.")
                (folder / member.name).write_bytes(opened.read())
    except tarfile.TarError as error:
        raise BackupError(f"{packed} is damaged: {error}") from error
