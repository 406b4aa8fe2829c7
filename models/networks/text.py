"""The text tower: frozen word vectors, one linear layer, and a max over the words."""

import torch
from torch import Tensor, nn


class TextTower(nn.Module):
    """int64 ids [B, N] -> representation [B, D]: Linear(ReLU) of each word, max over all N positions.

    Padding is a word like any other and takes part in the max, as in the reference. Raises IndexError for other ids.
    """

    def __init__(self, vectors: Tensor, dim: int):
        super().__init__()
        self.embed = nn.Embedding.from_pretrained(vectors, freeze=True)
        self.linear = nn.Linear(vectors.shape[1], dim)
        self.dim = dim

    def forward(self, ids: Tensor) -> Tensor:
        return torch.relu(self.linear(self.embed(ids))).amax(dim=1)
