"""The FAC embedding graph (section 3.1 of the paper): a fine space for vision and sound, a coarse one for all three."""

import torch
from torch import Tensor, nn

FINE_DIM, COARSE_DIM = 512, 256


class FineVideoHead(nn.Module):
    """vid2audio_embd of the reference: Linear, BN, ReLU, Linear without bias, BN."""

    def __init__(self, dim: int, fine_dim: int):
        super().__init__()
        self.inner = nn.Linear(dim, fine_dim)
        self.inner_norm = nn.BatchNorm1d(fine_dim, eps=1e-5, momentum=0.1)
        self.final = nn.Linear(fine_dim, fine_dim, bias=False)
        self.final_norm = nn.BatchNorm1d(fine_dim, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.final_norm(self.final(torch.relu(self.inner_norm(self.inner(x)))))


class FineToCoarse(nn.Module):
    """vis_embd of the reference: ReLU, Linear (with a bias, although BN follows), BN. Vision and sound share it.

    Its BN learns from vision alone: in training sound never passes through it.
    """

    def __init__(self, fine_dim: int, coarse_dim: int):
        super().__init__()
        self.final = nn.Linear(fine_dim, coarse_dim)
        self.final_norm = nn.BatchNorm1d(coarse_dim, eps=1e-5, momentum=0.1)

    def forward(self, fine: Tensor) -> Tensor:
        return self.final_norm(self.final(torch.relu(fine)))


class FACGraph(nn.Module):
    """Heads of the fine-and-coarse graph. Embeddings come un-normalised."""

    audio_scale: Tensor

    def __init__(
        self, video_dim: int, audio_dim: int, text_dim: int, fine_dim: int = FINE_DIM, coarse_dim: int = COARSE_DIM
    ):
        super().__init__()
        self.video_fine = FineVideoHead(video_dim, fine_dim)
        self.audio_fine = nn.Linear(audio_dim, fine_dim)
        self.to_coarse = FineToCoarse(fine_dim, coarse_dim)
        self.text_coarse = nn.Linear(text_dim, coarse_dim)
        # Cosine losses leave the norm of sound's fine embedding free, but to_coarse is not scale-invariant: after
        # training this is set so that sound's mean norm equals vision's. 1 keeps the published behaviour.
        self.register_buffer("audio_scale", torch.ones(()))

    def video(self, representation: Tensor) -> dict[str, Tensor]:
        fine = self.video_fine(representation)
        return {"representation": representation, "fine": fine, "coarse": self.to_coarse(fine)}

    def audio(self, representation: Tensor) -> dict[str, Tensor]:
        fine = self.audio_fine(representation) * self.audio_scale
        return {"representation": representation, "fine": fine, "coarse": self.to_coarse(fine)}

    def text(self, representation: Tensor) -> dict[str, Tensor]:
        return {"representation": representation, "coarse": self.text_coarse(representation)}
