from __future__ import annotations

import pytest

from index import SpaceKey


def test_a_key_reads_back_from_its_text() -> None:
    key = SpaceKey("sound", "coarse")
    assert str(key) == "sound.coarse"
    assert SpaceKey.parse("sound.coarse") == key


def test_keys_are_ordered() -> None:
    assert sorted([SpaceKey("visual", "coarse"), SpaceKey("sound", "fine"), SpaceKey("sound", "coarse")]) == [
        SpaceKey("sound", "coarse"),
        SpaceKey("sound", "fine"),
        SpaceKey("visual", "coarse"),
    ]


@pytest.mark.parametrize("text", ["", "sound", "sound.", ".fine", "../x.fine", "sound.fine.x", "Sound.fine"])
def test_what_could_not_be_a_file_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        SpaceKey.parse(text)
