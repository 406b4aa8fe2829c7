"""The audit log of admin actions: who did what, kept in the catalogue.

Where the action is a write to the catalogue, its own transaction adds the entry (`catalogue.audit.append_audit`); else
`record` adds one right after. Neither secrets nor what was deleted (titles, file names) belong into an entry.
"""

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from service.catalogue import Catalogue

# Who acts without an HTTP request: somebody who can read the library's folder.
COMMAND_LINE = "command line"

Action = Literal[
    "key.created",
    "key.revoked",
    "key.rotated",
    "key.forgotten",
    "link.made",
    "session.opened",
    "sessions.ended",
    "bundle.promoted",
    "bundle.rolled_back",
    "bundle.adapt_started",
    "bundle.rebuild_started",
    "index.rebuild_started",
    "index.promoted",
    "index.discarded",
    "index.rolled_back",
    "golden_queries.set",
    "job.cancelled",
    "video.deleted",
    "library.restored",
]


def record(
    catalogue: "Catalogue",
    actor: str,
    action: Action,
    subject: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Adds an entry. `actor` is a caller's (`service.auth.CallerOf`) or COMMAND_LINE; `subject` is an id or a name."""
    catalogue.add_audit(actor, action, subject, details)
