"""The embedding graphs (section 3.1 of the paper): which spaces vision, sound and text share, and by which heads.

shared: one space for all three. disjoint: one for vision and sound, one for vision and text. fac (fine and coarse): a
fine space for vision and sound, from which one head leads both to a coarse space, where text is. Heads are those of the
published configuration. Embeddings come un-normalised.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FINE_DIM, COARSE_DIM = 512, 256
GRAPHS = ("fac", "fac_relu", "fac_bnrelu", "shared", "disjoint")
Embedding = dict[str, Tensor]


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


class CoarseHead(nn.Module):
    """vis_embd of the reference: Linear (with a bias, although BN follows), BN; before them the graph's interaction.

    In FAC it maps the fine space to the coarse one, for vision and sound alike; its BN learns from vision alone, since
    in training sound never passes through it. `interaction` is "" (none), "relu" or "bnrelu".
    """

    def __init__(self, dim: int, coarse_dim: int, interaction: str):
        super().__init__()
        self.interaction = interaction
        self.interaction_norm = nn.BatchNorm1d(dim, eps=1e-5, momentum=0.1) if interaction == "bnrelu" else None
        self.final = nn.Linear(dim, coarse_dim)
        self.final_norm = nn.BatchNorm1d(coarse_dim, eps=1e-5, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        if self.interaction_norm is not None:
            x = self.interaction_norm(x)
        if self.interaction:
            x = torch.relu(x)
        return self.final_norm(self.final(x))

    def by_running_statistics(self, x: Tensor) -> Tensor:
        """As in eval mode, whatever the mode."""
        if self.interaction_norm is not None:
            x = _running(self.interaction_norm, x)
        if self.interaction:
            x = torch.relu(x)
        return _running(self.final_norm, self.final(x))


def _running(norm: nn.Module, x: Tensor) -> Tensor:
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)  # type: ignore[arg-type]


class FACGraph(nn.Module):
    """Fine and coarse: text meets vision and sound in the coarse space, which both reach through the fine one."""

    audio_scale: Tensor

    def __init__(self, dims: tuple[int, int, int], fine_dim: int, coarse_dim: int, interaction: str):
        super().__init__()
        video_dim, audio_dim, text_dim = dims
        self.video_fine = FineVideoHead(video_dim, fine_dim)
        self.audio_fine = nn.Linear(audio_dim, fine_dim)
        self.to_coarse = CoarseHead(fine_dim, coarse_dim, interaction)
        self.text_coarse = nn.Linear(text_dim, coarse_dim)
        # Cosine losses leave the norm of sound's fine embedding free, but to_coarse is not scale-invariant: after
        # training this is set so that sound's mean norm equals vision's. 1 keeps the published behaviour.
        self.register_buffer("audio_scale", torch.ones(()))

    def video(self, representation: Tensor) -> Embedding:
        fine = self.video_fine(representation)
        return {"representation": representation, "fine": fine, "coarse": self.to_coarse(fine)}

    def audio(self, representation: Tensor) -> Embedding:
        fine = self.audio_fine(representation) * self.audio_scale
        return {"representation": representation, "fine": fine, "coarse": self.to_coarse(fine)}

    def sound_coarse(self, audio_fine: Tensor, video_fine: Tensor) -> Tensor:
        """Training's way of sound [B, F] into the coarse space [B, C], beside a batch of vision [B, F].

        At vision's mean norm, as `audio_scale` makes it after training, and through running statistics: the head's
        batch norm never learns from sound.
        """
        scale = (video_fine.norm(dim=-1).mean() / audio_fine.norm(dim=-1).mean().clamp(min=1e-6)).detach()
        return self.to_coarse.by_running_statistics(audio_fine * scale)

    def text(self, representation: Tensor) -> Embedding:
        return {"representation": representation, "coarse": self.text_coarse(representation)}


class DisjointGraph(nn.Module):
    """A space for vision and sound (`fine`), another for vision and text (`coarse`): sound and text do not compare."""

    def __init__(self, dims: tuple[int, int, int], fine_dim: int, coarse_dim: int):
        super().__init__()
        video_dim, audio_dim, text_dim = dims
        self.video_fine = FineVideoHead(video_dim, fine_dim)
        self.audio_fine = nn.Linear(audio_dim, fine_dim)
        self.video_coarse = CoarseHead(video_dim, coarse_dim, "")
        self.text_coarse = nn.Linear(text_dim, coarse_dim)

    def video(self, representation: Tensor) -> Embedding:
        fine, coarse = self.video_fine(representation), self.video_coarse(representation)
        return {"representation": representation, "fine": fine, "coarse": coarse}

    def audio(self, representation: Tensor) -> Embedding:
        return {"representation": representation, "fine": self.audio_fine(representation)}

    def text(self, representation: Tensor) -> Embedding:
        return {"representation": representation, "coarse": self.text_coarse(representation)}


class SharedGraph(nn.Module):
    """One space and one head for each modality: `fine` and `coarse` are the same embedding."""

    def __init__(self, dims: tuple[int, int, int], dim: int):
        super().__init__()
        video_dim, audio_dim, text_dim = dims
        self.video_fine = FineVideoHead(video_dim, dim)
        self.audio_fine = nn.Linear(audio_dim, dim)
        self.text_coarse = nn.Linear(text_dim, dim)

    def video(self, representation: Tensor) -> Embedding:
        return self._both(representation, self.video_fine(representation))

    def audio(self, representation: Tensor) -> Embedding:
        return self._both(representation, self.audio_fine(representation))

    def text(self, representation: Tensor) -> Embedding:
        return {"representation": representation, "coarse": self.text_coarse(representation)}

    def sound_coarse(self, audio_fine: Tensor, video_fine: Tensor) -> Tensor:
        """As FACGraph's: here it is there already."""
        return audio_fine

    @staticmethod
    def _both(representation: Tensor, embedding: Tensor) -> Embedding:
        return {"representation": representation, "fine": embedding, "coarse": embedding}


EmbeddingGraph = FACGraph | DisjointGraph | SharedGraph


def embedding_graph(kind: str, dims: tuple[int, int, int], fine_dim: int, coarse_dim: int) -> EmbeddingGraph:
    """The graph called `kind` (one of GRAPHS) on representations of `dims`: video, audio, text."""
    if kind == "shared":
        return SharedGraph(dims, fine_dim)
    if kind == "disjoint":
        return DisjointGraph(dims, fine_dim, coarse_dim)
    return FACGraph(dims, fine_dim, coarse_dim, kind.removeprefix("fac").removeprefix("_"))
