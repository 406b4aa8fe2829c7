"""NCE and MIL-NCE between modalities that may be missing (paper, section 3.1; Miech et al., CVPR 2020)."""

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.07
_MASKED = -1e9


def mil_nce(video: Tensor, candidates: Tensor, valid: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Multiple-instance NCE of clips against their candidate positives.

    video [B, D] and candidates [B, K, D] need not be normalised; valid bool [B, K] says which candidates exist. The
    positives of clip i are its own candidates; negatives are those of other clips, and other clips for its candidates:

        loss_i = logsumexp(all pairs, both directions) - logsumexp(positives)

    Samples with no candidate have no term and give no negatives; the mean is over the others. No valid sample gives 0.
    """
    b, k, d = candidates.shape
    similarity = F.normalize(video, dim=-1) @ F.normalize(candidates.reshape(b * k, d), dim=-1).T / temperature
    similarity = similarity.reshape(b, b, k).masked_fill(~valid, _MASKED)  # [clip, sample, candidate]
    positives = torch.diagonal(similarity, dim1=0, dim2=1).T  # [B, K]
    # One logsumexp over both directions; the positives are in each, as in the published MIL-NCE.
    both = torch.cat([similarity, similarity.transpose(0, 1)], dim=1).reshape(b, -1)
    has_any = valid.any(dim=1)
    terms = torch.logsumexp(both, dim=1) - torch.logsumexp(positives, dim=1)
    return torch.where(has_any, terms, 0.0).sum() / has_any.sum().clamp(min=1)


def nce(video: Tensor, audio: Tensor, valid: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """NCE of clips against their sound: MIL-NCE with one candidate. video, audio [B, D]; valid bool [B]."""
    return mil_nce(video, audio.unsqueeze(1), valid.unsqueeze(1), temperature)
