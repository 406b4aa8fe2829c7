"""One server with a small library for all tests that only read, or clean up behind themselves; figures at the end."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api_tests.server import Server
from models.tests import media_samples

__all__ = ["Server"]

DEMO_CLIPS = Path(media_samples.__file__).parent.parent / "demo" / "library"
# Real game clips among them, and films and sounds that the network has never seen the like of.
GAME_CLIPS = 6
FILMS = range(1, 7)
FILM_S = 12.0

_figures: list[str] = []


@dataclass(frozen=True)
class Library:
    """What the shared server's library holds, by video id."""

    films: dict[int, str]  # seed -> film with sound
    silent: str
    sound: str
    clips: list[str]

    @property
    def everything(self) -> set[str]:
        return {*self.films.values(), self.silent, self.sound, *self.clips}


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the command line remembers of files it hashed goes nowhere else."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the library that `library` describes."""
    server = Server(tmp_path_factory.mktemp("served") / "home")
    yield server
    note(f"resident memory of all processes: {server.resident_mb():.0f} MB")
    note(f"ready after {server.ready_s:.1f} s, stopped within {server.stop():.1f} s")


@pytest.fixture(scope="session", autouse=True)
def library(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Uploads the library, and waits until all of it can be searched."""
    folder = tmp_path_factory.mktemp("samples")
    uploads = {seed: media_samples.film(folder / f"film-{seed}.mp4", seed, FILM_S) for seed in FILMS}
    films = {seed: server.upload(path, title=f"Film {seed}", tags="film") for seed, path in uploads.items()}
    silent = server.upload(media_samples.silent_film(folder / "silent.mp4", 7), tags="film,silent")
    sound = server.upload(media_samples.sound_file(folder / "sound.mp3", 8, FILM_S), tags="sound")
    clips = [server.upload(path) for path in sorted(DEMO_CLIPS.glob("*.mp4"))[:GAME_CLIPS]]
    for uploaded in [*films.values(), silent, sound, *clips]:
        job = server.wait(uploaded["job_id"])
        assert job["status"] == "done", job
    return Library(
        {seed: answer["video_id"] for seed, answer in films.items()},
        silent["video_id"],
        sound["video_id"],
        [clip["video_id"] for clip in clips],
    )


def note(line: str) -> None:
    """A figure to be shown at the end of the run; nothing depends on it, as it depends on the machine."""
    _figures.append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.write_line(line)
