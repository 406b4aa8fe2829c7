"""Bundles of a library: those that were promoted into its home, and which one it is served with.

A promoted bundle is a copy, so the folder that it came from may go. `home/active-bundle` names it; the file is replaced
in one step, and so is a bundle's folder: a crash leaves the old or the new, never a mixture.
"""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from models.bundle import MANIFEST, Bundle, BundleError, load_bundle, shipped_bundle_path
from service.media.store import fsync_folder
from service.settings import Settings


def promote(folder: Path, settings: Settings) -> Bundle:
    """Make a bundle the active one of a library, and keep a copy of it there; the copy.

    Raises BundleError when it is damaged, OSError when it cannot be copied: the active bundle is then as before.
    """
    source = load_bundle(folder)
    settings.prepare_home()
    settings.bundles_dir.mkdir(exist_ok=True, mode=0o700)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-.")[:64] or "bundle"
    kept = settings.bundles_dir / f"{name}-{source.fingerprint[:12]}"
    if not _holds(kept, source):
        _copy(source, kept)
    temporary = settings.active_bundle_file.with_suffix(f".{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(kept.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(settings.active_bundle_file)
    fsync_folder(settings.home)
    return load_bundle(kept)


def back_to_shipped(settings: Settings) -> Bundle:
    """Make the shipped bundle the active one of a library again; promoted ones stay in its home."""
    shipped = load_bundle(shipped_bundle_path())
    settings.active_bundle_file.unlink(missing_ok=True)
    if settings.home.is_dir():
        fsync_folder(settings.home)
    return shipped


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
