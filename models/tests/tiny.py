"""A network, a word table and an input specification small enough for tests."""

import numpy as np
import torch

from models.bundle import InputSpec
from models.networks.log_mel import LogMelConfig
from models.networks.mmv import MMV, MMVConfig
from models.networks.preact_resnet import ResNetConfig
from models.preprocess.text import SPECIAL
from models.training.config import DeflateConfig, OptimConfig, TrainConfig
from models.training.data.word_vectors import WordTable

WORDS = ["red", "green", "blue", "low", "high", "tone", "a", "square"]
INPUTS = InputSpec(window_s=1.6, hop_s=0.8, frames=4, frame_height=32, frame_width=40, sample_rate=8000, words=6)
TRUNK = ResNetConfig("basic", (1, 1, 1, 1), (8, 16, 16, 32), 8)
# A window is 64 spectrogram frames: every size on the way through the network is even, the exporter's hardest case.
NETWORK = MMVConfig(
    TRUNK,
    TRUNK,
    LogMelConfig(8000, 256, 200, 24, 80, 3600, offset=0.01),
    text_dim=32,
    fine_dim=32,
    coarse_dim=32,
    layout_rows=(2, 3),
    spectrum_bands=(4, 2),
)


def config(steps: int = 6, seed: int = 3) -> TrainConfig:
    """A training run of a few seconds."""
    return TrainConfig(
        name="tiny",
        inputs=INPUTS,
        network=NETWORK,
        seed=seed,
        optim=OptimConfig(steps=steps, batch=8, warmup_steps=2, learning_rate=3e-3, bf16=False, threads=1),
        deflate=DeflateConfig(steps=20, batch=8, learning_rate=3e-3),
        evaluate_every=1000,
        checkpoint_every=1000,
    )


def word_table() -> WordTable:
    """Random vectors for WORDS."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (len(SPECIAL) + len(WORDS), 20)).astype(np.int8)
    return WordTable([*SPECIAL, *WORDS], codes, np.full((len(codes), 1), 1 / 128, np.float32))


def network(seed: int = 0) -> MMV:
    """Random weights, with batch-norm statistics that are not the initial ones; in eval mode."""
    torch.manual_seed(seed)
    net = MMV(NETWORK, torch.from_numpy(word_table().vectors()))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()
