"""The whole network: three backbones and the embedding graph that joins them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.networks.audio_resnet import AudioResNet
from models.networks.embedding_graph import COARSE_DIM, FINE_DIM, GRAPHS, embedding_graph
from models.networks.instance import instance_head
from models.networks.log_mel import LogMel, LogMelConfig
from models.networks.preact_resnet import ResNetConfig
from models.networks.s3d import S3D, S3DConfig
from models.networks.spectrum import spectrum, spectrum_dim
from models.networks.text import TextTower
from models.networks.tsm_resnet import TSMResNet


@dataclass(frozen=True)
class MMVConfig:
    """Kind and sizes of the network. The defaults are the published TSM-ResNet-50.

    `graph` is one of embedding_graph.GRAPHS; an `instance_dim` of 0 leaves the instance space out. For stills it has,
    beside the representation, the maps after the first units of a residual network, in `layout_rows` rows of cells
    each (layout.py); for sounds those in `spectrum_bands` bands each (spectrum.py).
    """

    video: ResNetConfig | S3DConfig = field(default_factory=ResNetConfig)
    audio: ResNetConfig = field(default_factory=ResNetConfig)
    log_mel: LogMelConfig = field(default_factory=LogMelConfig)
    text_dim: int = 2048
    fine_dim: int = FINE_DIM
    coarse_dim: int = COARSE_DIM
    instance_dim: int = 128
    layout_rows: tuple[int, ...] = ()
    spectrum_bands: tuple[int, ...] = ()
    graph: str = "fac_relu"

    def __post_init__(self) -> None:
        if self.graph not in GRAPHS:
            raise ValueError(f"graph is {self.graph!r}; it must be one of {', '.join(GRAPHS)}")
        units = len(self.video.channels) if isinstance(self.video, ResNetConfig) else 0
        _require_for_units("layout_rows", self.layout_rows, units)
        _require_for_units("spectrum_bands", self.spectrum_bands, len(self.audio.channels))
        if self.graph == "shared" and self.fine_dim != self.coarse_dim:
            raise ValueError(f"a shared graph has one space: fine_dim {self.fine_dim} != coarse_dim {self.coarse_dim}")


def _require_for_units(name: str, cells: tuple[int, ...], units: int) -> None:
    if len(cells) > units or any(count < 1 for count in cells):
        raise ValueError(f"{name} is {cells}; one number above 0 for each of up to {units} units")


class MMV(nn.Module):
    """Embeds clips, sounds and texts; encode_* return un-normalised float32 `representation`, `fine`, `coarse`.

    Text has no `fine`; in a disjoint graph sound has no `coarse`.
    """

    def __init__(self, config: MMVConfig, word_vectors: Tensor):
        super().__init__()
        self.config = config
        self.video = S3D(config.video) if isinstance(config.video, S3DConfig) else TSMResNet(config.video)
        self.audio = AudioResNet(config.audio)
        self.log_mel = LogMel(config.log_mel)
        self.text = TextTower(word_vectors, config.text_dim)
        dims = (self.video.dim, self.audio.dim, config.text_dim)
        self.graph = embedding_graph(config.graph, dims, config.fine_dim, config.coarse_dim)
        heard = self.audio.dim + spectrum_dim(config.audio.channels, config.spectrum_bands)
        self.audio_instance = instance_head(heard, config.instance_dim)
        self.apply(_initialise)

    def encode_video(self, frames: Tensor) -> dict[str, Tensor]:
        """float32 [B, T, H, W, 3] in [0, 1]."""
        return self.graph.video(self.video(frames))

    def encode_audio(self, log_mel: Tensor) -> dict[str, Tensor]:
        """float32 [B, time, mel]; `self.log_mel` makes it of a waveform."""
        return self.graph.audio(self.audio(log_mel))

    def hear(self, log_mel: Tensor) -> dict[str, Tensor]:
        """As `encode_audio`, and `heard` [B, S], which the instance head is for.

        It is the representation, and the spectrum where there is one.
        """
        bands = self.config.spectrum_bands
        representation, maps = self.audio.with_maps(log_mel)
        heard = torch.cat([representation, spectrum(maps, bands)], dim=1) if bands else representation
        return {**self.graph.audio(representation), "heard": heard}

    def encode_text(self, ids: Tensor) -> dict[str, Tensor]:
        """int64 [B, N]. Raises IndexError for ids outside of the vocabulary."""
        return self.graph.text(self.text(ids))


def unfilled_network(config: MMVConfig, word_table: tuple[int, int]) -> MMV:
    """The network with shapes but no numbers, for `fill_network`: nothing is allocated or initialised."""
    with torch.device("meta"):
        return MMV(config, torch.zeros(word_table))


def fill_network(network: MMV, tensors: dict[str, Tensor]) -> MMV:
    """Give an unfilled network its weights (the tensors themselves, not copies) and put it into eval mode.

    Raises RuntimeError for a missing, unknown or mis-shaped tensor; counters of batches need not be there.
    """
    counters = {n: torch.zeros((), dtype=b.dtype) for n, b in network.named_buffers() if n.endswith("_tracked")}
    network.log_mel = LogMel(network.config.log_mel)
    network.load_state_dict(counters | tensors, assign=True)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith("text.embed."))
    return network.eval()


def _initialise(module: nn.Module) -> None:
    """He initialisation by fan-in, truncated at two sigma as Haiku's default is; biases zero."""
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
        fan_in = module.weight[0].numel()
        std = (2.0 / fan_in) ** 0.5 if isinstance(module, nn.Conv2d | nn.Conv3d) else fan_in**-0.5
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def parameter_count(network: nn.Module) -> int:
    """Trainable values, the frozen word vectors left out."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
