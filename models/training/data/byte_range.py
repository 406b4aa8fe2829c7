"""Part of a file as a file: a video inside a shard, of which a reader may want only some seconds."""

import io
from pathlib import Path
from typing import BinaryIO


def byte_range(path: Path, offset: int, size: int) -> BinaryIO:
    """`size` bytes of a file from `offset` on. Raises OSError where the file ends before."""
    return io.BufferedReader(_ByteRange(path, offset, size))


class _ByteRange(io.RawIOBase):
    def __init__(self, path: Path, offset: int, size: int):
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._offset, self._size, self._at = offset, size, 0
        if self._file.seek(0, io.SEEK_END) < offset + size:
            self._file.close()
            raise OSError(f"{path} is cut off")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        left = max(0, self._size - self._at)
        self._file.seek(self._offset + self._at)
        count = self._file.readinto(memoryview(buffer)[:left]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
