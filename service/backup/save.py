"""Making a backup of a library, which may be written to meanwhile.

In this order: the catalogue, as it is at one moment; the films that it names; pictures, bundles and which is served;
then the manifest, with which the backup is there. Films never change, so those of an earlier backup are not looked at
again. A film that is deleted meanwhile is left out of the copied catalogue too.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from service.backup import catalogue_copy
from service.backup.packing import pack, stamp_of
from service.backup.repository import BackupError, Entry, Manifest, Repository, copy_hashed, sha256_of
from service.catalogue import Catalogue, open_catalogue
from service.crash_points import crash_point
from service.media.store import MediaStore
from service.settings import Settings

Report = Callable[[float, str], None]

# Of each video there may be a file or a folder in these, named by its id.
OF_VIDEOS = ("thumbnails", "previews")
# Beside the catalogue and the films: which bundle is served, if it is said in a file.
PLAIN_FILES = ("active-bundle",)
CATALOGUE = "catalogue.sqlite3"


@dataclass
class Summary:
    """What a backup came to."""

    name: str = ""
    videos: int = 0
    new_bytes: int = 0
    total_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    deleted_meanwhile: int = 0
    removed: list[str] = field(default_factory=list)


def back_up(
    settings: Settings, destination: Path, report: Report, *, copy: bool = False, keep: int | None = None
) -> Summary:
    """Backs a library up into a folder of backups.

    Args:
        copy: copy films, also where a hard link (another name for the same bytes) would do.
        keep: afterwards only so many backups are kept, the newest.

    Raises BackupError, CatalogueError, OSError. Whatever ends it: what was there before is untouched, and the next
    backup finds the films that this one brought over.
    """
    home, folder = settings.home.resolve(), destination.resolve()
    if folder.is_relative_to(home) or home.is_relative_to(folder):
        raise BackupError(f"{destination} and the library {settings.home} are in one another; back up to elsewhere.")
    repository = Repository(folder)
    repository.create()
    with repository.writing(), contextlib.closing(open_catalogue(settings)) as catalogue:
        return _Backup(settings, catalogue, repository, report, copy).make(keep)


class _Backup:
    """One backup in the making."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, repository: Repository, report: Report, copy: bool
    ) -> None:
        self.settings, self.catalogue, self.repository, self.copy = settings, catalogue, repository, copy
        self._report = report
        self.summary = Summary()
        self.earlier: dict[str, Entry] = {}
        if names := repository.names():
            with contextlib.suppress(BackupError):  # it is damaged: everything is read again
                self.earlier = {entry.path: entry for entry in repository.read(names[-1]).files}

    def make(self, keep: int | None) -> Summary:
        created_at = datetime.now(UTC)
        exported = self.repository.temporary()
        try:
            catalogue_copy.export(
                self.catalogue._database.engine, exported, lambda done, what: self._report(0.2 * done, what)
            )
            crash_point("backup.catalogue_copied")
            videos = catalogue_copy.videos_of(exported)
            media = dict(self._media(videos))
            crash_point("backup.films_copied")
            files = [entry for video_id, _, _ in videos for entry in self._of_video(video_id)]
            files += [entry for entry in (self._plain(name) for name in PLAIN_FILES) if entry is not None]
            files += self._bundles()
            gone = {video_id for video_id, _, _ in videos} - self.catalogue.videos_by_id([v[0] for v in videos]).keys()
            if gone:  # also those whose films came over in time: nobody wants them back
                catalogue_copy.forget_videos(exported, gone)
                files = [entry for entry in files if not gone & set(Path(entry.path).parts)]
            files += [entry for video_id, entry in media.items() if video_id not in gone]
            wanted = {video_id for video_id, _, _ in videos} - gone
            missing = sorted(sha256 for video_id, sha256, _ in videos if video_id in wanted - media.keys())
            self._report(0.97, "catalogue")
            entry = self._put(exported, CATALOGUE, is_ours=True)
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                exported.with_name(exported.name + suffix).unlink(missing_ok=True)
        engine = self.catalogue._database.engine
        manifest = Manifest(
            name=self.repository.new_name(),
            created_at=created_at,
            catalogue=entry,
            files=tuple(sorted(files, key=lambda each: each.path)),
            counts=catalogue_copy.counts_of(self.repository.path(entry.sha256)),
            missing=tuple(missing),
            made_with={"database": engine.dialect.name},
        )
        crash_point("backup.objects_complete")
        self.repository.write(manifest)
        crash_point("backup.manifest_written")
        summary = self.summary
        if keep is not None:
            summary.removed = self.repository.remove_older(keep)
        self.repository.collect()
        summary.name, summary.videos, summary.missing = manifest.name, len(wanted), missing
        summary.total_bytes, summary.deleted_meanwhile = manifest.size, len(gone)
        self._report(1.0, "done")
        return summary

    def _media(self, videos: list[tuple[str, str, int]]) -> Iterator[tuple[str, Entry]]:
        store, total = MediaStore(self.settings.media_dir), max(sum(size for _, _, size in videos), 1)
        done = 0
        for video_id, sha256, size in videos:
            self._report(0.2 + 0.6 * done / total, "films")
            path = f"media/{sha256[:2]}/{sha256}"
            if self.repository.has(sha256, size) or self._bring(store.path(sha256), sha256, size):
                yield video_id, Entry(path, sha256, size)
            done += size

    def _bring(self, source: Path, sha256: str, size: int) -> bool:
        """A film into the backup. False when it is not there, or not what it should be."""
        temporary = self.repository.temporary()
        try:
            if source.stat().st_size != size:
                return False
            if not self._linked(source, temporary) and copy_hashed(source, temporary)[0] != sha256:
                temporary.unlink()
                return False
        except FileNotFoundError:
            return False
        self.repository.put(temporary, sha256)
        self.summary.new_bytes += size
        return True

    def _linked(self, source: Path, target: Path) -> bool:
        if self.copy:
            return False
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            return False
        return True

    def _of_video(self, video_id: str) -> Iterator[Entry]:
        for folder in OF_VIDEOS:
            for path in sorted((self.settings.home / folder).glob(f"{video_id}*")):
                if (entry := self._file(path, f"{folder}/{path.name}")) is not None:
                    yield entry

    def _bundles(self) -> list[Entry]:
        found = []
        for path in sorted(self.settings.bundles_dir.glob("[!.]*/*")):
            self._report(0.9, "bundles")
            if path.is_file() and (entry := self._file(path, f"bundles/{path.parent.name}/{path.name}")) is not None:
                found.append(entry)
        return found

    def _plain(self, name: str) -> Entry | None:
        path = self.settings.home / name
        return self._file(path, name) if path.is_file() else None

    def _file(self, path: Path, name: str) -> Entry | None:
        """A file, or a folder as one; not read when it is as it was at the last backup. None when it has just gone."""
        try:
            stamp = stamp_of(path)
            before = self.earlier.get(name)
            if before is not None and before.stamp == stamp and self.repository.has(before.sha256, before.size):
                return before
            return self._put(path, name, stamp=stamp)
        except FileNotFoundError:
            return None

    def _put(self, source: Path, name: str, *, stamp: str = "", is_ours: bool = False) -> Entry:
        temporary = source if is_ours else self.repository.temporary()
        packed = source.is_dir()
        try:
            if packed:
                pack(source, temporary)
            elif not is_ours:
                copy_hashed(source, temporary)
            sha256, size = sha256_of(temporary), temporary.stat().st_size
            if not self.repository.has(sha256, size):
                self.repository.put(temporary, sha256)
                self.summary.new_bytes += size
        finally:
            temporary.unlink(missing_ok=True)
        return Entry(name, sha256, size, packed, stamp)
