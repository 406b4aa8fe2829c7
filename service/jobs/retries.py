"""Which failures pass, and how long to wait before a job is tried again."""

import errno
from typing import Any

from sqlalchemy.exc import OperationalError

from models.preprocess.media import MediaError
from service.problem_codes import code_of_file, problem_document

# Tries in all, by code. What a file is by itself (not a film, cut off) is said once and for good; a decoder may have
# been killed for want of memory, and be slow on a busy machine.
TRIES = {
    "decoder_crashed": 3,
    "decoder_timeout": 3,
    "internal_error": 3,
}
# No fault of the file, whatever it is: such tries don't count, and there are as many as it takes. A night with a full
# disk must not set ten thousand good films aside.
OF_THE_MACHINE = ("catalogue_busy", "storage_full")
# Seconds: 2, 8, 32, 128.
FACTOR = 4
LONGEST_WAIT_S = 300.0


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem document of what ended a job."""
    if isinstance(error, MediaError):
        return problem_document(code_of_file(error.code), error.message)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return problem_document("storage_full", "No space is left on the server.")
    if isinstance(error, OperationalError):
        if "disk is full" in str(error.orig):  # SQLite's words
            return problem_document("storage_full", "No space is left on the server.")
        return problem_document("catalogue_busy", "The library's database could not be written.")
    return problem_document("internal_error", "The worker failed on this job; its log says why.")


def wait_before_retry_s(code: str, attempts: int, first_s: float) -> float | None:
    """Seconds until the next try of a job that failed with `code` in its try `attempts`; None: it is given up."""
    if code in OF_THE_MACHINE:
        return min(first_s * FACTOR**2, LONGEST_WAIT_S)
    if attempts >= TRIES.get(code, 1):
        return None
    return min(first_s * FACTOR ** (attempts - 1), LONGEST_WAIT_S)
