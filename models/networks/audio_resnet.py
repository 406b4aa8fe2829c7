"""The audio backbone: a ResNet V2 on the log-mel spectrogram, seen as a one-channel picture."""

import torch
from torch import Tensor, nn

from models.networks.preact_resnet import ResNetConfig, ResNetV2
from models.networks.same_padding import mean_pool


class AudioResNet(nn.Module):
    """log-mel float [B, time, mel] -> representation [B, D]: mean over time and mel. Time is the height axis."""

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.trunk = ResNetV2(1, config, always_project=False)
        self.dim = self.trunk.out_channels

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.with_maps(log_mel)[0]

    def with_maps(self, log_mel: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The representation, and the map after each unit (`ResNetV2.unit_maps`)."""
        maps = self.trunk.unit_maps(log_mel.unsqueeze(1))
        return mean_pool(torch.relu(self.trunk.final_norm(maps[-1]))), maps
