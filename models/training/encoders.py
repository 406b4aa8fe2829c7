"""The encoders of a bundle as PyTorch modules, with exactly the inputs and outputs of their ONNX files."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.bundle import InputSpec
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.training.data.word_vectors import WordTable

SPACES = ("fine", "coarse", "representation")


class VideoEncoder(nn.Module):
    """uint8 [B, T, H, W, 3] -> fine, coarse (normalised), representation."""

    input, outputs = "frames", SPACES

    def __init__(self, network: MMV):
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        return _outputs(self.network.encode_video(frames.float() / 255))


class ImageEncoder(nn.Module):
    """uint8 [B, H, W, 3] -> fine, coarse (normalised), representation, through the deflated network.

    And the instance embedding, where the network has one.
    """

    input = "images"

    def __init__(self, deflated: DeflatedMMV):
        super().__init__()
        self.deflated = deflated
        self.outputs = (*SPACES, "instance") if deflated.instance is not None else SPACES

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = self.deflated(images.float() / 255)
        outputs = _outputs(found)
        return outputs if self.deflated.instance is None else (*outputs, self.deflated.instance(found["seen"]))


class AudioEncoder(nn.Module):
    """Mono waveform float32 [B, S] -> fine, coarse (normalised), representation, instance.

    No coarse in a disjoint graph, and no instance where the network has none.
    """

    input = "waveform"

    def __init__(self, network: MMV):
        super().__init__()
        self.network = network
        spaces = tuple(s for s in SPACES if s != "coarse" or network.config.graph != "disjoint")
        self.outputs = spaces if network.audio_instance is None else (*spaces, "instance")

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        found, head = self.network.hear(self.network.log_mel(waveform)), self.network.audio_instance
        outputs = _outputs(found)
        return outputs if head is None else (*outputs, head(found["heard"]))


class TextEncoder(nn.Module):
    """int64 ids [B, N] -> coarse (normalised). The word table stays as it is stored (int8, of our own networks)."""

    input, outputs = "ids", ("coarse",)
    codes: Tensor
    scales: Tensor

    def __init__(self, network: MMV, table: WordTable):
        super().__init__()
        self.network = network
        self.register_buffer("codes", torch.from_numpy(table.codes))
        self.register_buffer("scales", torch.from_numpy(table.scales))

    def forward(self, ids: Tensor) -> Tensor:
        words = self.codes[ids].float() * self.scales[ids]
        text = torch.relu(self.network.text.linear(words)).amax(dim=1)
        return F.normalize(self.network.graph.text(text)["coarse"], dim=-1)


Encoder = VideoEncoder | ImageEncoder | AudioEncoder | TextEncoder


def _outputs(embedding: dict[str, Tensor]) -> tuple[Tensor, ...]:
    spaces = [F.normalize(embedding[space], dim=-1) for space in ("fine", "coarse") if space in embedding]
    return *spaces, embedding["representation"]


def encoder_modules(network: MMV, deflated: DeflatedMMV, table: WordTable | None) -> dict[str, Encoder]:
    """The encoders by modality, in eval mode; without a word table there is none for text."""
    modules: dict[str, Encoder] = {
        "video": VideoEncoder(network).eval(),
        "image": ImageEncoder(deflated).eval(),
        "audio": AudioEncoder(network).eval(),
    }
    return modules if table is None else {**modules, "text": TextEncoder(network, table).eval()}


def example_inputs(modality: str, inputs: InputSpec, batch: int, length: int, vocabulary: int, seed: int = 0) -> Tensor:
    """Random inputs of one encoder. `length` counts frames, samples or words; images have none."""
    rng = np.random.default_rng(seed)
    size = (inputs.frame_height, inputs.frame_width, 3)
    if modality == "video":
        return torch.from_numpy(rng.integers(0, 256, (batch, length, *size), dtype=np.uint8))
    if modality == "image":
        return torch.from_numpy(rng.integers(0, 256, (batch, *size), dtype=np.uint8))
    if modality == "audio":
        return torch.from_numpy(rng.normal(0, 0.1, (batch, length)).astype(np.float32))
    return torch.from_numpy(rng.integers(0, vocabulary, (batch, length)))
