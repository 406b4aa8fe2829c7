"""TSM-ResNet: a 2-D ResNet over the frames of a clip, mixing neighbouring frames by shifting channels in time."""

import copy

import torch
from torch import Tensor, nn

from models.networks.preact_resnet import ResNetConfig, ResNetV2
from models.networks.same_padding import mean_pool

SHIFT_FRACTION = 0.125


def temporal_shift(x: Tensor, frames: int) -> Tensor:
    """Shift an eighth of the channels each way in time; x is [B*T, C, H, W], time within batch.

    As in the published MMV network: the last eighth, taken from the next frame, moves to the front, and the first
    eighth, taken from the previous frame, moves to the back (the public TSM code leaves them in place). Zeros beyond
    the clip's ends.
    """
    bt, c, h, w = x.shape
    k = int(c * SHIFT_FRACTION)
    if k == 0:
        raise ValueError(f"the temporal shift needs at least {int(1 / SHIFT_FRACTION)} channels, not {c}")
    x = x.reshape(bt // frames, frames, c, h, w)
    edge = torch.zeros_like(x[:, :1, :k])
    # Channels first and then time: the slice over time copies, and so copies an eighth only (a tenth of the time of a
    # TSM-ResNet-50 in ONNX Runtime).
    future = torch.cat([x[:, :, c - k :][:, 1:], edge], dim=1)
    past = torch.cat([edge, x[:, :, :k][:, :-1]], dim=1)
    return torch.cat([future, x[:, :, k : c - k], past], dim=2).reshape(bt, c, h, w)


class TSMResNet(nn.Module):
    """float [B, T, H, W, 3] in [0, 1] -> representation [B, D]: mean over space, then over time."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.trunk = ResNetV2(3, config, always_project=True)
        self.dim = self.trunk.out_channels

    def forward(self, frames: Tensor) -> Tensor:
        b, t, h, w, c = frames.shape
        x = frames.reshape(b * t, h, w, c).permute(0, 3, 1, 2)
        x = self.trunk(x, lambda p: temporal_shift(p, t))
        return mean_pool(x).reshape(b, t, self.dim).mean(dim=1)

    def deflated(self) -> "DeflatedTSMResNet":
        """A copy that takes images (section 3.2 of the paper)."""
        return DeflatedTSMResNet(self)


class DeflatedTSMResNet(nn.Module):
    """The deflated network: the same trunk without the shift. float [B, H, W, 3] -> [B, D].

    The filters are the video network's own memory (380 MB of the largest published one), only the norms are copies.
    """

    def __init__(self, network: TSMResNet):
        super().__init__()
        convs = [m for m in network.trunk.modules() if isinstance(m, nn.Conv2d)]
        shared = {id(c.weight): nn.Parameter(c.weight.detach(), requires_grad=False) for c in convs}
        self.trunk = copy.deepcopy(network.trunk, shared)

    def forward(self, images: Tensor) -> Tensor:
        return self.with_maps(images)[0]

    def with_maps(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The representation, and the map after each unit (`ResNetV2.unit_maps`)."""
        maps = self.trunk.unit_maps(images.permute(0, 3, 1, 2))
        return mean_pool(torch.relu(self.trunk.final_norm(maps[-1]))), maps
