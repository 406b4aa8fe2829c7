"""What happens to a file that has come in whole, however it came: it is checked, kept, and its ingest is queued."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.catalogue import Job, Video
from service.catalogue.jobs import ACTIVE
from service.crash_points import crash_point
from service.media.confined import MediaLimits
from service.media.space import require_space
from service.media.upload import CompleteFile, add_to_library
from service.multipart import Form
from service.problems import Refused, queue_unavailable
from service.schemas.library import LONGEST_TAG, LONGEST_TITLE, MOST_TAGS, Uploaded, plain
from service.settings import Settings
from service.state import State

# When the queue is full somebody looks again after so many seconds.
QUEUE_FULL_AGAIN_S = 30


@dataclass(frozen=True)
class Received:
    """A complete file, to be moved away."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Description:
    """What the sender says of a file. `subtitles` is WebVTT."""

    filename: str
    title: str
    tags: list[str]
    subtitles: str | None = None


def describe(filename: str | None, title: str | None, tags: Sequence[str], subtitles: str | None = None) -> Description:
    """Checked; the title is the file's name, if left out. `tags` may hold several each, separated by commas.

    Raises Refused(invalid_request).
    """
    name = filename or "unnamed"
    title = plain(title or "") or name.rsplit(".", 1)[0] or name
    single = [plain(tag) for value in tags for tag in value.split(",")]
    single = list(dict.fromkeys(tag for tag in single if tag))
    if len(title) > LONGEST_TITLE:
        raise Refused("invalid_request", f"The title has more than {LONGEST_TITLE} characters.")
    if len(single) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in single):
        raise Refused("invalid_request", f"At most {MOST_TAGS} tags of at most {LONGEST_TAG} characters are accepted.")
    return Description(name, title, single, subtitles)


def describe_form(form: Form, subtitles: str | None = None) -> Description:
    """What a form says of its file. Raises Refused(invalid_request)."""
    return describe(form.filename, (form.fields.get("title") or [""])[-1], form.fields.get("tags", []), subtitles)


def require_room(state: State, coming_bytes: int = 0) -> None:
    """Before a file is received: is there a queue for its job, with a place in it, and space on the disk?

    Raises Refused (queue_unavailable, queue_full), OSError(ENOSPC).
    """
    if not state.queue.ping():
        raise queue_unavailable()
    if state.catalogue.active_jobs(("ingest",)) >= state.settings.max_queued_jobs:
        raise Refused(
            "queue_full",
            f"{state.settings.max_queued_jobs:,} videos are waiting to be taken in already, the most that may. "
            "Send this one again later.",
            headers={"Retry-After": str(QUEUE_FULL_AGAIN_S)},
        )
    require_space(state.settings.upload_dir, coming_bytes, state.settings.min_free_bytes)


def media_limits(settings: Settings) -> MediaLimits:
    """What a film of the library may be."""
    return MediaLimits(settings.max_duration_s, settings.max_pixels)


def take_in(state: State, file: CompleteFile, said: Description) -> tuple[Video, Job, bool]:
    """Keeps a complete file and queues its ingest; without a queue nothing is kept: (video, job, whether it is new).

    Raises Refused (queue_unavailable, queue_full), MediaError, OSError.
    """
    require_room(state)
    video, job, created = add_to_library(
        file,
        said.filename,
        said.title,
        said.tags,
        media_limits(state.settings),
        state.catalogue,
        state.store,
        said.subtitles,
    )
    if job.status not in ACTIVE:  # searchable, but perhaps by another bundle than the active one
        job = next(iter(state.catalogue.queue_waiting(state.encoders.bundle.fingerprint, video.id)), job)
    if job.status == "queued":
        state.queue.enqueue(job.id)
        crash_point("upload.queued")
    return video, job, created


def uploaded(video: Video, job: Job, created: bool) -> Uploaded:
    """The answer to an upload."""
    return Uploaded(video_id=video.id, job_id=job.id, status=video.status, created=created)
