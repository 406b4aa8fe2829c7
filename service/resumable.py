"""Resumable uploads (`media/partial.py`) on their way into the library."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from models.preprocess.media import MediaError
from service import problems
from service.crash_points import crash_point
from service.media.partial import Held, Partial, PartialUploads, UploadBusy, UploadGone
from service.problems import Refused
from service.settings import Settings
from service.state import State
from service.taking_in import Received, describe, take_in, uploaded

log = logging.getLogger(__name__)

# When too many uploads are open somebody looks again after so many seconds.
OPEN_AGAIN_S = 60


def uploads_of(settings: Settings) -> PartialUploads:
    """The uploads of a library."""
    return PartialUploads(settings.upload_dir, settings.upload_expires_s, settings.min_free_bytes)


def require_place(settings: Settings, uploads: PartialUploads) -> None:
    """Before another one is begun: there is an end to how many may be. Raises Refused(queue_full)."""
    if uploads.open() >= settings.max_open_uploads:
        raise Refused(
            "queue_full",
            f"{settings.max_open_uploads:,} uploads were begun and not ended, the most that may be. End some of them, "
            "or give them up (DELETE); else they expire by themselves.",
            headers={"Retry-After": str(OPEN_AGAIN_S)},
        )


def finish(state: State, uploads: PartialUploads, held: Held) -> None:
    """All bytes are there: what `POST /v1/videos` does. Raises Refused, MediaError, OSError."""
    sha256 = held.digest()
    said = held.info.metadata
    try:
        if said.get("sha256", sha256).lower() != sha256:
            raise Refused("checksum_mismatch", "The whole file has another SHA-256 than was announced. Send it anew.")
        if not held.info.length:
            raise MediaError("empty_file", "The file is empty (0 bytes). Send the media file itself.")
        description = describe(said.get("filename"), said.get("title"), [said.get("tags", "")])
        crash_point("upload.complete")
        with held.to_be_moved() as path:
            taken = take_in(state, Received(path, sha256, held.info.length), description)
    except (Refused, MediaError) as error:
        problem = problems.document_of(error)
        if problem["status"] < 500:  # else it may be tried again
            uploads.end(held.info, problem=problem)
        raise
    uploads.end(held.info, answer=uploaded(*taken).model_dump(mode="json"))


def finish_late(state: State, uploads: PartialUploads, upload_id: str) -> tuple[Partial, int]:
    """Takes in an upload that is complete. Raises UploadGone, Refused, OSError."""
    try:
        with uploads.hold(upload_id) as held:
            if not held.info.is_over and held.is_complete:
                finish(state, uploads, held)
    except (UploadBusy, UploadGone, MediaError):  # it is being done, or was: what is noted of it says what came of it
        pass
    return uploads.look(upload_id)


def finish_all(state: State) -> None:
    """To be called at a start: takes in what was complete when the service ended."""
    uploads = uploads_of(state.settings)
    for upload_id in uploads.ids():
        try:
            upload, offset = uploads.look(upload_id)
            if not upload.is_over and offset == upload.length > 0:
                finish_late(state, uploads, upload_id)
        except (UploadGone, Refused, OSError, SQLAlchemyError) as error:
            log.warning("the upload %s is complete, but cannot be taken in now: %s", upload_id, error)


def forget(uploads: PartialUploads, upload_id: str) -> None:
    """Gives an upload up. Raises UploadGone, UploadBusy."""
    upload, _ = uploads.look(upload_id)
    if upload.is_over:
        uploads.forget(upload_id)
        return
    with uploads.hold(upload_id):
        uploads.forget(upload_id)
