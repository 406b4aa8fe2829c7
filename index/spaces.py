"""Which vectors are compared with which: a channel of the film and a space of the network."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Both parts become part of file names, so nothing but plain words is allowed.
_PART = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, order=True)
class SpaceKey:
    """Where a vector comes from (channel: visual, frame, sound) and where it lives (space: fine, coarse, ...).

    Vectors of one key have one dimension and may be compared; vectors of two keys never are.
    """

    channel: str
    space: str

    def __post_init__(self) -> None:
        for part in (self.channel, self.space):
            if not _PART.fullmatch(part):
                raise ValueError(f"a channel or space is lower-case letters, digits and _, not {part!r}")

    def __str__(self) -> str:
        return f"{self.channel}.{self.space}"

    @classmethod
    def parse(cls, text: str) -> SpaceKey:
        """The inverse of str(): "visual.fine" -> SpaceKey("visual", "fine"). Raises ValueError."""
        channel, dot, space = text.partition(".")
        if not dot:
            raise ValueError(f"expected channel.space, not {text!r}")
        return cls(channel, space)
