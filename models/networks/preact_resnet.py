"""Pre-activation residual networks (ResNet V2): the trunk that TSM-ResNet and the audio ResNet share.

Layer order, padding and the place of the shortcut follow the published MMV networks, so that their weights load here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.networks.same_padding import SameConv2d, same_max_pool

STRIDES = (1, 2, 2, 2)
Shift = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ResNetConfig:
    """Size of one backbone. `channels` are the outputs of the four units; width multipliers are already in them."""

    block: str = "bottleneck"
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    channels: tuple[int, ...] = (256, 512, 1024, 2048)
    stem_channels: int = 64
    family: str = "resnet"

    def __post_init__(self) -> None:
        if self.family != "resnet":
            raise ValueError(f"family is {self.family!r}; that of a residual network is 'resnet'")
        if self.block not in ("bottleneck", "basic"):
            raise ValueError(f"block is {self.block!r}; it must be 'bottleneck' or 'basic'")
        if len(self.blocks) != len(STRIDES) or len(self.channels) != len(STRIDES):
            raise ValueError(f"blocks and channels must each have {len(STRIDES)} entries")


def resnet_config(depth: int, width: int | float = 1) -> ResNetConfig:
    """The residual network of a published depth (18, 34, 50 or 101), every layer `width` times as wide."""
    blocks = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
    if depth not in blocks:
        raise ValueError(f"depth is {depth}; it must be one of {', '.join(map(str, blocks))}")
    kind, channels = ("bottleneck", (256, 512, 1024, 2048)) if depth >= 50 else ("basic", (64, 128, 256, 512))
    return ResNetConfig(kind, blocks[depth], tuple(round(c * width) for c in channels), round(64 * width))


class Block(nn.Module):
    """One residual block.

    p = ReLU(BN(x)); the shortcut is x, or a 1x1 convolution of p where the shape changes; the residual path starts at
    p too, shifted in time when the network has a temporal shift. Nothing follows the sum.
    """

    def __init__(self, channels: int, out_channels: int, stride: int, kind: str, project: bool):
        super().__init__()
        if kind == "bottleneck":
            inner = out_channels // 4
            shapes = [(channels, inner, 1, 1), (inner, inner, 3, stride), (inner, out_channels, 1, 1)]
        else:
            shapes = [(channels, out_channels, 3, stride), (out_channels, out_channels, 3, 1)]
        self.norms = nn.ModuleList([nn.BatchNorm2d(shape[0], eps=1e-5, momentum=0.1) for shape in shapes])
        self.convs = nn.ModuleList([SameConv2d(*shape) for shape in shapes])
        self.shortcut = SameConv2d(channels, out_channels, 1, stride) if project else None

    def forward(self, x: Tensor, shift: Shift | None) -> Tensor:
        p = torch.relu(self.norms[0](x))
        shortcut = x if self.shortcut is None else self.shortcut(p)
        r = self.convs[0](p if shift is None else shift(p))
        for norm, conv in zip(list(self.norms)[1:], list(self.convs)[1:], strict=True):
            r = conv(torch.relu(norm(r)))
        return shortcut + r


class ResNetV2(nn.Module):
    """[B, C, H, W] -> feature map [B, channels[-1], H/32, W/32], after the final BN and ReLU."""

    def __init__(self, in_channels: int, config: ResNetConfig, always_project: bool):
        super().__init__()
        self.stem = SameConv2d(in_channels, config.stem_channels, 7, 2)
        units = []
        channels = config.stem_channels
        for count, out_channels, stride in zip(config.blocks, config.channels, STRIDES, strict=True):
            blocks = []
            for j in range(count):
                # The published TSM net projects in every unit's first block, the audio net where the shape changes.
                project = j == 0 and (always_project or channels != out_channels or stride > 1)
                blocks.append(Block(channels, out_channels, stride if j == 0 else 1, config.block, project))
                channels = out_channels
            units.append(nn.ModuleList(blocks))
        self.units = nn.ModuleList(units)
        self.final_norm = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)
        self.out_channels = channels

    def forward(self, x: Tensor, shift: Shift | None = None) -> Tensor:
        return torch.relu(self.final_norm(self.unit_maps(x, shift)[-1]))

    def unit_maps(self, x: Tensor, shift: Shift | None = None) -> list[Tensor]:
        """The map after each unit, [B, channels[i], H/4, W/4] and so on, before any norm."""
        x = same_max_pool(self.stem(x))
        maps = []
        for unit in self.units:
            for block in unit:  # type: ignore[attr-defined]
                x = block(x, shift)
            maps.append(x)
        return maps
