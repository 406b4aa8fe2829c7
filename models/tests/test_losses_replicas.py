"""Losses over two real replicas against the joined batch in one process; gradients against finite differences."""

import math

import pytest
import torch
from torch import Tensor

from models.tests.replicas import DIM, Batch, Heads, run_replicas, step
from models.tests.test_losses import explicit_mil_nce
from models.training.losses import TEMPERATURE, mil_nce, nce

WORLD = 2


def assert_close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def batch(valid: Tensor, temperature: float = TEMPERATURE) -> Batch:
    """Random contents for the given mask, bool [B, K]."""
    b, k = valid.shape
    random = torch.Generator().manual_seed(b * k)
    return {
        "video": torch.randn(b, DIM, generator=random, dtype=torch.float64),
        "candidates": torch.randn(b, k, DIM, generator=random, dtype=torch.float64),
        "valid": valid,
        "temperature": torch.tensor(temperature),
    }


def mask(rows: str) -> Tensor:
    """A row of 0 and 1 for each sample; the first half is the first replica's."""
    return torch.tensor([[bit == "1" for bit in row] for row in rows.split()])


BATCHES = {
    "one candidate": batch(mask("1 1 1 1 1 1")),
    "several candidates": batch(mask("111 101 010 111 110 011")),
    "another temperature": batch(mask("111 101 010 111 110 011"), 0.3),
    "missing modalities": batch(mask("111 000 010 000 000 011")),
    "unequal numbers": batch(mask("111 110 010 000 000 001")),
    "a replica without any": batch(mask("000 000 000 101 010 000")),
    "one sample": batch(mask("00 00 00 10")),
    "no valid sample anywhere": batch(mask("00 00 00 00")),
}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Batch]]:
    """What each replica found for each batch."""
    return run_replicas(BATCHES, WORLD, tmp_path_factory.mktemp("replicas"))


@pytest.mark.parametrize("name", BATCHES)
def test_two_replicas_give_the_loss_and_the_gradients_of_the_joined_batch(
    replicas: list[dict[str, Batch]], name: str
) -> None:
    joined = step(Heads(), {key: value.clone() for key, value in BATCHES[name].items()})
    found = [replica[name] for replica in replicas]
    asked = BATCHES[name]
    with torch.no_grad():
        clips, words = Heads()(asked["video"], asked["candidates"])
    explicit = explicit_mil_nce(clips, words, asked["valid"], float(asked["temperature"]))
    assert_close(torch.stack([f["loss"] for f in found]).mean(), joined["loss"])
    assert joined["loss"].item() == pytest.approx(explicit, rel=1e-9, abs=1e-12)
    for gradients in ("video", "candidates"):  # nobody averages these: each replica holds its own rows'
        assert_close(torch.cat([f[gradients] for f in found]) / WORLD, joined[gradients])
    for f in found:  # averaged by DistributedDataParallel
        assert_close(f["weights"], joined["weights"])
    if "no valid" in name:
        assert all(f[part].abs().sum() == 0 for f in found for part in f)
    else:
        assert joined["weights"].abs().max() > 1e-3


def test_a_replica_without_valid_samples_gives_negatives(replicas: list[dict[str, Batch]]) -> None:
    name = "a replica without any"
    assert replicas[0][name]["loss"] == 0
    assert replicas[0][name]["video"].abs().sum() > 0
    assert replicas[0][name]["candidates"].abs().sum() == 0


@pytest.mark.parametrize("temperature", [TEMPERATURE, 0.3, 1.0])
def test_the_temperature_divides_similarities(temperature: float) -> None:
    drawn = batch(mask("11 01 00 10"))
    loss = mil_nce(drawn["video"], drawn["candidates"], drawn["valid"], temperature)
    explicit = explicit_mil_nce(drawn["video"], drawn["candidates"], drawn["valid"], temperature)
    assert loss.item() == pytest.approx(explicit, rel=1e-9)


@pytest.mark.parametrize("rows", ["11 11 11", "11 00 01", "00 00 00"])
def test_gradients_equal_finite_differences(rows: str) -> None:
    drawn = batch(mask(rows))
    inputs = (drawn["video"].requires_grad_(), drawn["candidates"].requires_grad_())
    assert torch.autograd.gradcheck(lambda v, c: mil_nce(v, c, drawn["valid"], 0.5), inputs)
    assert torch.autograd.gradcheck(lambda v, c: nce(v, c[:, 0], drawn["valid"][:, 0], 0.5), inputs)


def test_a_hand_computed_pair() -> None:
    # Two clips, each like its own sound and unlike the other's: exp(1 / t) twice among 2 + 2 exp(1 / t).
    eye = torch.eye(2, dtype=torch.float64)
    wanted = math.log(2 * math.e + 2) - 1
    assert nce(eye, eye, torch.tensor([True, True]), 1.0).item() == pytest.approx(wanted, rel=1e-12)
