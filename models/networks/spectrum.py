"""At which pitches a sound is loud: early feature maps of its log-mel, averaged over time and a few bands.

Averaged over the whole spectrogram, as the representation does, tells what makes a sound and lets go of its timbre: two
doors sound alike. A few bands keep the spectral envelope (what layout.py is to pictures), wherever in the window it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.networks.layout import cell_shares


def spectrum(maps: Sequence[Tensor], bands: Sequence[int]) -> Tensor:
    """Maps [B, C_i, time_i, mel_i], the first `len(bands)` of them rectified, in bands[i] equal bands: [B, L]."""
    parts = [torch.relu(x).mean(dim=2) @ cell_shares(x.shape[3], n).T.to(x) for x, n in zip(maps, bands, strict=False)]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def spectrum_dim(channels: Sequence[int], bands: Sequence[int]) -> int:
    """L of `spectrum` for maps of so many channels."""
    return sum(c * n for c, n in zip(channels, bands, strict=False))
