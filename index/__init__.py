"""Vector search: exact indexes per channel and space, atomic generations, live changes, fusion.

Knows no model, no catalogue and no HTTP.
"""

from index.exact import ExactIndex
from index.faiss_index import FlatIndex, IndexFileError
from index.fusion import Fused, Missing, Ranking, candidates, fuse
from index.generation import (
    Generation,
    build_generation,
    current,
    current_name,
    generation_names,
    held_ids,
    open_generation,
    settle,
    without,
    write_generation,
)
from index.live import LiveIndex, Snapshot
from index.protocol import PAD_ID, PAD_SCORE, FloatArray, IdArray, VectorIndex
from index.spaces import SpaceKey

__all__ = [
    "PAD_ID",
    "PAD_SCORE",
    "ExactIndex",
    "FlatIndex",
    "FloatArray",
    "Fused",
    "Generation",
    "IdArray",
    "IndexFileError",
    "LiveIndex",
    "Missing",
    "Ranking",
    "Snapshot",
    "SpaceKey",
    "VectorIndex",
    "build_generation",
    "candidates",
    "current",
    "current_name",
    "fuse",
    "generation_names",
    "held_ids",
    "open_generation",
    "settle",
    "without",
    "write_generation",
]
