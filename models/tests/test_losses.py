"""NCE and MIL-NCE against slow explicit versions that loop over pairs."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.losses import mil_nce, nce

TAU = 0.07


def explicit_mil_nce(video: Tensor, candidates: Tensor, valid: Tensor, tau: float = TAU) -> float:
    """Straight from the formula: positives over both directions' pairs, sample by sample."""
    b, k, _ = candidates.shape
    terms = []
    for i in range(b):
        positives = [F.cosine_similarity(video[i], candidates[i, c], dim=0) / tau for c in range(k) if valid[i, c]]
        if not positives:
            continue
        pairs = []
        for j in range(b):
            pairs += [F.cosine_similarity(video[i], candidates[j, c], dim=0) / tau for c in range(k) if valid[j, c]]
            pairs += [F.cosine_similarity(video[j], candidates[i, c], dim=0) / tau for c in range(k) if valid[i, c]]
        terms.append(math.log(sum(math.exp(p) for p in pairs)) - math.log(sum(math.exp(p) for p in positives)))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_mil_nce_equals_the_explicit_sum_over_pairs(missing: int) -> None:
    torch.manual_seed(missing)
    video, candidates = torch.randn(5, 7), torch.randn(5, 3, 7)
    valid = torch.rand(5, 3) > 0.3
    valid[0] = True
    valid[5 - missing :] = False
    assert mil_nce(video, candidates, valid).item() == pytest.approx(
        explicit_mil_nce(video, candidates, valid), rel=1e-5
    )


def test_nce_is_mil_nce_with_one_candidate() -> None:
    torch.manual_seed(0)
    video, audio = torch.randn(4, 7), torch.randn(4, 7)
    valid = torch.tensor([True, True, False, True])
    wanted = explicit_mil_nce(video, audio[:, None], valid[:, None])
    assert nce(video, audio, valid).item() == pytest.approx(wanted, rel=1e-5)


def test_a_missing_modality_gives_no_negatives_and_no_gradient() -> None:
    torch.manual_seed(0)
    video = torch.randn(4, 7)
    audio = torch.randn(4, 7, requires_grad=True)
    valid = torch.tensor([True, True, False, True])
    loss = nce(video, audio, valid)
    loss.backward()
    assert audio.grad is not None
    assert audio.grad[2].abs().sum() == 0
    assert audio.grad[0].abs().sum() > 0
    changed = audio.detach().clone()
    changed[2] = 100 * torch.randn(7)
    assert nce(video, changed, valid).item() == pytest.approx(loss.item(), rel=1e-6)


def test_a_batch_with_no_valid_pair_gives_zero_and_a_finite_gradient() -> None:
    video, audio = torch.randn(3, 7, requires_grad=True), torch.randn(3, 7, requires_grad=True)
    loss = nce(video, audio, torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert video.grad is not None
    assert bool(torch.isfinite(video.grad).all())


def test_the_loss_does_not_depend_on_the_length_of_the_embeddings() -> None:
    torch.manual_seed(0)
    video, audio, valid = torch.randn(4, 7), torch.randn(4, 7), torch.ones(4, dtype=torch.bool)
    assert nce(video, audio, valid).item() == pytest.approx(nce(9 * video, audio / 3, valid).item(), rel=1e-5)
