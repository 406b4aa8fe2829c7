"""TensorFlow's SAME padding, which the published MMV networks were trained with.

For an input of size n, kernel k and stride s: out = ceil(n/s), total = max((out-1)*s + k - n, 0), of which total//2
goes before and the rest after. So an even input under k=3, s=2 is padded (0, 1), where PyTorch's padding=1 would pad
(1, 1).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) for one axis."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A bias-free 2-D convolution with SAME padding: [B, C, H, W] -> [B, K, ceil(H/s), ceil(W/s)]."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__(channels, out_channels, kernel, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.kernel_size[0], self.stride[0]
        top, bottom = same_pads(x.shape[2], k, s)
        left, right = same_pads(x.shape[3], k, s)
        if top == bottom and left == right:
            return F.conv2d(x, self.weight, None, s, (top, left))
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.weight, None, s)


def same_max_pool(x: Tensor, kernel: int = 3, stride: int = 2) -> Tensor:
    """Max-pool with SAME padding by -inf.

    Padding by `before` with ceil_mode is exact, and unlike an explicit -inf pad it survives static quantisation.
    """
    top, _ = same_pads(x.shape[2], kernel, stride)
    left, _ = same_pads(x.shape[3], kernel, stride)
    return F.max_pool2d(x, kernel, stride, (top, left), ceil_mode=True)


def mean_pool(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C]."""
    return torch.mean(x, dim=(2, 3))
