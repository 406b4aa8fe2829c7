"""A folder that grows: what is complete is given once, and nothing is lost while the service is away."""

import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from service.commands import watching
from service.commands.beside import Beside
from service.commands.client import Client, ServiceError
from service.commands.ingest import item_of, media_files
from service.commands.notes import Notes
from service.commands.watching import Watcher, watch


def test_a_file_is_given_once_it_stays_as_it_is_and_again_when_it_changes(tmp_path: Path) -> None:
    watcher = Watcher(lambda: media_files([tmp_path]), settled_after_s=2.0)
    film = tmp_path / "sub" / "film.mp4"
    film.parent.mkdir()
    film.write_bytes(b"be")
    (tmp_path / ".hidden.mp4").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    (tmp_path / "empty.mp4").touch()
    assert watcher.look(0.0) == []
    assert watcher.look(1.0) == []
    film.write_bytes(b"begun")
    assert watcher.look(3.0) == []
    assert watcher.look(4.0) == []
    assert watcher.look(5.0) == [film]
    assert watcher.look(6.0) == [film]  # until somebody says that it was dealt with
    watcher.given(film)
    assert watcher.look(9.0) == []
    os.utime(film, (1, 1))
    assert watcher.look(10.0) == []
    assert watcher.look(12.0) == [film]
    film.unlink()
    assert watcher.look(13.0) == []


class Service:
    """What a watcher sees of one: it can be away, and full."""

    def __init__(self) -> None:
        self.away, self.full, self.uploads, self.lives = 2, 1, list[str](), 0

    def find(self) -> Client | None:
        if self.away:
            self.away -= 1
            return None
        self.lives += 1
        return self  # type: ignore[return-value]  # as much of one as is asked for

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, path: str) -> dict[str, Any]:
        if path.startswith("/v1/videos/"):
            raise ServiceError(404, {})
        if path.startswith("/v1/jobs/"):
            return {"status": "failed" if "bad" in path else "done", "progress": 1.0, "problem": {"detail": "no film"}}
        return {}

    def send_file(self, path: str, file: Path, fields: dict[str, str], beside: dict[str, bytes]) -> dict[str, Any]:
        if self.full:
            self.full -= 1
            raise ServiceError(507, {"detail": "The disk is full."})
        self.uploads.append(f"{file.name} {fields.get('tags')} {sorted(beside)}")
        return {"job_id": f"j_{file.stem}", "video_id": "v_1"}


def test_a_service_that_is_away_or_full_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AWAY_S", (0.01, 0.02))
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "bad.mp4"):
        (folder / name).write_bytes(name.encode())
    (folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    service, rounds = Service(), 0

    def stop() -> bool:
        nonlocal rounds
        rounds += 1
        if len(service.uploads) == 2 and not (folder / "late.mp4").exists():
            (folder / "late.mp4").write_bytes(b"late")
        return rounds > 400 or len(service.uploads) == 3

    outcome = watch(
        service.find,
        lambda: media_files([folder]),
        lambda path: item_of(path, ("t",), Beside()),
        Notes(tmp_path / "notes.json"),
        Console(quiet=True),
        settled_after_s=0.02,
        look_every_s=0.02,
        stop=stop,
    )
    assert service.uploads == ["a.mp4 t ['subtitles']", "bad.mp4 t []", "late.mp4 t []"]
    assert (outcome.added, [path.name for path, _ in outcome.failed]) == (2, ["bad.mp4"])
    assert service.lives == 2
    assert (tmp_path / "notes.json").exists()


class Slow(Service):
    """Takes what it gets, and is at it for some time; one file breaks it."""

    def __init__(self) -> None:
        super().__init__()
        self.away = self.full = 0
        self.at_work: dict[str, int] = {}
        self.most = 0

    def get(self, path: str) -> dict[str, Any]:
        if not path.startswith("/v1/jobs/"):
            return super().get(path)
        job = path.rsplit("/", 1)[1]
        self.at_work[job] = left = self.at_work[job] - 1
        if left <= 0:
            del self.at_work[job]
        return {"status": "running" if left > 0 else "done", "progress": 0.5, "problem": None}

    def send_file(self, path: str, file: Path, fields: dict[str, str], beside: dict[str, bytes]) -> dict[str, Any]:
        if file.name == "a-poison.mp4":
            raise ServiceError(500, {"detail": "The server failed on this request."})
        answer = super().send_file(path, file, fields, beside)
        self.at_work[answer["job_id"]] = 3
        self.most = max(self.most, len(self.at_work))
        return answer


def test_many_files_at_once_do_not_run_ahead_and_a_poisoned_one_holds_up_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PENDING", 2)
    monkeypatch.setattr("service.commands.uploading.POLL_S", 0.0)
    for name in ("a-poison.mp4", *(f"{number}.mp4" for number in range(6))):
        (tmp_path / name).write_bytes(name.encode())
    service, rounds = Slow(), 0

    def stop() -> bool:
        nonlocal rounds
        rounds += 1
        return rounds > 200 or (len(service.uploads) == 6 and not service.at_work)

    outcome = watch(
        service.find,
        lambda: media_files([tmp_path]),
        lambda path: item_of(path, (), Beside()),
        Notes(None),
        Console(quiet=True),
        settled_after_s=0.02,
        look_every_s=0.02,
        stop=stop,
    )
    assert len(service.uploads) == 6
    assert [path.name for path, _ in outcome.failed] == ["a-poison.mp4"]
    assert service.most <= 2
