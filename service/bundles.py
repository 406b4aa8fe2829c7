"""Bundles of a library: those that are kept in its home, and which one it is served with.

A promoted bundle is a copy, so the folder that it came from may go; a bundle's folder is put in its place in one step.
Which one is served is a row of the catalogue (`catalogue/swaps.py`); `home/active-bundle` follows it, for those who
look at the home alone. It was the truth in the version before, and still is where the catalogue says nothing yet.
"""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from index import IndexFileError, current, open_generation
from models.bundle import MANIFEST, Bundle, BundleError, load_bundle, shipped_bundle_path
from service.catalogue import Catalogue
from service.catalogue.records import Served
from service.crash_points import crash_point
from service.media.durable import fsync_folder
from service.settings import Settings


def keep(folder: Path, settings: Settings) -> Bundle:
    """Copy a bundle into a library's home, whatever is served; the copy.

    Raises BundleError when it is damaged, OSError when it cannot be copied.
    """
    source = load_bundle(folder)
    settings.prepare_home()
    settings.bundles_dir.mkdir(exist_ok=True, mode=0o700)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-.")[:64] or "bundle"
    kept = settings.bundles_dir / f"{name}-{source.fingerprint[:12]}"
    if not _holds(kept, source):
        _copy(source, kept)
        crash_point("promote.copied")
    return load_bundle(kept)


def point_to(bundle: Bundle, settings: Settings) -> None:
    """Make `home/active-bundle` name a bundle that is kept in the home; any other is the shipped one."""
    if bundle.path.parent != settings.bundles_dir:
        settings.active_bundle_file.unlink(missing_ok=True)
        if settings.home.is_dir():
            fsync_folder(settings.home)
        return
    temporary = settings.active_bundle_file.with_suffix(f".{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(bundle.path.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(settings.active_bundle_file)
    fsync_folder(settings.home)


def ensure_serving(settings: Settings, catalogue: Catalogue, *, starting: bool = False) -> Served:
    """What the library is served with, put down in the catalogue if it is not yet. Raises BundleError.

    A home of the version before is served with what it was served with. When a service is `starting`, a bundle that its
    settings name (--bundle, MMV_BUNDLE) is served at once, for as long as they do; then what the home says again.
    """
    served, pinned = catalogue.served(), settings.bundle is not None
    if served is None:
        bundle = load_bundle(settings.bundle_path())
        name, parent = _generation_of(settings.index_dir, bundle.fingerprint)
        served = catalogue.begin_serving(bundle.fingerprint, bundle.name, name, parent, pinned=pinned)
    elif starting and (pinned or served.pinned):
        bundle = load_bundle(settings.bundle_path())
        reason = "pinned" if pinned else "unpinned"
        served = catalogue.switch_at_once(bundle.fingerprint, bundle.name, reason, pinned=pinned)
    return served


def _generation_of(index_dir: Path, fingerprint: str) -> tuple[str | None, str | None]:
    """The current generation and its parent, where they can be used with a bundle."""
    try:
        generation = current(index_dir)
    except (IndexFileError, OSError):
        return None, None
    if generation is None or generation.bundle != fingerprint:
        return None, None
    parent = None
    if generation.parent is not None:
        with contextlib.suppress(IndexFileError, OSError):
            parent = open_generation(index_dir, generation.parent)
    return generation.name, parent.name if parent is not None and parent.bundle == fingerprint else None


def bundle_folders(settings: Settings) -> list[Path]:
    """The bundles at hand: shipped ones, those promoted into the home, and the active one. They may be damaged."""
    shipped = [path.parent for path in shipped_bundle_path().parent.glob(f"*/{MANIFEST}")]
    promoted = [path.parent for path in settings.bundles_dir.glob(f"[!.]*/{MANIFEST}")]
    folders = [*sorted(shipped), *sorted(promoted)]
    with contextlib.suppress(BundleError):  # the promoted one is gone
        if (active := settings.bundle_path()).resolve() not in {folder.resolve() for folder in folders}:
            folders.append(active)
    return folders


def _holds(kept: Path, source: Bundle) -> bool:
    """Whether the copy is there, whole, and says of itself what the source says."""
    try:
        load_bundle(kept)
        return (kept / MANIFEST).read_bytes() == (source.path / MANIFEST).read_bytes()
    except (BundleError, OSError):
        return False


def _copy(source: Bundle, target: Path) -> None:
    """Copies exactly what the manifest names, checks the copy, and puts it in its place."""
    scratch = Path(tempfile.mkdtemp(prefix=".promoting-", dir=target.parent))
    work = scratch / "new"
    try:
        work.mkdir(mode=0o700)
        for name in (*source.checksums, MANIFEST):
            with (source.path / name).open("rb") as original, (work / name).open("wb") as copy:
                shutil.copyfileobj(original, copy, 1024 * 1024)
                copy.flush()
                os.fsync(copy.fileno())
        if load_bundle(work).fingerprint != source.fingerprint:
            raise BundleError(f"{source.path} changed while it was copied; promote it again")
        fsync_folder(work)
        if target.exists():  # damaged, or an older account of the same encoders: it steps aside
            target.rename(scratch / "old")
        work.rename(target)
        fsync_folder(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
