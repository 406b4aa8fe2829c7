"""The log-mel front end, as convolutions, so that it is exported with the network and cannot drift from training."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class LogMelConfig:
    """Defaults are the published ones: `logmf` of `compute_audio_spectrogram` in google-deepmind/dmvr."""

    sample_rate: int = 48_000
    frame: int = 2048
    hop: int = 1024
    bins: int = 80
    low_hz: float = 80.0
    high_hz: float = 7600.0
    offset: float = 1e-6  # added before the logarithm
    # 0: what the last frames lack is silence, as published. Else sounds are repeated up to a multiple of so many hops.
    loop_hops: int = 0


class LogMel(nn.Module):
    """Mono waveform float [B, S] in [-1, 1] -> log-mel [B, time, bins]: log(mel-weighted magnitudes + offset).

    Frame i starts at sample i * hop; there are as many as begin within the sound, time = ceil(S / hop).
    """

    dft: Tensor
    mel: Tensor

    def __init__(self, config: LogMelConfig):
        super().__init__()
        self.config = config
        bins = np.arange(config.frame // 2 + 1)
        used = bins * config.sample_rate / config.frame <= config.high_hz
        angle = 2 * math.pi * np.outer(bins[used], np.arange(config.frame)) / config.frame
        window = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(config.frame) / config.frame)
        dft = np.concatenate([np.cos(angle), np.sin(angle)]) * window
        self.register_buffer("dft", torch.tensor(dft[:, None], dtype=torch.float32), persistent=False)
        weights = mel_weights(config)[used]
        self.register_buffer("mel", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        c = self.config
        if c.loop_hops:
            waveform = _looped(waveform, c.hop * c.loop_hops)
        samples = waveform.shape[1]
        frames = (samples + c.hop - 1) // c.hop  # not -(-a // b): ONNX divides towards zero
        padded = F.pad(waveform, (0, (frames - 1) * c.hop + c.frame - samples))
        spectrum = F.conv1d(padded.unsqueeze(1), self.dft, stride=c.hop)
        real, imaginary = spectrum.chunk(2, dim=1)
        magnitude = torch.sqrt(real * real + imaginary * imaginary)
        return torch.log(magnitude.transpose(1, 2) @ self.mel + c.offset)


def _looped(waveform: Tensor, period: int) -> Tensor:
    """[B, S] repeated up to a multiple of `period` samples."""
    samples = waveform.shape[1]
    length = (samples + period - 1) // period * period
    # The divisor as a tensor: the ONNX exporter has no remainder by a symbolic number.
    index = torch.arange(length, device=waveform.device) % torch.full((1,), samples, device=waveform.device)
    return waveform[:, index]


def mel_weights(config: LogMelConfig) -> np.ndarray:
    """Triangular filters on the HTK mel scale: [frame // 2 + 1, bins]."""

    def to_mel(hz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hz) / 700.0)

    edges = np.linspace(to_mel(config.low_hz), to_mel(config.high_hz), config.bins + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    mel = to_mel(np.arange(config.frame // 2 + 1) * config.sample_rate / config.frame)[:, None]
    rising = (mel - lower) / (centre - lower)
    falling = (upper - mel) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling))
