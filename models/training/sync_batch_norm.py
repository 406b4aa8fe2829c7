"""Batch norm whose statistics are those of the joined batch of all replicas, on any device and backend.

torch.nn.SyncBatchNorm does the same for GPUs alone; this one needs only all_gather and all_reduce, once each in forward
and in backward. Every replica must have equally many values of each channel. Statistics and gradients of scales and
offsets are float32 under autocast too. (Ioffe and Szegedy 2015, with the sums of its equations over all replicas.)
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronise_batch_norms(network: nn.Module) -> None:
    """Let every batch norm of `network` see the joined batch when training; parameters and buffers stay as they are."""
    for module in network.modules():
        kind = type(module)
        if kind in _SYNCHRONISED:
            module.__class__ = _SYNCHRONISED[kind]


class _Synchronised(nn.modules.batchnorm._BatchNorm):
    """In training: normalise by the replicas' joint statistics and update the running ones with them."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            count = x.numel() // x.shape[1] * dist.get_world_size()
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return y


class SynchronisedBatchNorm1d(_Synchronised, nn.BatchNorm1d):
    """nn.BatchNorm1d over all replicas."""


class SynchronisedBatchNorm2d(_Synchronised, nn.BatchNorm2d):
    """nn.BatchNorm2d over all replicas."""


class SynchronisedBatchNorm3d(_Synchronised, nn.BatchNorm3d):
    """nn.BatchNorm3d over all replicas."""


_SYNCHRONISED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SynchronisedBatchNorm1d,
    nn.BatchNorm2d: SynchronisedBatchNorm2d,
    nn.BatchNorm3d: SynchronisedBatchNorm3d,
}


class _Normalise(torch.autograd.Function):
    """x [B, C, ...], scale and offset float [C] -> normalised x, and the joint mean and (biased) variance float [C]."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _joint_statistics(x)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(mean, variance)
        return torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, False), mean, variance

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors  # type: ignore[attr-defined]
        eps: float = ctx.eps  # type: ignore[attr-defined]
        # With the statistics held constant: the gradients of scale and offset, and the first term of that of x.
        direct, scale, offset = torch.ops.aten.native_batch_norm_backward(
            gradients[0], x, weight, mean, variance, None, None, False, eps, [True, True, True]
        )
        means = torch.cat([scale, offset])
        dist.all_reduce(means)
        means /= x.numel() // x.shape[1] * dist.get_world_size()
        # Through the statistics: offset + slope * x, for each channel; as a batch norm it takes one pass.
        inverse = torch.rsqrt(variance + eps)
        slope = weight * inverse.square() * means[: len(mean)]
        constant = weight * inverse * means[len(mean) :] - slope * mean
        none, one = torch.zeros_like(mean), torch.ones_like(mean)
        direct -= torch.batch_norm(x, slope, constant, none, one, False, 0.0, 0.0, False)
        return direct, scale, offset, None


def _joint_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel over all replicas, float32 [C] (float64 of float64)."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    channels = x.shape[1]
    # The buffers are not updated (momentum 0): they only say that statistics of bfloat16 values are float32.
    buffers = torch.zeros(2, channels, dtype=dtype, device=x.device)
    own = torch.cat(torch.batch_norm_update_stats(x, buffers[0], buffers[1], 0.0))
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own)
    # Of means and variances, not of sums of squares, which cancel where the mean is large (Chan et al. 1979).
    means, variances = torch.stack(gathered).split(channels, dim=1)
    mean = means.mean(dim=0)
    return mean, (variances + (means - mean).square()).mean(dim=0)
