"""What is done now and then is done at once, and then not again for a while."""

import pytest

from service.jobs import now_and_then
from service.jobs.now_and_then import NowAndThen


def test_it_is_due_at_once_and_then_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(now_and_then.time, "monotonic", lambda: now)
    often = NowAndThen(2.0)
    assert [often.due(), often.due()] == [True, False]
    now += 1.9
    assert not often.due()
    now += 0.1
    assert [often.due(), often.due()] == [True, False]
