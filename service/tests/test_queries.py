"""A moment of the library as a query."""

import numpy as np

from index.spaces import SpaceKey
from service.queries import segment_query

SPACES = ("fine", "coarse", "instance")


def stored(*channels: str) -> dict[tuple[str, str], np.ndarray]:
    """Vectors of a number of their own; of pictures seven rows, told apart by their first number."""
    out = {}
    for i, channel in enumerate(channels):
        for j, space in enumerate(SPACES if channel != "visual" else SPACES[:2]):
            rows = np.full((7 if channel == "frame" else 1, 4), 10 * i + j, np.float16)
            rows[:, 0] = np.arange(len(rows))
            out[channel, space] = rows
    return out


def test_a_moment_with_picture_and_sound_is_compared_with_its_like_alone() -> None:
    kind, vectors = segment_query(stored("visual", "frame", "sound"))
    assert kind == "video"
    assert len(vectors) == 2 + 3 + 3
    assert all(rows.dtype == np.float32 and rows.shape == (1, 4) for rows in vectors.values())
    assert vectors[SpaceKey("frame", "instance")][0, 0] == 3  # the middle picture
    assert vectors[SpaceKey("sound", "fine")][0, 1] == 20


def test_what_is_only_seen_or_only_heard_is_compared_across_in_the_spaces_that_are_shared() -> None:
    kind, vectors = segment_query(stored("visual", "frame"))
    assert kind == "video"
    assert (vectors[SpaceKey("sound", "coarse")] == vectors[SpaceKey("visual", "coarse")]).all()
    assert SpaceKey("sound", "instance") not in vectors
    kind, vectors = segment_query(stored("sound"))
    assert kind == "audio"
    assert (vectors[SpaceKey("visual", "fine")] == vectors[SpaceKey("sound", "fine")]).all()
    assert SpaceKey("visual", "instance") not in vectors
