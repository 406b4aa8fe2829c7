"""Telling the very same picture or sound from similar ones: representations, PCA-whitened.

Before the heads a representation still knows what the heads, trained for meaning, let go of; but a few directions carry
most of its variance, so that unlike things have a cosine of 0.9. Whitening evens the directions out (Jegou and Chum,
"Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening", ECCV 2012).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Whitened directions with little variance would be noise; this share of the largest variance is added to each.
RIDGE = 1e-3


class InstanceHead(nn.Module):
    """representation [B, D] -> instance [B, K], L2-normalised. Not trained: `fit` sets it."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int, instance_dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim)[:, :instance_dim].clone())

    def forward(self, representation: Tensor) -> Tensor:
        return F.normalize((representation - self.mean) @ self.matrix, dim=-1)

    @torch.no_grad()
    def fit(self, representations: Tensor) -> None:
        """Whiten by these representations [N, D], of which there should be several times as many as dimensions."""
        mean = representations.double().mean(dim=0)
        variances, directions = torch.linalg.eigh(torch.cov((representations.double() - mean).T))
        count = self.matrix.shape[1]
        variances, directions = variances.flip(0)[:count], directions.flip(1)[:, :count]
        self.mean.copy_(mean)
        self.matrix.copy_(directions / torch.sqrt(variances + RIDGE * variances[0]))


def instance_head(dim: int, instance_dim: int) -> InstanceHead | None:
    """The head of a network that has an instance space: one whose `instance_dim` is above 0."""
    return InstanceHead(dim, instance_dim) if instance_dim else None
