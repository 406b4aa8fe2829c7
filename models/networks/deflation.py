"""Deflation (section 3.2 of the paper): the video network made into an image network, with no labels."""

import copy

import torch
from torch import Tensor, nn

from models.networks.instance import instance_head
from models.networks.layout import layout, layout_dim
from models.networks.mmv import MMV
from models.networks.preact_resnet import ResNetConfig
from models.networks.tsm_resnet import DeflatedTSMResNet


class DeflatedMMV(nn.Module):
    """An image network: the video network's backbone taken out of time, with its own batch-norm scales and offsets.

    Only gamma and beta (`trainable()`) differ from the video network; convolutions, statistics and heads are copies of
    the video network's, held in eval mode.
    """

    def __init__(self, network: MMV):
        super().__init__()
        self.video = network.video.deflated()
        self.graph = copy.deepcopy(network.graph)
        config = network.config
        self.layout_rows = config.layout_rows
        dim: int = network.video.dim
        if isinstance(config.video, ResNetConfig):  # the only ones with a layout
            dim += layout_dim(config.video.channels, self.layout_rows)
        self.instance = instance_head(dim, config.instance_dim)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for parameter in self.trainable():
            parameter.requires_grad_(True)
        self.eval()

    def trainable(self) -> list[nn.Parameter]:
        """Gamma and beta of every batch norm of the image backbone, and nothing else."""
        norms = [m for m in self.video.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
        return [p for norm in norms for p in (norm.weight, norm.bias)]

    def train(self, mode: bool = True) -> "DeflatedMMV":
        """Statistics stay those of the video network, also in training: this module never leaves eval mode."""
        return super().train(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """float32 [B, H, W, 3] in [0, 1] -> the outputs that the video network would give for the static clip.

        And `seen` [B, S], which the instance head is for: the representation, and the layout where there is one.
        """
        if not self.layout_rows or not isinstance(self.video, DeflatedTSMResNet):
            outputs = self.graph.video(self.video(images))
            return {**outputs, "seen": outputs["representation"]}
        representation, maps = self.video.with_maps(images)
        outputs = self.graph.video(representation)
        return {**outputs, "seen": torch.cat([representation, layout(maps, self.layout_rows)], dim=1)}


def static_clip(images: Tensor, frames: int) -> Tensor:
    """Input inflation: an image [B, H, W, 3] repeated `frames` times, [B, T, H, W, 3]."""
    return images.unsqueeze(1).expand(-1, frames, -1, -1, -1)
