"""What uploads leave free on the disk for everything else."""

import errno
import os
import shutil
from pathlib import Path


def require_space(folder: Path, coming_bytes: int, reserve_bytes: int) -> None:
    """Raises OSError(ENOSPC) unless so many bytes fit beside what must stay free for everything else."""
    if shutil.disk_usage(folder).free < coming_bytes + reserve_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
