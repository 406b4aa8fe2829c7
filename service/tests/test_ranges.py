"""Parts of files."""

import pytest

from service.problems import Refused
from service.ranges import parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        (" BYTES=0-1 ", (0, 2)),
    ],
)
def test_one_range_of_bytes_is_served(header: str, part: tuple[int, int]) -> None:
    assert parse_range(header, 100) == part


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=-", "bytes=5-2", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", "bytes", "bytes=1-2-3", "bytes=٣-"],
)
def test_anything_else_gives_the_whole_file(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_is_a_problem_that_names_the_size(header: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_range(header, 100)
    assert refused.value.code == "range_not_satisfiable"
    assert refused.value.headers == {"Content-Range": "bytes */100"}


def test_numbers_of_thousands_of_digits_are_beyond_the_file() -> None:
    huge = "9" * 10_000
    assert parse_range(f"bytes=5-{huge}", 100) == (5, 100)
    assert parse_range(f"bytes=-{huge}", 100) == (0, 100)
    assert parse_range(f"bytes={'0' * 10_000}5-9", 100) == (5, 10)
    assert parse_range(f"bytes={huge}-5", 100) is None
    with pytest.raises(Refused) as caught:
        parse_range(f"bytes={huge}-", 100)
    assert caught.value.code == "range_not_satisfiable"
