"""Checkpoints published by others: read without running anything in them, and as weights of our networks."""

from typing import TYPE_CHECKING

from models.pretrained.checkpoint import CheckpointError, UnsafePickleError, read_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from models.networks.mmv import MMV

__all__ = ["CheckpointError", "UnsafePickleError", "load_checkpoint", "read_checkpoint"]


def load_checkpoint(path: "str | Path", arch: str) -> "MMV":
    """`models.pretrained.weights.load_checkpoint`, which needs PyTorch: reading arrays alone does not."""
    from models.pretrained.weights import load_checkpoint as load

    return load(path, arch)
