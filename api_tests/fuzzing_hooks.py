"""Loaded by Schemathesis itself: every other path names something that is really there."""

import json
import os
import zlib
from typing import Any

import schemathesis

KNOWN: dict[str, list[Any]] = json.loads(os.environ.get("MMV_FUZZ_KNOWN", "{}"))


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """The choice depends on what was generated alone, so that a failure can be made again."""
    for name, values in KNOWN.items():
        if path_parameters and name in path_parameters and values:
            number = zlib.crc32(repr(path_parameters[name]).encode(errors="replace"))
            if number % 2:
                path_parameters[name] = values[number // 2 % len(values)]
    return path_parameters


@schemathesis.serializer("application/offset+octet-stream")
def raw_bytes(context: Any, value: Any) -> bytes:
    """A part of a resumable upload."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
