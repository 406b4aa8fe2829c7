"""S3D-G: separable 3-D Inception with self-gating (Xie et al., ECCV 2018), as the published MMV network has it."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.networks.same_padding import SameConv3d, same_max_pool3d

# Channels of each Inception layer's branches: (b0; b1a, b1b; b2a, b2b; b3).
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# What comes before the layer of that name: max-pool kernel and stride.
POOLS = {
    "Conv2d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


@dataclass(frozen=True)
class S3DConfig:
    """`width` multiplies the channels of every layer. The published weights were trained on space-to-depth input."""

    family: str = "s3d"
    space_to_depth: bool = True
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.family != "s3d":
            raise ValueError(f"family is {self.family!r}; that of an S3D network is 's3d'")
        if not self.width > 0:
            raise ValueError(f"width is {self.width}; it must be above 0")


class Unit(nn.Module):
    """Convolution, BN, ReLU; where separable, space first and then time, each with its own BN; gated where asked.

    The gate is g = sigmoid(Linear(mean over time and space)), one factor for each channel.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        separable: bool = False,
        gated: bool = False,
    ):
        super().__init__()
        convs = [SameConv3d(channels, out_channels, kernel, stride)]
        if separable:
            convs = [
                SameConv3d(channels, out_channels, (1, *kernel[1:]), (1, *stride[1:])),
                SameConv3d(out_channels, out_channels, (kernel[0], 1, 1), (stride[0], 1, 1)),
            ]
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList([nn.BatchNorm3d(out_channels, eps=1e-5, momentum=0.1) for _ in convs])
        self.gate = nn.Linear(out_channels, out_channels) if gated else None

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(x)))
        if self.gate is None:
            return x
        return x * torch.sigmoid(self.gate(x.mean(dim=(2, 3, 4))))[:, :, None, None, None]


class Mixed(nn.Module):
    """An Inception layer of four branches, joined in order."""

    def __init__(self, channels: int, widths: tuple[int, ...]):
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3 = widths
        self.branches = nn.ModuleDict(
            {
                "Branch_0_Conv2d_0a_1x1": Unit(channels, b0, gated=True),
                "Branch_1_Conv2d_0a_1x1": Unit(channels, b1a),
                "Branch_1_Conv2d_0b_3x3": Unit(b1a, b1b, (3, 3, 3), separable=True, gated=True),
                "Branch_2_Conv2d_0a_1x1": Unit(channels, b2a),
                "Branch_2_Conv2d_0b_3x3": Unit(b2a, b2b, (3, 3, 3), separable=True, gated=True),
                "Branch_3_Conv2d_0b_1x1": Unit(channels, b3, gated=True),
            }
        )
        self.out_channels = b0 + b1b + b2b + b3

    def forward(self, x: Tensor) -> Tensor:
        b = self.branches
        pooled = same_max_pool3d(x, (3, 3, 3), (1, 1, 1))
        joined = [
            b["Branch_0_Conv2d_0a_1x1"](x),
            b["Branch_1_Conv2d_0b_3x3"](b["Branch_1_Conv2d_0a_1x1"](x)),
            b["Branch_2_Conv2d_0b_3x3"](b["Branch_2_Conv2d_0a_1x1"](x)),
            b["Branch_3_Conv2d_0b_1x1"](pooled),
        ]
        return torch.cat(joined, dim=1)


class S3D(nn.Module):
    """float [B, T, H, W, 3] in [0, 1] -> representation [B, D]: mean over time and space.

    With space-to-depth, T, H and W must be even: ValueError otherwise.
    """

    def __init__(self, config: S3DConfig):
        super().__init__()
        self.space_to_depth = config.space_to_depth

        def wide(channels: int) -> int:
            return max(1, round(channels * config.width))

        first = Unit(24, wide(64), (2, 4, 4)) if config.space_to_depth else Unit(3, wide(64), (7, 7, 7), (2, 2, 2))
        self.layers = nn.ModuleDict(
            {
                "Conv2d_1a_7x7": first,
                "Conv2d_2b_1x1": Unit(wide(64), wide(64)),
                "Conv2d_2c_3x3": Unit(wide(64), wide(192), (3, 3, 3), separable=True, gated=True),
            }
        )
        channels = wide(192)
        for name, widths in MIXED.items():
            self.layers[name] = layer = Mixed(channels, tuple(wide(w) for w in widths))
            channels = layer.out_channels
        self.dim = channels

    def forward(self, frames: Tensor) -> Tensor:
        x = space_to_depth(frames) if self.space_to_depth else frames.permute(0, 4, 1, 2, 3)
        for name, layer in self.layers.items():
            if name in POOLS:
                x = same_max_pool3d(x, *POOLS[name])
            x = layer(x)
        return x.mean(dim=(2, 3, 4))

    def deflated(self) -> "DeflatedS3D":
        """A copy that takes images (section 3.2 of the paper)."""
        return DeflatedS3D(self)


class DeflatedS3D(nn.Module):
    """The deflated network: every filter summed over time, on one frame. float [B, H, W, 3] -> [B, D]."""

    def __init__(self, network: S3D):
        super().__init__()
        self.network = copy.deepcopy(network)
        for conv in self.network.modules():
            if isinstance(conv, SameConv3d):
                conv.weight = nn.Parameter(conv.weight.detach().sum(dim=2, keepdim=True))
                conv.kernel_size = (1, *conv.kernel_size[1:])

    def forward(self, images: Tensor) -> Tensor:
        # Space-to-depth takes frames in pairs: of a still, the same one twice.
        frames = 2 if self.network.space_to_depth else 1
        return self.network(images.unsqueeze(1).expand(-1, frames, -1, -1, -1))


def space_to_depth(frames: Tensor) -> Tensor:
    """[B, T, H, W, C] -> [B, 8C, T/2, H/2, W/2]; channel ((dt*2 + dh)*2 + dw)*C + c holds pixel (2t+dt, 2h+dh, 2w+dw).

    Raises ValueError for an odd T, H or W.
    """
    b, t, h, w, c = frames.shape
    if t % 2 or h % 2 or w % 2:
        raise ValueError(f"space-to-depth input needs even sizes, not {t} frames of {h} x {w}")
    x = frames.reshape(b, t // 2, 2, h // 2, 2, w // 2, 2, c)
    return x.permute(0, 2, 4, 6, 7, 1, 3, 5).reshape(b, 8 * c, t // 2, h // 2, w // 2)
