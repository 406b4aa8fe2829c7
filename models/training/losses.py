"""NCE and MIL-NCE between modalities that may be missing (paper, section 3.1; Miech et al., CVPR 2020).

With several replicas (a `torch.distributed` process group) negatives come from all of them, with their gradients. Every
replica calls the loss with equally many samples, in the same order of calls, and returns

    world size x sum of its own samples' terms / number of valid samples on all replicas

so that the mean of the replicas' losses is the loss of the joined batch, and the gradients that
DistributedDataParallel averages are exactly those of the joined batch, however unevenly samples are valid.
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.07
_MASKED = -1e9


def mil_nce(
    video: Tensor,
    candidates: Tensor,
    valid: Tensor,
    temperature: float = TEMPERATURE,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """Multiple-instance NCE of clips against their candidate positives; a scalar.

    video [B, D] and candidates [B, K, D] need not be normalised; valid bool [B, K] says which candidates exist. The
    positives of clip i are its own candidates; negatives are those of other clips, and other clips for its candidates:

        loss_i = logsumexp(all pairs, both directions) - logsumexp(positives)

    Samples with no candidate have no term, and what stands in their candidates' place is no negative (their clips
    are); the mean is over the others. No valid sample gives 0 and gradients of 0.

    group: the replicas, as the module's docstring says; None is the default group if one is initialised, else this
    process alone. A collective call, also in backward: all replicas must make it, those without valid samples too. Each
    compares its own samples with all in both directions, [B, world x B, K] twice, never the whole square.
    """
    b, k, d = candidates.shape
    own_video, own_candidates = F.normalize(video, dim=-1), F.normalize(candidates, dim=-1)
    # One collective for both, so that backward has one too and replicas cannot differ in their order.
    everyone, rank, world = _gather(torch.cat([own_video.unsqueeze(1), own_candidates], dim=1), group)
    all_video, all_candidates = everyone[:, 0], everyone[:, 1:]
    all_valid, _, _ = _gather(valid.to(torch.uint8), group)
    all_valid = all_valid.bool()

    n = len(all_video)
    to_candidates = (own_video @ all_candidates.reshape(n * k, d).T / temperature).reshape(b, n, k)
    to_candidates = to_candidates.masked_fill(~all_valid, _MASKED)  # [own clip, sample, candidate]
    to_clips = (own_candidates.reshape(b * k, d) @ all_video.T / temperature).reshape(b, k, n)
    to_clips = to_clips.masked_fill(~valid.unsqueeze(2), _MASKED)  # [own sample, candidate, clip]
    rows = torch.arange(b, device=video.device)
    positives = to_candidates[rows, rank * b + rows]  # [B, K]
    # One logsumexp over both directions; the positives are in each, as in the published MIL-NCE.
    pairs = torch.cat([to_candidates.flatten(1), to_clips.flatten(1)], dim=1)
    terms = torch.logsumexp(pairs, dim=1) - torch.logsumexp(positives, dim=1)
    # where, and no branch: without valid samples the loss still hangs on its inputs, so backward runs everywhere.
    own = torch.where(valid.any(dim=1), terms, 0.0).sum()
    return own * world / all_valid.any(dim=1).sum().clamp(min=1)


def nce(
    video: Tensor,
    audio: Tensor,
    valid: Tensor,
    temperature: float = TEMPERATURE,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """NCE of clips against their sound: MIL-NCE with one candidate. video, audio [B, D]; valid bool [B]."""
    return mil_nce(video, audio.unsqueeze(1), valid.unsqueeze(1), temperature, group)


def _gather(own: Tensor, group: dist.ProcessGroup | None) -> tuple[Tensor, int, int]:
    """The replicas' tensors, [B, ...] each, as one [world x B, ...] in order of rank; this one's rank; how many."""
    if not (dist.is_available() and dist.is_initialized()):
        return own, 0, 1
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    gathered: Tensor = _AllGather.apply(own, group) if world > 1 else own
    return gathered, rank, world


class _AllGather(torch.autograd.Function):
    """all_gather that sends gradients back to where the rows came from, summed over the replicas.

    Made of all_gather and all_reduce alone, which every backend has (reduce_scatter is not in all of them).
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, own: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group  # type: ignore[attr-defined]
        own = own.contiguous()
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, own, group=group)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        group = ctx.group  # type: ignore[attr-defined]
        summed = gradients[0].clone(memory_format=torch.contiguous_format)  # autograd's own must not be written to
        dist.all_reduce(summed, group=group)
        return summed.chunk(dist.get_world_size(group))[dist.get_rank(group)], None
