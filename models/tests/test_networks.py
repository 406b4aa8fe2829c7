"""The network as a whole; what its parts compute is tested by topic."""

import pytest
import torch
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.networks.embedding_graph import FACGraph
from models.networks.instance import InstanceHead
from models.networks.log_mel import LogMelConfig
from models.networks.mmv import MMV, MMVConfig
from models.networks.preact_resnet import ResNetConfig

TINY = ResNetConfig("basic", (1, 1, 1, 1), (8, 16, 16, 16), 8)
CONFIG = MMVConfig(TINY, TINY, LogMelConfig(8000, 256, 128, 16, 80, 3600), text_dim=24, fine_dim=12, coarse_dim=10)


@pytest.fixture
def network() -> MMV:
    torch.manual_seed(0)
    net = MMV(CONFIG, torch.randn(50, 6))
    for module in net.modules():  # as after some training: statistics that are not the initial ones
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return net.eval()


def test_coarse_of_vision_and_sound_comes_through_the_same_head_after_relu(network: MMV) -> None:
    video = network.encode_video(torch.rand(2, 4, 40, 48, 3))
    audio = network.encode_audio(torch.randn(2, 64, 16))
    assert isinstance(network.graph, FACGraph)
    for embedding in (video, audio):
        assert torch.allclose(embedding["coarse"], network.graph.to_coarse(embedding["fine"]))
        assert torch.allclose(network.graph.to_coarse(embedding["fine"].relu()), embedding["coarse"])
    assert set(network.encode_text(torch.zeros(1, 3, dtype=torch.long))) == {"representation", "coarse"}


def test_deflated_network_trains_gamma_and_beta_alone_and_leaves_the_video_network_as_it_was(network: MMV) -> None:
    images = torch.rand(4, 40, 48, 3)
    before = network.encode_video(static_clip(images, 4))["fine"].detach().clone()
    deflated = DeflatedMMV(network)
    optimiser = torch.optim.Adam([p for p in deflated.parameters() if p.requires_grad], 1e-2)
    names = [n for n, p in deflated.named_parameters() if p.requires_grad]
    assert all("norm" in n for n in names)
    assert len(names) == 2 * sum(isinstance(m, torch.nn.BatchNorm2d) for m in network.video.modules())
    first = F.l1_loss(deflated(images)["fine"], before).item()
    for _ in range(30):
        deflated.train()
        loss = F.l1_loss(deflated(images)["fine"], before)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.8 * first
    assert torch.equal(network.encode_video(static_clip(images, 4))["fine"], before)


def test_instance_head_evens_out_the_directions_it_is_fitted_to() -> None:
    torch.manual_seed(0)
    spread = torch.tensor([30.0, 3.0, 0.3, 1.0])
    representations = 50 + torch.randn(4000, 4) * spread
    head = InstanceHead(4, 3)
    head.fit(representations)
    whitened = (representations - head.mean) @ head.matrix
    variances = torch.cov(whitened.T)
    assert torch.allclose(variances - torch.diag(torch.diag(variances)), torch.zeros(3, 3), atol=1e-3)
    # The ridge holds directions of less than a thousandth of the largest variance down.
    assert torch.diag(variances).tolist() == pytest.approx([1 / 1.001, 9 / 9.9, 1 / 1.9], rel=0.05)
    assert torch.allclose(head(representations).norm(dim=1), torch.ones(4000), atol=1e-5)
