"""Accepting the licence of the published weights: at a real terminal, and where there is none."""

import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from models.pretrained import licence
from models.pretrained.licence import LicenceNotAccepted, confirm_licence

PROGRAM = """
from rich.console import Console
from models.pretrained.licence import LicenceNotAccepted, confirm_licence
try:
    confirm_licence(False, Console(stderr=True))
except LicenceNotAccepted as error:
    print("REFUSED", error)
else:
    print("ACCEPTED")
"""


def answered(keys: bytes) -> str:
    """What is seen at a terminal at which somebody types these keys once asked."""
    ours, theirs = pty.openpty()
    seen = b""
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    ) as child:
        os.close(theirs)
        typed, deadline = False, time.monotonic() + 60
        with contextlib.suppress(OSError):  # Linux ends a terminal that nobody holds with an error
            while time.monotonic() < deadline and (data := os.read(ours, 4096)):
                seen += data
                if not typed and b"[y/N]" in seen:
                    os.write(ours, keys)
                    typed = True
        child.wait(20)
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def test_a_person_is_shown_the_licence_and_asked() -> None:
    seen = answered(b"y\n")
    assert "CC BY-NC 4.0" in seen
    assert licence.URL in seen
    assert "Self-Supervised MultiModal Versatile Networks" in seen
    assert "commercial" in seen
    assert "ACCEPTED" in seen


@pytest.mark.parametrize("keys", [b"\n", b"n\n", b"\x04"])
def test_all_but_yes_is_no(keys: bytes) -> None:
    assert "REFUSED The licence was not accepted, so nothing was downloaded." in answered(keys)


def test_without_a_terminal_the_option_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "--accept-licence" in done.stdout
    assert "CC BY-NC 4.0" in done.stderr


def test_a_terminal_console_alone_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is a pipe: what it holds is no consent."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(LicenceNotAccepted, match="--accept-licence"):
        confirm_licence(False, Console(file=io.StringIO(), force_terminal=True))


def test_accepted_beforehand_nothing_is_asked() -> None:
    shown = io.StringIO()
    confirm_licence(True, Console(file=shown))
    assert "CC BY-NC 4.0" in shown.getvalue()
    assert shown.getvalue().count("\n") == 1
