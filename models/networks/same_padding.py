"""TensorFlow's SAME padding, which the published MMV networks were trained with.

For an input of size n, kernel k and stride s: out = ceil(n/s), total = max((out-1)*s + k - n, 0), of which total//2
goes before and the rest after. So an even input under k=3, s=2 is padded (0, 1), where PyTorch's padding=1 would pad
(1, 1).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) for one axis. While a network is exported the size may be symbolic, and then so are these."""
    if kernel == 1 or stride == 1:
        total = kernel - 1
    else:  # (ceil(n/s) - 1) * s + k - n, written so that a symbolic size needs no comparison where k >= s
        total = (-size) % stride + kernel - stride
        total = total if kernel >= stride else max(total, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A bias-free 2-D convolution with SAME padding: [B, C, H, W] -> [B, K, ceil(H/s), ceil(W/s)]."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__(channels, out_channels, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads = _all_pads(x, self.kernel_size, self.stride)
        if _symmetric(pads) and not (self.training and _is_short(x, self.kernel_size)):
            return F.conv2d(x, self.weight, None, self.stride, tuple(before for before, _ in pads))
        return F.conv2d(F.pad(x, _pad_argument(pads)), self.weight, None, self.stride)


class SameConv3d(nn.Conv3d):
    """A bias-free 3-D convolution with SAME padding: [B, C, T, H, W] -> [B, K, T', H', W'], each ceil(n/s)."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
    ):
        super().__init__(channels, out_channels, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pads = _all_pads(x, self.kernel_size, self.stride)
        zero = x.new_zeros(self.out_channels)  # without a bias the exporter (onnxscript 0.7) makes one of a wrong shape
        if _symmetric(pads) and not (self.training and _is_short(x, self.kernel_size)):
            return F.conv3d(x, self.weight, zero, self.stride, tuple(before for before, _ in pads))
        return F.conv3d(F.pad(x, _pad_argument(pads)), self.weight, zero, self.stride)


def same_max_pool(x: Tensor, kernel: int = 3, stride: int = 2) -> Tensor:
    """Max-pool of [B, C, H, W] with SAME padding by -inf.

    Padding by `before` with ceil_mode is exact, and unlike an explicit -inf pad it survives static quantisation.
    """
    pads = _all_pads(x, (kernel, kernel), (stride, stride))
    if _ceil_mode_pads_alike(pads, (stride, stride)):
        return F.max_pool2d(x, kernel, stride, tuple(before for before, _ in pads), ceil_mode=True)
    # A symbolic size: ONNX has no padding of pools that is known at run time only.
    return F.max_pool2d(_padded_low(x, pads), kernel, stride)


def same_max_pool3d(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max-pool of [B, C, T, H, W] with SAME padding, in the way of `same_max_pool`."""
    pads = _all_pads(x, kernel, stride)
    if _ceil_mode_pads_alike(pads, stride):
        return F.max_pool3d(x, kernel, stride, tuple(before for before, _ in pads), ceil_mode=True)
    return F.max_pool3d(_padded_low(x, pads), kernel, stride)


def mean_pool(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C]."""
    return torch.mean(x, dim=(2, 3))


def _all_pads(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[int, int]]:
    return [same_pads(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]


def _is_short(x: Tensor, kernel: tuple[int, ...]) -> bool:
    """Whether an input is shorter than the kernel somewhere.

    oneDNN in bfloat16 (torch 2.13, CPUs with avx512_bf16) then leaves parts of the weights' gradient as memory was,
    unless the padding is there to be seen.
    """
    return any(n < k for n, k in zip(x.shape[2:], kernel, strict=True))


def _symmetric(pads: list[tuple[int, int]]) -> bool:
    return all(type(before) is int and before == after for before, after in pads)


def _ceil_mode_pads_alike(pads: list[tuple[int, int]], stride: tuple[int, ...]) -> bool:
    """Whether ceil_mode adds what `after` has more than `before`: it adds up to stride - 1."""
    return all(type(before) is int and after - before < s for (before, after), s in zip(pads, stride, strict=True))


def _padded_low(x: Tensor, pads: list[tuple[int, int]]) -> Tensor:
    return F.pad(x, _pad_argument(pads), value=torch.finfo(torch.float32).min)


def _pad_argument(pads: list[tuple[int, int]]) -> list[int]:
    """What F.pad takes: the last axis first."""
    return [n for pair in reversed(pads) for n in pair]
