"""A folder that grows: what is complete is given once, and nothing is lost while the service is away."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from models.tests import media_samples
from service.commands import watching
from service.commands.beside import Beside
from service.commands.client import Client, ServiceError
from service.commands.ingest import item_of, media_files
from service.commands.notes import Notes
from service.commands.uploading import Outcome, Uploading, shown
from service.commands.watching import Watcher, watch
from service.settings import Settings

CUE = "1\n00:00:01,000 --> 00:00:02,000\n"


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


def test_subtitles_that_come_or_change_later_give_their_film_again(tmp_path: Path) -> None:
    film, subtitles = tmp_path / "film.mp4", tmp_path / "film.srt"
    watcher = Watcher(lambda: media_files([tmp_path]), 2.0, lambda path: item_of(path, (), Beside()).subtitles)
    film.write_bytes(b"film")

    def looks(first: float) -> list[list[Path]]:
        return [watcher.look(now) for now in (first, first + 1, first + 2)]

    assert looks(0.0) == [[], [], [film]]
    assert not watcher.has_film(film)
    watcher.given(film)
    subtitles.touch()  # begun
    assert looks(10.0) == [[], [], []]
    subtitles.write_text(CUE + "Hello\n")
    assert looks(20.0) == [[], [], [film]]
    assert watcher.has_film(film)
    watcher.given(film)
    subtitles.unlink()
    assert looks(30.0) == [[], [], []]
    subtitles.write_text(CUE + "Hello again\n")
    assert looks(40.0) == [[], [], [film]]
    film.write_bytes(b"another film")
    assert looks(50.0) == [[], [], [film]]
    assert not watcher.has_film(film)


def test_a_watched_folder_gives_films_their_later_subtitles_without_sending_them_again(
    service: int, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, beside = tmp_path / "films", Beside()
    folder.mkdir()
    film, subtitles = media_samples.film(folder / "film.mp4", 1, 4.0), folder / "film.srt"
    sent: list[str] = []
    send_file = Client.send_file

    def noted(self: Client, path: str, file: Path, *rest: Any, **more: Any) -> Any:
        sent.append(file.name)
        return send_file(self, path, file, *rest, **more)

    monkeypatch.setattr(Client, "send_file", noted)
    with Client(f"http://127.0.0.1:{service}", settings) as client:

        def held() -> str | None:
            (video,) = client.get("/v1/videos")["videos"]
            return None if video["subtitles_url"] is None else client._http.get(video["subtitles_url"]).text

        def go_on(notes: Notes, *steps: tuple[Callable[[], object], Callable[[], bool]]) -> Outcome:
            """Watches; after each step until it had its effect."""
            left, until = list(steps), time.monotonic() + 60
            left[0][0]()

            def stop() -> bool:
                if left and sent and left[0][1]():
                    left.pop(0)
                    if left:
                        left[0][0]()
                return not left or time.monotonic() > until

            outcome = watch(
                lambda: Client(client.address, settings),
                lambda: media_files([folder]),
                lambda path: item_of(path, (), beside),
                notes,
                Console(quiet=True),
                settled_after_s=0.05,
                look_every_s=0.05,
                stop=stop,
            )
            assert left == []
            return outcome

        def says(word: str) -> Callable[[], bool]:
            return lambda: word in (held() or "")

        outcome = go_on(
            Notes(tmp_path / "notes.json"),
            (lambda: None, lambda: held() is None),
            (lambda: subtitles.write_text(CUE + "Hello\n"), says("Hello")),
            (lambda: subtitles.write_text(CUE + "Goodbye\n"), says("Goodbye")),
        )
        assert outcome.subtitled == 2
        (video,) = client.get("/v1/videos")["videos"]
        where = f"/v1/videos/{video['id']}/subtitles"
        client.send("PUT", where, {"Content-Type": "text/plain"}, (CUE + "Put by hand\n").encode())

        def ingest() -> Outcome:
            """As `mmv-search ingest` when it is run again, but for waiting for the film's job: there is no worker."""
            with shown(Console(quiet=True)) as progress:
                uploading = Uploading(client, Notes(tmp_path / "notes.json"), progress)
                uploading.add(item_of(film, (), beside))
                uploading.save()
            assert uploading.pending == 1
            return uploading.outcome

        assert ingest().subtitled == 0  # what was sent is not sent again
        assert says("Put by hand")()
        subtitles.write_text(CUE + "At last\n")
        assert ingest().subtitled == 1
        assert says("At last")()
        subtitles.write_text("no cue")
        assert ingest().subtitled == 0
        assert says("At last")()
        client.send("DELETE", where)
        subtitles.write_text(CUE + "At last\n")
        assert ingest().subtitled == 1
    assert sent == ["film.mp4"]
