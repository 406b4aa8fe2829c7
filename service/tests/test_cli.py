"""The command line, as a user has it: real processes, a real service; bad input is one line and exit status 1."""

import contextlib
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import DatabaseError, IntegrityError

from models.tests import media_samples
from service.catalogue import open_catalogue
from service.commands.common import told
from service.settings import Settings
from service.tests.processes import all_gone, family_of
from service.tests.test_faults import is_running, job_of
from service.tests.waiting import wait_for

COMMAND = [sys.executable, "-m", "service.cli"]


def run(*arguments: str | Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    if home is not None:
        environment["MMV_HOME"] = str(home)
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def start(home: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """Starts a serving command and waits until it answers."""
    (home / "serve.json").unlink(missing_ok=True)
    command = [*COMMAND, *map(str, arguments or ("serve",)), "--home", str(home), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    wait_for((home / "serve.json").exists)
    return process


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mmv-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(home)
    yield process
    process.send_signal(signal.SIGINT)
    process.wait(10)


@pytest.mark.parametrize("command", [(), ("serve",), ("ingest",), ("search", "text"), ("index",), ("bundle", "show")])
def test_help_is_there_for_every_command(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout


def test_help_loads_neither_torch_nor_the_models() -> None:
    program = """
import sys
from service.cli import app
heavy = {"torch", "faiss", "onnxruntime", "sqlalchemy", "fastapi"} & set(sys.modules)
sys.exit(str(heavy) if heavy else 0)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_ingest_and_search_without_a_service_say_how_to_start_one(home: Path, samples: Path, tmp_path: Path) -> None:
    assert_one_line(run("ingest", samples / "film.mp4", home=tmp_path), "mmv-search serve")
    assert_one_line(run("search", "text", "door", home=tmp_path), "mmv-search serve")
    assert_one_line(run("index", "status", home=tmp_path / "none"), "does not exist")


def test_files_are_taken_in_found_and_known_the_next_time(
    home: Path, samples: Path, service: subprocess.Popen[bytes]
) -> None:
    first = run("ingest", samples / "film.mp4", samples / "sound.wav", samples / "silent.mp4", home=home)
    assert first.returncode == 0, first.stderr
    assert "3 added, 0 failed" in first.stderr
    again = run("ingest", samples / "film.mp4", home=home)
    assert "0 added, 1 were there already, 0 failed" in again.stderr
    found = run("search", "image", samples / "still.png", "-k", "1", "--json", home=home)
    assert json.loads(found.stdout)["results"][0]["title"] == "film"
    segment = json.loads(found.stdout)["results"][0]["segment_id"]
    like = run("search", "like", str(segment), "--without", "a door", "--json", home=home)
    assert like.returncode == 0, like.stderr
    assert segment not in [hit["segment_id"] for hit in json.loads(like.stdout)["results"]]
    for command in (("text", "a door"), ("image", samples / "still.png", "--words", "a door")):
        both = run("search", *command, "--without", "a monster", "--without", "in the dark", "--json", home=home)
        assert both.returncode == 0, both.stderr
        evidence = json.loads(both.stdout)["results"][0]["evidence"]
        assert len({key.partition(":")[0] for key in evidence}) == 3 + (command[0] == "image")
    heard = run("search", "audio", samples / "sound.mp3", "-k", "1", home=home)
    assert heard.returncode == 0, heard.stderr
    assert "sound" in heard.stdout


def test_bad_files_are_told_one_by_one(home: Path, samples: Path, service: subprocess.Popen[bytes]) -> None:
    result = run("ingest", samples / "text.mp4", samples / "empty.mp4", home=home)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "text.mp4: This is not a video" in result.stderr
    assert "empty.mp4: The file is empty" in result.stderr
    assert "0 added, 2 failed" in result.stderr
    assert_one_line(run("ingest", samples / "nothing.mp4", home=home), "does not exist")
    assert_one_line(run("search", "audio", samples / "silent.mp4", home=home), "no sound")
    assert_one_line(run("search", "image", samples / "nothing.png", home=home), "not a file")
    assert_one_line(run("search", "like", "999999", home=home), "no segment", "999999")
    assert_one_line(run("search", "text", "door", "--without", "qxzzyv", home=home), "qxzzyv")


def test_a_film_that_was_set_aside_is_listed_with_its_reason_and_tried_again(
    home: Path, service: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    silent = media_samples.sound_file(tmp_path / "nothing.wav", wave=np.zeros(5 * media_samples.RATE, np.float32))
    first = run("ingest", silent, home=home)
    assert "Nothing can be seen or heard" in first.stderr
    listed = run("jobs", "list", "--status", "failed", "--json", home=home).stdout
    job = json.loads(listed)
    again = run("jobs", "retry", job["video_id"], home=home)
    assert again.returncode == 0, again.stderr
    assert job["video_id"] in again.stdout
    assert job["id"] not in again.stdout
    with contextlib.closing(open_catalogue(Settings(home=home))) as catalogue:
        wait_for(lambda: not catalogue.active_jobs(("ingest",)))
    assert "Nothing can be seen or heard" in run("jobs", "list", "-n", "1", home=home).stdout
    assert run("jobs", "retry", "--all", home=home).stdout.count(job["video_id"]) == 1
    unknown = run("jobs", "retry", "j_0", "v_0", home=home)
    assert (unknown.returncode, unknown.stderr.count("✗")) == (1, 2)
    assert_one_line(run("jobs", "retry", home=home), "--all")


def test_the_index_is_rebuilt_shown_and_verified(home: Path, samples: Path, service: subprocess.Popen[bytes]) -> None:
    built = run("index", "rebuild", home=home)
    assert built.returncode == 0, built.stderr
    assert "visual.fine" in built.stdout
    assert "recall@10 1.000" in run("index", "status", home=home).stdout
    assert "is intact" in run("index", "verify", home=home).stdout


def test_a_second_server_on_the_same_home_or_port_is_refused(home: Path, service: subprocess.Popen[bytes]) -> None:
    address = json.loads((home / "serve.json").read_text())["address"]
    assert_one_line(run("serve", "--port", "0", home=home), "already being served", address)
    other = Path(tempfile.mkdtemp(prefix="mmv-"))
    assert_one_line(run("serve", "--port", address.rsplit(":", 1)[1], home=other), "Cannot listen")
    shutil.rmtree(other)


def test_a_bundle_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="mmv-"))
    assert_one_line(run("serve", "--port", "0", "--bundle", tmp_path, home=home), "bundle")
    shutil.rmtree(home)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("not a folder")
    assert_one_line(run("serve", "--port", "0", "--home", home), str(home), "is a file")
    assert_one_line(run("demo", "--port", "0", "--home", home), str(home), "is a file")
    assert_one_line(run("index", "status", "--home", home), str(home), "is a file")
    assert_one_line(run("search", "text", "door", "--home", home), str(home))


def test_a_damaged_catalogue_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite3").write_bytes(b"no database " * 1000)
    for command in (("serve", "--port", "0"), ("index", "status"), ("index", "verify")):
        assert_one_line(run(*command, "--home", tmp_path), "catalogue.sqlite3", "damaged")


def test_errors_of_the_disk_and_the_database_are_told_in_a_line() -> None:
    assert told(OSError(errno.ENOSPC, "No space left on device", "/home/x")) == "/home/x: No space left on device"
    assert told(OSError(errno.EROFS, "Read-only file system")) == "Read-only file system"
    malformed = sqlite3.DatabaseError("database disk image is malformed")
    assert "malformed" in str(told(DatabaseError("SELECT 1", None, malformed)))
    assert told(OSError("no number: a bug")) is None
    assert told(IntegrityError("INSERT", None, sqlite3.IntegrityError("UNIQUE"))) is None


def test_the_workers_log_level_is_a_word_in_any_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMV_WORKER_LOG", "debug")
    assert_one_line(run("worker", "--home", tmp_path), "No Redis")
    monkeypatch.setenv("MMV_WORKER_LOG", "loud")
    assert_one_line(run("worker", "--home", tmp_path), "MMV_WORKER_LOG", "'loud'", "DEBUG")
    assert_one_line(run("serve", "--home", tmp_path), "MMV_WORKER_LOG")


def test_a_file_that_is_too_large_does_not_end_the_ingest_of_the_others(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(tempfile.mkdtemp(prefix="mmv-"))
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(64 * 1024 * 1024))
    monkeypatch.setenv("MMV_MAX_UPLOAD_BYTES", "2000000")
    process = start(home)
    result = run("ingest", large, samples / "silent.mp4", "--home", home)
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert "Traceback" not in result.stderr
    assert "1 added, 1 failed" in result.stderr
    assert "large.mp4: " in result.stderr
    assert "2 MiB" in result.stderr
    shutil.rmtree(home)


def test_bundles_are_listed_and_shown(tmp_path: Path) -> None:
    assert run("bundle", "list").returncode == 0
    assert "window_s" in run("bundle", "show").stdout
    assert_one_line(run("bundle", "show", "nonsense"), "nonsense")


def test_all_processes_together_stay_small(service: subprocess.Popen[bytes]) -> None:
    resident = sum(process.resident_bytes for process in family_of(service.pid))
    assert resident < 1.5e9


def test_ctrl_c_ends_every_process_within_five_seconds() -> None:
    home = Path(tempfile.mkdtemp(prefix="mmv-"))
    process = start(home)
    everything = family_of(process.pid)
    assert len(everything) > 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    wait_for(lambda: all_gone(everything) and process.poll() is not None, 5)
    assert process.stderr is not None
    said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"started again" not in said
    assert not (home / "serve.json").exists()
    shutil.rmtree(home)


def test_after_kill_9_of_everything_the_next_start_finishes_the_job(samples: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="mmv-"))
    settings = Settings(home=home)
    process = start(home)
    uploading = subprocess.Popen(
        [*COMMAND, "ingest", str(samples / "long.mp4"), "--home", str(home)], stderr=subprocess.DEVNULL
    )
    catalogue = open_catalogue(settings)
    wait_for(lambda: bool(catalogue.jobs()[0]) and is_running(catalogue, catalogue.jobs()[0][0].id))
    everything = family_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: process.poll() is not None and all_gone(everything), 5)
    assert uploading.wait(20) == 1
    (job,) = catalogue.jobs()[0]
    assert job.status == "running"
    process = start(home)
    wait_for(lambda: job_of(catalogue, job.id).status == "done")
    assert job_of(catalogue, job.id).attempts == 2
    catalogue.close()
    everything = family_of(process.pid)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: all_gone(everything) and process.poll() is not None, 5)
    shutil.rmtree(home)


def test_the_demo_takes_its_clips_in_once_and_serves_them(samples: Path, tmp_path: Path) -> None:
    home, clips = Path(tempfile.mkdtemp(prefix="mmv-")), tmp_path / "clips"
    clips.mkdir()
    shutil.copy(samples / "film.mp4", clips / "a.mp4")
    shutil.copy(samples / "silent.mp4", clips / "b.mp4")
    (clips / "manifest.jsonl").write_text('{"file": "a.mp4", "title": "A film", "tags": ["demo"]}\n')
    catalogue = open_catalogue(Settings(home=home))
    for _ in range(2):
        process = start(home, "demo", "--clips", clips)
        assert process.stderr is not None
        said = ""
        while "ctrl-C ends it" not in said and (line := process.stderr.readline().decode()):
            said += line
        assert catalogue.counts()["ready"] == 2, said
        process.send_signal(signal.SIGINT)
        process.wait(10)
        said += process.stderr.read().decode()
        assert "The demo library is at http://127.0.0.1:" in said
    videos, _ = catalogue.videos()
    assert sorted(video.title for video in videos) == ["A film", "b"]
    assert len(catalogue.jobs()[0]) == 2
    catalogue.close()
    shutil.rmtree(home)
