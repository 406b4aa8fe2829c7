"""What is where in a picture: early feature maps, averaged over a few cells.

Averaging over the whole picture, as the representation does, lets go of where things are: two rooms with the same walls
look alike. A few cells keep the composition, and forgive a step aside (one level of a spatial pyramid, Lazebnik, Schmid
and Ponce, "Beyond bags of features", CVPR 2006).
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def layout(maps: Sequence[Tensor], rows: Sequence[int]) -> Tensor:
    """Maps [B, C_i, H_i, W_i], the first `len(rows)` of them rectified, in rows[i] x (rows[i] + 1) cells: [B, L]."""
    parts = [cell_means(torch.relu(x), r, r + 1).flatten(1) for x, r in zip(maps, rows, strict=False)]
    return torch.cat(parts, dim=1)


def layout_dim(channels: Sequence[int], rows: Sequence[int]) -> int:
    """L of `layout` for maps of so many channels."""
    return sum(c * r * (r + 1) for c, r in zip(channels, rows, strict=False))


def cell_means(x: Tensor, rows: int, columns: int) -> Tensor:
    """[B, C, H, W] -> [B, C, rows, columns], means over equal cells; a pixel on an edge counts in parts.

    Matrix products, since ONNX has no adaptive pooling into cells that do not divide a map.
    """
    return cell_shares(x.shape[2], rows).to(x) @ x @ cell_shares(x.shape[3], columns).T.to(x)


def cell_shares(pixels: int, cells: int) -> Tensor:
    """float [cells, pixels]: the part of a cell's extent that a pixel covers.

    By torch: an array of numpy's would be exported as a weight, which no network has when the bundle is read back.
    """
    edges = torch.linspace(0, pixels, cells + 1).unsqueeze(1)
    at = torch.arange(pixels)
    covered = torch.minimum(at + 1, edges[1:]) - torch.maximum(at, edges[:-1])
    return covered.clamp(min=0) * cells / pixels
