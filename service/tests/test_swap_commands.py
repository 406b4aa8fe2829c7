"""Rebuilding the index of a library at rest from the command line: held, looked at, confirmed, taken back."""

from pathlib import Path

import pytest

from models.bundle import Bundle
from service.catalogue import Catalogue
from service.settings import Settings
from service.swap_job import tidy_home
from service.tests.swapping import Swapping
from service.tests.test_bundles import refusal, said


@pytest.fixture
def home(settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Swapping:
    home = Swapping(settings, library, tiny, other, tmp_path)
    tidy_home(settings, library)
    return home


def test_the_index_of_a_library_at_rest_is_rebuilt_held_confirmed_and_taken_back(home: Swapping) -> None:
    home.add(1)
    at = home.settings.home
    built = said("index", "rebuild", "--hold", home=at)
    assert "visual.fine: " in built
    assert "recall@10 1.000" in built
    assert "Nothing is switched yet" in built
    assert home.served.number == 1
    shown = said("index", "candidate", home=at)
    assert shown.startswith("rebuild of tiny (")
    assert ": ready" in shown
    assert "counts: passed" in shown
    assert "confirm it or discard it first" in refusal("index", "rebuild", home=at)
    assert "golden queries: 1.00 of the first ten stay" in said("index", "confirm", home=at)
    assert (home.served.number, home.served.reason) == (2, "rebuild")
    first = home.served.generation
    said("index", "rebuild", home=at)
    assert f"searched again: tiny ({home.old.fingerprint[:12]}) with {first}" in said("index", "rollback", home=at)
    assert "is intact" in said("index", "verify", home=at)
    assert f"generation {first}" in said("index", "status", home=at)


def test_a_rebuild_at_rest_that_fails_its_check_is_told_in_one_line(
    home: Swapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(1)
    monkeypatch.setattr("index.generation._recall", lambda index, oracle: 0.5)
    assert "0.950 is required" in refusal("index", "rebuild", home=home.settings.home)
    assert home.served.number == 1
    assert home.candidate.state == "refused"
    said("index", "discard", home=home.settings.home)
    assert home.catalogue.candidate() is None
