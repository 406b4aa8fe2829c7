"""Messages of the decode child: a JSON header and raw arrays. Never unpickled: the sender has parsed hostile bytes."""

import json
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

# The largest thing a child may send in one piece; a window of 32 frames of 400x400 has 15 MB.
MAX_PART_BYTES = 256 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_PARTS = 8
DTYPES: dict[str, np.dtype[np.uint8] | np.dtype[np.float32]] = {
    "u1": np.dtype(np.uint8),
    "f4": np.dtype(np.float32),
}

Parts = list[np.ndarray]


class BadMessage(Exception):
    """What came through the pipe is not a message of ours."""


def send(connection: Connection, header: dict[str, Any], parts: Parts) -> None:
    """Sends uint8 and float32 arrays of any shape behind a header."""
    described = [{"dtype": part.dtype.str[1:], "shape": part.shape} for part in parts]
    connection.send_bytes(json.dumps({**header, "parts": described}).encode())
    for part in parts:
        connection.send_bytes(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)


def receive(connection: Connection) -> tuple[dict[str, Any], Parts]:
    """The next message. Raises BadMessage, and EOFError or OSError when the sender is gone."""
    raw = connection.recv_bytes(MAX_HEADER_BYTES)
    try:
        header = json.loads(raw)
        described = [(DTYPES[part["dtype"]], tuple(map(int, part["shape"]))) for part in header.pop("parts")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadMessage(str(error)) from error
    if len(described) > MAX_PARTS:
        raise BadMessage(f"{len(described)} parts")
    parts = []
    for dtype, shape in described:
        data = connection.recv_bytes(MAX_PART_BYTES)
        try:
            parts.append(np.frombuffer(data, dtype=dtype).reshape(shape))
        except ValueError as error:
            raise BadMessage(str(error)) from error
    return header, parts
