"""The text tower: in NumPy, and the part that padding has in it."""

import numpy as np
import pytest
import torch

from models.networks.text import TextTower
from models.tests import slow


def test_it_equals_the_explicit_version() -> None:
    """Vectors by id, one linear layer with a bias, ReLU, the maximum of each channel over all positions."""
    torch.manual_seed(0)
    vectors = torch.randn(20, 6)
    tower = TextTower(vectors, 9).double()
    tower.linear.bias.data.normal_()
    ids = torch.randint(0, 20, (3, 5))
    wanted = np.zeros((3, 9))  # ReLU leaves nothing below 0
    for i, n in np.ndindex(3, 5):
        wanted[i] = np.maximum(wanted[i], slow.linear(vectors[ids[i, n]].double().numpy(), tower.linear))
    np.testing.assert_allclose(tower(ids).detach().numpy(), wanted, atol=1e-12)


def test_padding_takes_part_in_the_max() -> None:
    tower = TextTower(torch.tensor([[10.0], [1.0]]), 1)
    tower.linear.weight.data.fill_(1)
    tower.linear.bias.data.fill_(0)
    assert tower(torch.tensor([[1]])).item() == 1
    assert tower(torch.tensor([[1, 0]])).item() == 10


@pytest.mark.parametrize("unknown", [2, -1])
def test_ids_outside_of_the_table_are_refused(unknown: int) -> None:
    with pytest.raises(IndexError):
        TextTower(torch.zeros(2, 3), 1)(torch.tensor([[unknown]]))


def test_word_vectors_are_frozen() -> None:
    tower = TextTower(torch.zeros(2, 3), 1)
    assert [name for name, p in tower.named_parameters() if p.requires_grad] == ["linear.weight", "linear.bias"]
