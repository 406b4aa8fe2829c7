"""`mmv-search keys` and `mmv-search audit`, on a library that nobody serves."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.commands.common import CommandFailed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMV_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path / "home"


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=True)


def told(result: Result) -> str:
    """What a refused command says."""
    assert isinstance(result.exception, CommandFailed), result.output
    return str(result.exception)


def test_a_key_is_printed_once_on_standard_output_and_never_again(home: Path) -> None:
    made = keys("create", "--role", "editor", "--name", "Anna [x]", "--expires", "30d", "--scope", "uploads")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert re.fullmatch(r"mmv_[0-9a-f]{12}_[0-9a-f]{64}", text)
    assert (home.stat().st_mode & 0o777) == 0o700
    listed = keys("list").stdout
    assert text.split("_")[1] in listed
    assert "Anna [x]" in listed
    assert "editor (uploads)" in listed
    assert text.split("_")[2] not in listed
    (key,) = json.loads(keys("list", "--json").stdout)["keys"]
    assert (key["role"], key["scopes"], key["status"], key["created_by"]) == (
        "editor",
        ["uploads"],
        "active",
        "command line",
    )
    assert key["expires_at"].endswith("Z")
    assert "key" not in key


def test_a_key_is_rotated_revoked_and_forgotten(home: Path) -> None:
    first = json.loads(keys("create", "--role", "admin", "--json").stdout)
    second = json.loads(keys("rotate", first["id"], "--grace", "1h", "--json").stdout)
    assert second["id"] == first["id"]
    assert second["key"] != first["key"]
    assert "31d" not in told(keys("rotate", first["id"], "--grace", "31d"))
    assert keys("revoke", first["id"]).exit_code == 0
    assert json.loads(keys("list", "--json").stdout)["keys"][0]["status"] == "revoked"
    assert "revoked or has expired" in told(keys("rotate", first["id"]))
    assert keys("revoke", first["id"], "--forget").exit_code == 0
    assert json.loads(keys("list", "--json").stdout)["keys"] == []
    assert "need none" in keys("list").output
    assert keys("sign-out").exit_code == 0

    log = CliRunner().invoke(app, ["audit", "--json"]).stdout.splitlines()
    done = ["sessions.ended", "key.forgotten", "key.revoked", "key.rotated", "key.created"]
    assert [json.loads(line)["action"] for line in log] == done
    assert {json.loads(line)["actor"] for line in log} == {"command line"}
    assert "key.created" in CliRunner().invoke(app, ["audit"]).stdout


def test_what_cannot_be_done_is_told_in_a_sentence(home: Path) -> None:
    assert "does not exist" in told(keys("list"))
    assert "30d" in told(keys("create", "--role", "reader", "--expires", "tomorrow"))
    assert keys("create", "--role", "owner").exit_code == 2
    assert keys("create").exit_code == 2
    made = json.loads(keys("create", "--role", "reader", "--json").stdout)
    assert "'nothing'" in told(keys("revoke", "nothing"))
    assert made["key"] not in told(keys("revoke", made["key"]))
    assert "serve" in told(keys("link"))
