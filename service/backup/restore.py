"""Bringing a library back from a backup, whole or not at all.

All of it is first put together in `home/.restoring/new`, every file checked against its sha256. Then the file
`.restoring/moving` says that the home is about to change; what was there steps aside into `.restoring/old`, the new
takes its place, and `.restoring` goes. While `moving` is there nothing opens this home; running the same restore again
finishes it.
"""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sqlalchemy.engine import make_url

from service.backup import catalogue_copy
from service.backup.packing import unpack
from service.backup.repository import BackupError, Entry, Manifest, Repository, copy_hashed, sha256_of, write_durably
from service.backup.save import CATALOGUE
from service.catalogue.engine import MOVING, RESTORING, make_engine
from service.crash_points import crash_point
from service.media.durable import fsync_folder
from service.settings import Settings
from service.supervisor import home_lock

Report = Callable[[float, str], None]

# What is the place's own and no part of a library: these stay.
STAYS = {RESTORING, "serve.lock", "admin-token"}


def restore(
    settings: Settings,
    source: Path,
    report: Report,
    *,
    name: str | None = None,
    replace: bool = False,
    link: bool = False,
) -> Manifest:
    """Puts a backup into the library's home and database; the backup.

    Args:
        name: which backup; None is the newest.
        replace: also where there is a library, which is kept aside until all is done, and then removed.
        link: films as other names for the backup's bytes, where that can be done: quick, and no copy of them.

    Raises BackupError, CannotServe when the home is being served, CatalogueError, OSError. Until the backup is known to
    be whole nothing is changed.
    """
    repository = Repository(source)
    manifest = repository.read(name)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with home_lock(settings):
        work = settings.home / RESTORING
        resuming = _interrupted(work, manifest)
        if not resuming:
            _require_place(settings, replace)
            shutil.rmtree(work / "old", ignore_errors=True)
            try:
                _gather(repository, manifest, settings, work / "new", link, report)
                _require_whole_catalogue(work / "new" / CATALOGUE, repository, manifest)
            except BackupError:
                shutil.rmtree(work)
                raise
            catalogue_copy.prepare(work / "new" / CATALOGUE, manifest.name)
            crash_point("restore.gathered")
            names = sorted(path.name for path in (work / "new").iterdir() if path.name != CATALOGUE)
            write_durably(work / MOVING, json.dumps({"backup": manifest.name, "names": names}).encode())
        crash_point("restore.announced")
        _move(settings, work, report)
        crash_point("restore.moved")
        gone = settings.home / f"{RESTORING}-done"
        work.rename(gone)  # in one step: it is over
        fsync_folder(settings.home)
        shutil.rmtree(gone)
    report(1.0, "done")
    return manifest


def _interrupted(work: Path, manifest: Manifest) -> bool:
    """Whether a restore of this very backup had begun to change the home. Raises BackupError for one of another."""
    try:
        said = json.loads((work / MOVING).read_bytes())
    except FileNotFoundError:
        return False
    if said["backup"] != manifest.name:
        raise BackupError(
            f"A restore of the backup {said['backup']} into {work.parent} was interrupted. Finish it first: run it "
            f"again with --name {said['backup']}."
        )
    return True


def _require_place(settings: Settings, replace: bool) -> None:
    """Raises BackupError when there is a library already, or somebody is using the database."""
    if not replace and any(not _is_hollow(path) for path in settings.home.iterdir() if path.name not in STAYS):
        raise BackupError(
            f"{settings.home} is not empty. Restore into a new folder (--home DIR), or say --replace: what is there is "
            "then removed once the backup is in its place."
        )
    engine = make_engine(settings.effective_database_url)
    try:
        if engine.dialect.name == "postgresql":
            if others := catalogue_copy.users_of(engine):
                raise BackupError(f"The database is in use by {others} connections of mmv-search: stop the services.")
            if not replace and not catalogue_copy.is_empty(engine):
                raise BackupError("The database has a library in it. Name an empty one, or say --replace.")
        elif not replace and _database_file(settings) is not None and _database_file(settings).exists():  # type: ignore[union-attr]
            raise BackupError(f"{_database_file(settings)} exists. Name another database, or say --replace.")
    finally:
        engine.dispose()


def _is_hollow(path: Path) -> bool:
    """Whether there is nothing in a folder but locks and empty folders."""
    if not path.is_dir():
        return path.name == ".lock"
    return all(_is_hollow(each) for each in path.iterdir())


def _gather(
    repository: Repository, manifest: Manifest, settings: Settings, new: Path, link: bool, report: Report
) -> None:
    """Everything into `new`; what an interrupted restore put there is taken as it is."""
    new.mkdir(parents=True, exist_ok=True, mode=0o700)
    for leftover in new.rglob(".tmp-*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    (new / CATALOGUE).unlink(missing_ok=True)
    for each in (settings.media_dir, settings.thumbnails_dir, settings.index_dir, settings.upload_dir):
        (new / each.name).mkdir(exist_ok=True, mode=0o700)
    expected = {PurePosixPath(entry.path) for entry in manifest.files}
    for path in [path for path in new.glob("*/*") if path.name != ".lock"]:  # of a restore of another backup
        inside = PurePosixPath(path.relative_to(new))
        if not any(inside == wanted or inside in wanted.parents for wanted in expected):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    total, done = max(sum(entry.size for entry in manifest.entries), 1), 0
    for entry in manifest.entries:
        report(0.8 * done / total, entry.path.split("/")[0])
        _fetch(repository, entry, new, link and entry.path.startswith("media/"))
        done += entry.size


def _fetch(repository: Repository, entry: Entry, new: Path, link: bool) -> None:
    target = new / _inside(entry.path)
    if target.exists() and (entry.packed or target.stat().st_size == entry.size):
        return
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(f".tmp-{target.name}")
    source = repository.path(entry.sha256)
    try:
        if link and sha256_of(source) == entry.sha256:  # else it is told of below
            with contextlib.suppress(OSError):
                os.link(source, temporary)
        if not temporary.exists() and copy_hashed(source, temporary)[0] != entry.sha256:
            raise BackupError(f"{source} is damaged, so {entry.path} cannot be restored. Use another backup.")
        if temporary.stat().st_size != entry.size:
            raise BackupError(f"{source} is cut off, so {entry.path} cannot be restored. Use another backup.")
        if entry.packed:
            unpacked = target.with_name(f".tmp-folder-{target.name}")
            unpack(temporary, unpacked)
            unpacked.rename(target)
        else:
            temporary.replace(target)
    except FileNotFoundError as error:
        raise BackupError(f"{source} is missing, so {entry.path} cannot be restored. Use another backup.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _inside(path: str) -> PurePosixPath:
    """A path of a manifest, if it stays in the home. Raises BackupError."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or parts.parts[0] in STAYS:
        raise BackupError(f"The backup names the file {path!r}, which no library has; it was tampered with.")
    return parts


def _require_whole_catalogue(copy: Path, repository: Repository, manifest: Manifest) -> None:
    try:
        if catalogue_copy.is_whole(copy):
            return
    except sqlite3.DatabaseError:
        pass
    raise BackupError(f"{repository.path(manifest.catalogue.sha256)} is no whole catalogue. Use another backup.")


def _move(settings: Settings, work: Path, report: Report) -> None:
    """From old to new; each step can be repeated."""
    report(0.85, "putting it in place")
    names: list[str] = json.loads((work / MOVING).read_bytes())["names"]
    new, old, home = work / "new", work / "old", settings.home
    old.mkdir(exist_ok=True, mode=0o700)
    database = _database_file(settings)
    if database is None:
        engine = make_engine(settings.effective_database_url)
        try:
            catalogue_copy.load(new / CATALOGUE, engine, lambda done, what: report(0.85 + 0.1 * done, what))
        finally:
            engine.dispose()
    for path in list(home.iterdir()):
        if path.name not in STAYS and (path.name not in names or (new / path.name).exists()) and path != database:
            path.replace(old / path.name)
    crash_point("restore.old_aside")
    for name in names:
        if (new / name).exists():
            (new / name).replace(home / name)
            crash_point("restore.one_moved")
    if database is not None and (new / CATALOGUE).exists():
        for suffix in ("-wal", "-shm"):  # of the old database, which must not be taken for the new one's
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        temporary = database.with_name(f".tmp-{database.name}")
        temporary.unlink(missing_ok=True)
        copy_hashed(new / CATALOGUE, temporary)  # perhaps to another file system
        if database.exists() and not (old / database.name).exists():
            shutil.copyfile(database, old / database.name)
        temporary.replace(database)
        fsync_folder(database.parent)
    fsync_folder(home)


def _database_file(settings: Settings) -> Path | None:
    """The file of an SQLite catalogue; None when it is in PostgreSQL."""
    url = make_url(settings.effective_database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
