"""Fingerprints of what stages leave behind (see stages.py): None where it is not there."""

from pathlib import Path

from models.bundle import BundleError, load_bundle, sha256


def of_file(file: Path) -> str | None:
    """By its bytes."""
    return sha256(file) if file.is_file() else None


def of_bundle(folder: Path) -> str | None:
    """By what its encoders compute; a damaged one is not there."""
    try:
        return load_bundle(folder).fingerprint
    except BundleError:
        return None
