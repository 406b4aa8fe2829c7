"""Backups round-trip a library that is written to meanwhile, on both databases; nothing half-made passes for whole."""

import hashlib
import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from service.backup import BackupError, Repository, back_up, restore
from service.backup.packing import stamp_of
from service.backup.repository import _checksum
from service.catalogue import Catalogue, CatalogueError, Video, open_catalogue
from service.catalogue.tables import Base
from service.cli import app
from service.media.store import MediaStore
from service.settings import Settings
from service.supervisor import CannotServe, home_lock
from service.tests.test_erasure import BUNDLE, OLD_BUNDLE, add, delete, vector_of

# Not the same in the original and in what was restored from it, on purpose (`catalogue_copy.prepare`).
CHANGED = {"library", "audit", "revision", "changes"}


def no_report(done: float, stage: str) -> None:
    assert 0 <= done <= 1


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Settings:
    """A second, empty home, with SQLite."""
    return settings.model_copy(update={"home": tmp_path / "other", "database_url": None})


@pytest.fixture
def same_kind(other: Settings, any_settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """A second, empty home, with a database of the same kind."""
    if any_settings.database_url is None:
        return other
    return other.model_copy(update={"database_url": request.getfixturevalue("empty_postgres_url")})


def dump(library: Catalogue) -> dict[str, Any]:
    """Every row of every table but those that are to differ."""
    with library._database.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
            for table in Base.metadata.sorted_tables
            if table.name not in CHANGED
        }


def check_video(settings: Settings, library: Catalogue, video: Video, bundles: tuple[str, ...]) -> None:
    """All of a video is there: its film, its pictures, every vector of every segment."""
    path = MediaStore(settings.media_dir).path(video.sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == video.sha256
    assert (settings.thumbnails_dir / video.id / "0.jpg").read_bytes() == b"jpeg"
    for bundle in bundles:
        stored = [vectors for _, _, _, vectors in library.vectors(bundle, [video.id])]
        assert [v.tobytes() for v in stored] == [vector_of(video, bundle, i).tobytes() for i in range(3)]


def test_a_library_comes_back_as_it_was(any_settings: Settings, any_library: Catalogue, same_kind: Settings) -> None:
    first, second = (add(any_settings, any_library, content) for content in (b"one", b"two"))
    (any_settings.home / "previews").mkdir()
    (any_settings.home / "previews" / f"{first.id}.mp4").write_bytes(b"preview")
    bundle = any_settings.bundles_dir / "some-bundle"
    bundle.mkdir(parents=True)
    (bundle / "bundle.json").write_text("{}")
    any_settings.active_bundle_file.write_text("some-bundle\n")
    token = any_settings.admin_token()
    gone = add(any_settings, any_library, b"three")
    last = any_library.segment_ids(BUNDLE)[-1]
    delete(any_settings, any_library, gone)
    before = dump(any_library)

    backups = any_settings.home.parent / f"{any_settings.home.name}-backups"
    summary = back_up(any_settings, backups, no_report)
    assert (summary.videos, summary.missing, summary.deleted_meanwhile) == (2, [], 0)
    assert Repository(backups).verify(Repository(backups).read(), no_report) == []
    assert not any(token.encode() in path.read_bytes() for path in backups.rglob("*") if path.is_file())
    restore(same_kind, backups, no_report)

    library = open_catalogue(same_kind)
    after = dump(library)
    assert after.pop("servings", None) is not None
    assert before.pop("servings", None) is not None
    assert [entry.action for entry in library.audit()[0]] == ["library.restored"]
    assert after == before
    for video in (first, second):
        check_video(same_kind, library, video, (OLD_BUNDLE, BUNDLE))
    assert (same_kind.home / "previews" / f"{first.id}.mp4").read_bytes() == b"preview"
    assert same_kind.active_bundle_file.read_text() == "some-bundle\n"
    assert (same_kind.bundles_dir / "some-bundle" / "bundle.json").read_text() == "{}"
    assert not same_kind.admin_token_path.exists()
    assert library.library_id() != any_library.library_id()
    assert library.revision() > any_library.revision()
    new = add(same_kind, library, b"four")
    assert min(segment for _, _, segment, _ in library.vectors(BUNDLE, [new.id])) > last  # ids never come back
    library.close()
    shutil.rmtree(backups)


def test_what_is_written_during_a_backup_is_in_it_whole_or_not_at_all(
    any_settings: Settings, any_library: Catalogue, other: Settings, tmp_path: Path
) -> None:
    for number in range(3):
        add(any_settings, any_library, f"before {number}".encode())
    over, added = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            mine = open_catalogue(any_settings)
            number = 0
            while not over.is_set():
                video = add(any_settings, mine, f"meanwhile {number}".encode())
                mine.update_video(video.id, title=f"Title {number}")
                if number % 3 == 0:
                    delete(any_settings, mine, video)
                number += 1
                added.set()
            mine.close()
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert added.wait(60)

    def slowly(done: float, stage: str) -> None:
        added.clear()
        if stage == "films" and not added.wait(60):
            raise AssertionError("nothing was written meanwhile")

    try:
        summary = back_up(any_settings, tmp_path / "backups", slowly)
    finally:
        over.set()
        writer.join()
    assert failures == []
    assert summary.missing == []
    restore(other, tmp_path / "backups", no_report)
    library = open_catalogue(other)
    videos = library.videos(limit=1000)[0]
    assert len(videos) == summary.videos >= 3
    for video in videos:
        bundles = tuple(b for b in (OLD_BUNDLE, BUNDLE) if list(library.vectors(b, [video.id])))
        if video.status == "ready" and (other.thumbnails_dir / video.id).exists():
            check_video(other, library, video, bundles)
        else:  # it was just being added
            assert MediaStore(other.media_dir).path(video.sha256).is_file()
    assert set(MediaStore(other.media_dir).stored()) == {video.sha256 for video in videos}
    library.close()


def test_a_backup_moves_a_library_to_postgresql_and_back(
    settings: Settings, library: Catalogue, other: Settings, empty_postgres_url: str, tmp_path: Path
) -> None:
    video = add(settings, library, b"film")
    library.update_video(video.id, title="Füße \u4e2d 'quoted' \"twice\"", tags=["a", "ü"])
    before = dump(library)
    back_up(settings, tmp_path / "first", no_report)
    moved = other.model_copy(update={"database_url": empty_postgres_url})
    restore(moved, tmp_path / "first", no_report)
    postgres = open_catalogue(moved)
    assert dump(postgres) == before
    back_up(moved, tmp_path / "second", no_report)
    postgres.close()
    back = other.model_copy(update={"home": tmp_path / "back"})
    restore(back, tmp_path / "second", no_report)
    returned = open_catalogue(back)
    assert dump(returned) == before
    assert [entry.action for entry in returned.audit()[0]] == ["library.restored"] * 2
    check_video(back, returned, video, (OLD_BUNDLE, BUNDLE))
    returned.close()


def test_a_second_backup_brings_only_what_is_new_and_links_films(
    settings: Settings, library: Catalogue, tmp_path: Path
) -> None:
    film, backups = b"x" * 500_000, tmp_path / "backups"
    video = add(settings, library, film)
    first = back_up(settings, backups, no_report)
    assert first.new_bytes > len(film)
    kept = Repository(backups).path(video.sha256)
    assert kept.stat().st_ino == MediaStore(settings.media_dir).path(video.sha256).stat().st_ino
    pictures = {e.sha256 for e in Repository(backups).read().files if e.packed}
    second = back_up(settings, backups, no_report)
    assert second.new_bytes < len(film)
    assert {e.sha256 for e in Repository(backups).read().files if e.packed} == pictures
    third = back_up(settings, tmp_path / "copies", no_report, copy=True)
    copied = Repository(tmp_path / "copies").path(video.sha256)
    assert copied.stat().st_ino != kept.stat().st_ino
    assert third.new_bytes > len(film)
    delete(settings, library, video)
    last = back_up(settings, backups, no_report, keep=1)
    assert last.removed == [first.name, second.name]
    assert Repository(backups).names() == [last.name]
    assert not kept.exists()  # no backup has it any more


def test_a_film_deleted_while_its_backup_is_made_is_not_in_it(
    settings: Settings, library: Catalogue, other: Settings, tmp_path: Path
) -> None:
    first, second = (add(settings, library, content) for content in (b"one", b"two"))

    def meanwhile(done: float, stage: str) -> None:
        for video in (first, second):
            if stage == "films" and video.title and library.video(video.id) is not None and video == first:
                delete(settings, library, video)

    summary = back_up(settings, tmp_path / "backups", meanwhile)
    assert (summary.videos, summary.deleted_meanwhile, summary.missing) == (1, 1, [])
    restore(other, tmp_path / "backups", no_report)
    restored = open_catalogue(other)
    assert [video.id for video in restored.videos()[0]] == [second.id]
    assert MediaStore(other.media_dir).stored() == [second.sha256]
    assert restored.segment_count(BUNDLE) == 3
    restored.close()
    manifest = Repository(tmp_path / "backups").read()
    content = Repository(tmp_path / "backups").path(manifest.catalogue.sha256).read_bytes()
    assert vector_of(first, BUNDLE, 1).tobytes() not in content


def test_a_film_that_the_library_lost_is_told_and_the_rest_is_backed_up(
    settings: Settings, library: Catalogue, tmp_path: Path
) -> None:
    lost, kept = (add(settings, library, content) for content in (b"one", b"two"))
    MediaStore(settings.media_dir).path(lost.sha256).unlink()
    summary = back_up(settings, tmp_path / "backups", no_report)
    assert summary.missing == [lost.sha256]
    manifest = Repository(tmp_path / "backups").read()
    assert manifest.missing == (lost.sha256,)
    assert f"media/{kept.sha256[:2]}/{kept.sha256}" in {entry.path for entry in manifest.files}


@pytest.mark.parametrize("stage", ["catalogue", "films", "bundles", "catalogue again"])
def test_an_interrupted_backup_is_none_and_the_next_goes_on(
    settings: Settings, library: Catalogue, tmp_path: Path, stage: str
) -> None:
    add(settings, library, b"film")
    (settings.bundles_dir / "b").mkdir(parents=True)
    (settings.bundles_dir / "b" / "bundle.json").write_text("{}")
    backups = tmp_path / "backups"

    def stop(done: float, said: str) -> None:
        if said == stage or (stage == "catalogue again" and done > 0.95):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(settings, backups, stop)
    assert Repository(backups).names() == []
    with pytest.raises(BackupError, match="no complete backup"):
        Repository(backups).read()
    assert not [path for path in backups.glob(".tmp-*") if path.is_file() and path.suffix != ".lock"]
    summary = back_up(settings, backups, no_report)
    assert Repository(backups).verify(Repository(backups).read(), no_report) == []
    assert summary.videos == 1


@pytest.fixture
def backups(settings: Settings, library: Catalogue, tmp_path: Path) -> Path:
    """A backup of one film."""
    add(settings, library, b"film")
    back_up(settings, tmp_path / "backups", no_report, copy=True)
    return tmp_path / "backups"


@pytest.mark.parametrize("harm", ["changed", "cut off", "missing"])
@pytest.mark.parametrize("what", ["media/", "thumbnails/", "catalogue"])
@pytest.mark.parametrize("link", [False, True])
def test_a_damaged_backup_is_found_and_not_restored(
    backups: Path, other: Settings, harm: str, what: str, link: bool
) -> None:
    repository = Repository(backups)
    entry = next(entry for entry in repository.read().entries if entry.path.startswith(what))
    path = repository.path(entry.sha256)
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if harm == "cut off" else bytes([content[0] ^ 1]) + content[1:])
    (sentence,) = repository.verify(repository.read(), no_report)
    assert str(path) in sentence
    with pytest.raises(BackupError, match=entry.sha256):
        restore(other, backups, no_report, link=link)
    assert [path.name for path in other.home.iterdir()] == ["serve.lock"]


def test_a_changed_manifest_is_refused_and_so_is_one_that_leaves_the_home(backups: Path, other: Settings) -> None:
    path = next((backups / "snapshots").iterdir())
    said = json.loads(path.read_text())
    said["files"][0]["path"] = "../outside"
    path.write_text(json.dumps(said))
    with pytest.raises(BackupError, match="checksum"):
        restore(other, backups, no_report)
    said.pop("checksum")
    path.write_text(json.dumps({**said, "checksum": _checksum(said)}))
    with pytest.raises(BackupError, match="tampered"):
        restore(other, backups, no_report)
    assert not (other.home.parent / "outside").exists()


def test_a_home_in_use_is_refused_and_replaced_only_when_told_so(
    backups: Path, settings: Settings, library: Catalogue
) -> None:
    newer = add(settings, library, b"added since")
    token = settings.admin_token()
    with pytest.raises(BackupError, match="--replace"):
        restore(settings, backups, no_report)
    with home_lock(settings), pytest.raises(CannotServe, match="being served"):
        restore(settings, backups, no_report, replace=True)
    assert library.video(newer.id) is not None
    library.close()
    restore(settings, backups, no_report, replace=True, link=True)
    restored = open_catalogue(settings)
    assert restored.video(newer.id) is None
    assert restored.counts()["videos"] == 1
    assert settings.admin_token_path.read_text().strip() == token
    assert not MediaStore(settings.media_dir).path(newer.sha256).exists()
    assert {path.name for path in settings.home.iterdir() if path.name.startswith(".")} == set()
    restored.close()


def test_a_database_in_use_is_refused(backups: Path, other: Settings, postgres_url: str) -> None:
    moved = other.model_copy(update={"database_url": postgres_url})
    user = open_catalogue(moved)
    with user._database.read() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(BackupError, match="stop the services"):
            restore(moved, backups, no_report)
    user.add_video("a" * 64, "a", "a", [], 1, _Facts())
    user.close()
    with pytest.raises(BackupError, match="has a library in it"):
        restore(moved, backups, no_report)
    restore(moved, backups, no_report, replace=True)
    restored = open_catalogue(moved)
    assert restored.counts()["videos"] == 1
    restored.close()


class _Facts:
    duration_s, width, height, has_video, has_audio = 1.0, 1, 1, True, False


def test_while_a_restore_is_half_done_nothing_opens_the_home(backups: Path, other: Settings) -> None:
    def stop(done: float, stage: str) -> None:
        if stage == "putting it in place":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(other, backups, stop)
    with pytest.raises(CatalogueError, match="interrupted"):
        open_catalogue(other)
    restore(other, backups, no_report)
    restored = open_catalogue(other)
    assert restored.counts()["videos"] == 1
    restored.close()


def test_the_command_line_backs_up_verifies_and_restores(
    settings: Settings, library: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMV_DATABASE_URL", raising=False)
    video = add(settings, library, b"film")
    run, folder = CliRunner(), str(tmp_path / "backups")
    made = run.invoke(app, ["backup", folder, "--home", str(settings.home)], catch_exceptions=False)
    assert (made.exit_code, "1 videos" in made.output) == (0, True), made.output
    for command in (["backup", "verify", folder], ["backup", "list", folder]):
        assert run.invoke(app, command, catch_exceptions=False).exit_code == 0
    home = tmp_path / "restored"
    restored = run.invoke(app, ["restore", folder, "--home", str(home)], catch_exceptions=False)
    assert restored.exit_code == 0, restored.output
    assert (home / "media" / video.sha256[:2] / video.sha256).read_bytes() == b"film"
    with sqlite3.connect(home / "catalogue.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (6,)
    with pytest.raises(BackupError, match="not a backup"):
        run.invoke(app, ["restore", str(home), "--home", str(tmp_path / "x")], catch_exceptions=False)
    with pytest.raises(BackupError, match="in one another"):
        run.invoke(app, ["backup", str(home / "b"), "--home", str(home)], catch_exceptions=False)


def test_only_one_backup_at_a_time_goes_to_a_folder(settings: Settings, library: Catalogue, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "backups")
    repository.create()
    with repository.writing(), pytest.raises(BackupError, match="under way"):
        back_up(settings, tmp_path / "backups", no_report)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(BackupError, match="not empty"):
        back_up(settings, tmp_path / "full", no_report)
    assert os.listdir(tmp_path / "full") == ["thesis.tex"]


def test_a_backup_is_made_beside_one_that_is_damaged_and_takes_nothing_from_it(
    backups: Path, settings: Settings
) -> None:
    (manifest,) = (backups / "snapshots").iterdir()
    manifest.write_bytes(manifest.read_bytes()[:-20])
    before = set((backups / "objects").glob("??/*"))
    made = back_up(settings, backups, no_report)
    assert Repository(backups).read(made.name).name == made.name
    assert before <= set((backups / "objects").glob("??/*"))


def test_pictures_that_are_being_made_do_not_take_the_others_out_of_a_backup(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"jpeg")
    before = stamp_of(tmp_path)
    # It gets its name between the listing and the look at it.
    (tmp_path / "800.17.tmp").symlink_to("gone")
    assert stamp_of(tmp_path) == before


def test_backups_of_one_second_have_names_in_their_order(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "backups")
    (tmp_path / "backups" / "snapshots").mkdir(parents=True)
    names = []
    for _ in range(30):
        names.append(repository.new_name())
        (tmp_path / "backups" / "snapshots" / f"{names[-1]}.json").write_text("{}")
    assert names == sorted(set(names))
