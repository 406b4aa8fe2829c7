"""Which calls need which role, and of which kind they are. One table, by method and path, asked before routing.

What is not named here needs a reader when it only reads, and an editor when it does not: a new route is never more open
than that by oversight.
"""

import re
from dataclasses import dataclass

from service.catalogue.records import ROLES, Role

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ADMIN_PREFIX = "/v1/admin/"
# Kinds of calls; a key can be for some of them alone.
SCOPES = {
    "search": "searches, timelines and pictures",
    "library": "listing, describing, changing and deleting videos",
    "media": "playing and downloading the files",
    "uploads": "adding videos",
    "jobs": "watching jobs, cancelling them, trying them again",
    "admin": "index, models, keys, audit",
}

_MEDIA = re.compile(r"/v1/videos/[^/]+/media")
_TIMELINE = re.compile(r"/v1/videos/[^/]+/timeline")
_PREVIEW = re.compile(r"/v1/videos/[^/]+/preview")


@dataclass(frozen=True)
class Need:
    """The lowest role that a call takes, its scope (None: any key's), and the counter that it counts in, if any."""

    role: Role
    scope: str | None
    counted: str | None = None


def need_of(method: str, path: str) -> Need:
    """What a call needs."""
    safe = method in SAFE_METHODS
    reader_or_editor: Role = "reader" if safe else "editor"
    if path.startswith(ADMIN_PREFIX):
        return Need("admin", "admin")
    if _is(path, "/v1/search"):
        return Need("reader", "search", "searches")
    if _TIMELINE.fullmatch(path):
        return Need(reader_or_editor, "search", "searches")
    if _is(path, "/v1/segments") or _PREVIEW.fullmatch(path):
        return Need(reader_or_editor, "search")
    if _MEDIA.fullmatch(path):
        return Need(reader_or_editor, "media")
    if _is(path, "/v1/uploads"):  # also what is read there is somebody's upload in flight
        begins = method == "POST" and path.rstrip("/") == "/v1/uploads"  # the rest are parts of one that was counted
        return Need("editor", "uploads", "uploads" if begins else None)
    if path.rstrip("/") == "/v1/videos" and method == "POST":
        return Need("editor", "uploads", "uploads")
    if _is(path, "/v1/videos"):
        return Need(reader_or_editor, "library")
    if _is(path, "/v1/jobs"):
        return Need(reader_or_editor, "jobs")
    return Need(reader_or_editor, None)


def covers(role: Role, needed: Role) -> bool:
    """Whether a role is as high as the one needed."""
    return ROLES.index(role) >= ROLES.index(needed)


def _is(path: str, resource: str) -> bool:
    """Whether a path is a resource or below it."""
    return path == resource or path.startswith(resource + "/")
