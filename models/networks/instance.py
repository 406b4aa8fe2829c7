"""Telling the very same picture or sound from similar ones: representations, whitened by what changes in a moment.

Before the heads a representation still knows what the heads, trained for meaning, let go of; but a few directions carry
most of its variance, so that unlike things have a cosine of 0.9. Directions in which two views of one moment differ
tell nothing of which moment it is: they are scaled down to the level of all others (within-class covariance
normalisation, Hatch, Kajarekar and Stolcke, "Within-class covariance normalization for SVM-based speaker recognition",
ICSLP 2006), and of what is left the directions with the most variance are kept. It needs no labels: neighbouring frames
are two views of one moment, and so are overlapping windows of one sound.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Directions that hardly change within a moment would be blown up as noise; shares of the mean variance within moments,
# and, where nothing changes at all, of the whole.
RIDGE, FLOOR = 0.03, 1e-6


class InstanceHead(nn.Module):
    """representation [B, D], of stills with their layout -> instance [B, K], normalised. Not trained: `fit` sets it."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int, instance_dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim)[:, :instance_dim].clone())

    def forward(self, representation: Tensor) -> Tensor:
        return F.normalize((representation - self.mean) @ self.matrix, dim=-1)

    @torch.no_grad()
    def fit(self, first: Tensor, second: Tensor) -> None:
        """Whiten by representations [N, D] of two views of N moments; N should be several times D."""
        first, second = first.double(), second.double()
        mean = torch.cat([first, second]).mean(dim=0)
        total = torch.cov(torch.cat([first, second]).T)
        change = first - second
        within = change.T @ change / (2 * len(change))
        floor = RIDGE * within.trace() + FLOOR * total.trace()
        variances, directions = torch.linalg.eigh(within + floor / len(within) * torch.eye(len(within)))
        whitening = directions / variances.sqrt()
        _, kept = torch.linalg.eigh(whitening.T @ total @ whitening)  # ascending
        self.mean.copy_(mean)
        self.matrix.copy_((whitening @ kept.flip(1))[:, : self.matrix.shape[1]])


def instance_head(dim: int, instance_dim: int) -> InstanceHead | None:
    """The head of a network that has an instance space: one whose `instance_dim` is above 0."""
    return InstanceHead(dim, instance_dim) if instance_dim else None
