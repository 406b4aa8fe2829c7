"""API keys as text: `mmv_<id>_<secret>`. What is stored is the SHA-256 of the whole text.

The secret has 256 random bits, so a plain digest cannot be guessed backwards, and checking one costs microseconds;
slow hashes are for passwords that people think up. Hexadecimal throughout: a double click takes the whole key, and none
begins with a dash.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.catalogue.records import ApiKey, Role

if TYPE_CHECKING:
    from service.catalogue import Catalogue

KEY = re.compile(r"mmv_(?P<id>[0-9a-f]{12})_[0-9a-f]{64}")
SESSION = re.compile(r"(?P<id>[0-9a-f]{16})\.[0-9a-f]{64}")
# An old secret that goes on for a while, so that those who use it can be given the new one.
LONGEST_GRACE = timedelta(days=30)
LONGEST_LIFE = timedelta(days=3650)
LONGEST_NAME = 100

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Issued:
    """A key with its text, which is shown once and kept nowhere."""

    key: ApiKey
    text: str


def digest(text: str) -> str:
    """What is stored of a secret: SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, stored: str | None) -> bool:
    """Whether a text is the one whose digest was stored, in constant time."""
    return stored is not None and hmac.compare_digest(digest(text), stored)


def key_id_of(text: str) -> str | None:
    """The id in the text of a key; None when it is not one."""
    found = KEY.fullmatch(text)
    return found["id"] if found else None


def session_id_of(cookie: str) -> str | None:
    """The id in the value of a session's cookie; None when it is not one."""
    found = SESSION.fullmatch(cookie)
    return found["id"] if found else None


def new_secret() -> str:
    """256 random bits, hexadecimal."""
    return secrets.token_hex(32)


def create_key(
    catalogue: "Catalogue",
    role: Role,
    actor: str,
    *,
    name: str = "",
    scopes: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> Issued:
    """Makes a key; `actor` goes into the audit log."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:LONGEST_NAME]
    key_id = secrets.token_hex(6)
    text = f"mmv_{key_id}_{new_secret()}"
    return Issued(catalogue.add_key(key_id, digest(text), role, actor, name, scopes, expires_at), text)


def rotate_key(catalogue: "Catalogue", key_id: str, actor: str, grace: timedelta = timedelta(0)) -> Issued | None:
    """Gives a key a new secret; the old one is valid for `grace` more. None when there is no such key.

    Raises KeyOver when it was revoked or has expired.
    """
    text = f"mmv_{key_id}_{new_secret()}"
    key = catalogue.replace_key_secret(key_id, digest(text), grace, actor)
    return None if key is None else Issued(key, text)


def parse_duration(said: str) -> timedelta:
    """A time span such as "90s", "30m", "12h", "30d" or "8w". Raises ValueError with a sentence."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw])\s*", said.lower())
    if not found or int(found[1]) == 0:
        raise ValueError(f"{said!r} is not a time span; write for example 90s, 30m, 12h, 30d or 8w.")
    seconds = int(found[1]) * _UNITS[found[2]]
    if seconds > LONGEST_LIFE.total_seconds():
        raise ValueError(f"{said} is longer than {LONGEST_LIFE.days} days, the most there is.")
    return timedelta(seconds=seconds)
