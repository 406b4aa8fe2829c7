"""The command line, as a user has it: real processes, a real service; bad input is one line and exit status 1."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.catalogue import open_catalogue
from service.settings import Settings
from service.tests.processes import all_gone, family_of
from service.tests.test_faults import is_running, job_of, wait_for

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
    assert_one_line(run("serve", "--bundle", tmp_path, home=home), "bundle")
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
    told = process.stderr.read()
    assert b"Traceback" not in told
    assert b"started again" not in told
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
        wait_for(lambda: catalogue.counts()["ready"] == 2)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.wait(10)
        assert process.stderr is not None
        told = process.stderr.read().decode()
        assert "The demo library is at http://127.0.0.1:" in told
    videos, _ = catalogue.videos()
    assert sorted(video.title for video in videos) == ["A film", "b"]
    assert len(catalogue.jobs()[0]) == 2
    catalogue.close()
    shutil.rmtree(home)
