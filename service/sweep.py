"""What a crash left behind is cleared away at a start, and what nobody goes on with now and then.

No film is ever deleted for want of a row.
"""

import logging
import shutil

from service.catalogue import Catalogue
from service.catalogue.engine import RESTORING
from service.media.partial import PartialUploads
from service.media.store import MediaStore
from service.media.upload import remove_leftovers
from service.settings import Settings
from service.spool import sweep_spool

log = logging.getLogger(__name__)


def sweep_leftovers(settings: Settings, catalogue: Catalogue) -> None:
    """Removes uploads that have expired, and parts of films that nobody works on. May be called at any time."""
    uploads = PartialUploads(settings.upload_dir, settings.upload_expires_s).sweep()
    parts = sweep_spool(settings.spool_dir, catalogue.active_videos)
    if uploads or parts:
        log.info("cleared away: %d uploads that nobody went on with, parts of %d films", uploads, parts)


def sweep_home(settings: Settings, catalogue: Catalogue) -> int:
    """Removes uploads that cannot be gone on with and pictures of no video; moves stored files without a row away.

    Those go to `orphans`. How many files and folders went.

    To be called while the home is locked, before uploads are accepted. A catalogue without any video says nothing about
    the files (it may be a new one, or the wrong one): then they all stay where they are.
    """
    gone = PartialUploads(settings.upload_dir, settings.upload_expires_s).sweep()
    gone += remove_leftovers(settings.upload_dir)
    for path in settings.upload_dir.glob("*.tmp"):
        path.unlink(missing_ok=True)
        gone += 1
    for leftover in settings.home.glob(f"{RESTORING}*"):  # of a restore that had changed nothing yet, or was done
        shutil.rmtree(leftover)
        gone += 1
    store = MediaStore(settings.media_dir)
    with store.exclusive():
        stored = store.stored()
        if stored and not catalogue.counts()["videos"]:
            log.warning(
                "the catalogue has no videos, but %s has %d files: they are left alone. If the catalogue is the right "
                "one, take them in again with: mmv-search ingest --home %s %s/*/*",
                settings.media_dir,
                len(stored),
                settings.home,
                settings.media_dir,
            )
            return gone
        orphans = [sha256 for sha256 in stored if not catalogue.has_media(sha256)]
        if orphans:
            settings.orphans_dir.mkdir(mode=0o700, exist_ok=True)
            for sha256 in orphans:
                store.path(sha256).replace(settings.orphans_dir / sha256)
            log.warning("%d stored files that no video has were moved to %s", len(orphans), settings.orphans_dir)
        for path in settings.orphans_dir.glob("*"):
            if catalogue.has_media(path.name):  # the same film was uploaded again since
                path.unlink()
                gone += 1
        # Of videos that were deleted while a worker, which was killed then, made them.
        pictures = {path.name: path for path in settings.thumbnails_dir.glob("v_*")}
        for name in pictures.keys() - catalogue.videos_by_id(sorted(pictures)).keys():
            shutil.rmtree(pictures[name])
            gone += 1
    return gone + len(orphans)
