"""The network as a whole; what its parts compute is tested by topic."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.networks.embedding_graph import FACGraph
from models.networks.instance import InstanceHead
from models.networks.layout import cell_means, layout, layout_dim
from models.networks.log_mel import LogMelConfig
from models.networks.mmv import MMV, MMVConfig
from models.networks.preact_resnet import ResNetConfig
from models.networks.s3d import S3DConfig
from models.networks.spectrum import spectrum, spectrum_dim

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


def test_instance_head_scales_down_what_changes_within_a_moment() -> None:
    torch.manual_seed(0)
    moment = torch.randn(4000, 4) * torch.tensor([1.0, 5.0, 2.0, 0.1])
    change = torch.tensor([10.0, 0.5, 0.5, 0.5])
    first, second = (50 + moment + torch.randn(4000, 4) * change for _ in range(2))
    head = InstanceHead(4, 2)
    head.fit(first, second)
    # What changes most tells least, however much it varies; the two directions that tell the most moments apart stay.
    assert head.matrix.abs().max(dim=0).indices.tolist() == [1, 2]
    within = torch.cov(((first - second) @ head.matrix / 2**0.5).T)
    assert torch.allclose(within, torch.diag(torch.diag(within)), atol=0.02)
    assert torch.diag(within).tolist() == pytest.approx([0.25 / (0.25 + 0.03 * 100.75 / 4)] * 2, rel=0.1)
    assert torch.allclose(head(first).norm(dim=1), torch.ones(4000), atol=1e-5)


def test_instance_head_of_moments_that_never_change_is_finite() -> None:
    torch.manual_seed(0)
    head = InstanceHead(4, 2)
    still = torch.randn(100, 4)
    head.fit(still, still)
    assert torch.isfinite(head(still)).all()


def test_layout_tells_where_things_are() -> None:
    picture = torch.zeros(1, 2, 5, 7)
    picture[0, 1, 4, 6] = 1.0  # in the last cell, and in no other
    cells = cell_means(picture, 2, 3)
    assert cells.shape == (1, 2, 2, 3)
    assert cells[0, 1, 1, 2].item() == pytest.approx(6 / 35)
    assert cells.sum().item() == pytest.approx(6 / 35)
    # A pixel on an edge belongs to both cells, in parts; the mean of the cells is that of the picture.
    torch.manual_seed(0)
    map_ = torch.rand(2, 3, 10, 14)
    assert torch.allclose(cell_means(map_, 3, 4).mean((2, 3)), map_.mean((2, 3)), atol=1e-6)
    assert torch.allclose(cell_means(map_, 5, 7), F.adaptive_avg_pool2d(map_, (5, 7)), atol=1e-6)
    seen = layout([map_ - 0.5, map_, map_], (2, 3))
    assert seen.shape == (2, layout_dim((3, 3, 3), (2, 3)))
    assert (seen >= 0).all()


def test_a_still_is_told_apart_by_its_representation_and_its_layout(network: MMV) -> None:
    images = torch.rand(2, 40, 48, 3)
    plain = DeflatedMMV(network)(images)
    network.config = replace(CONFIG, layout_rows=(2, 3))
    deflated = DeflatedMMV(network)
    seen = deflated(images)["seen"]
    assert torch.equal(plain["seen"], plain["representation"])
    assert torch.equal(seen[:, : network.video.dim], plain["representation"])
    assert deflated.instance is not None
    assert seen.shape == (2, len(deflated.instance.mean))
    assert seen.shape[1] == network.video.dim + 8 * 6 + 16 * 12


def test_spectrum_tells_the_pitch_and_not_the_time() -> None:
    sound = torch.zeros(1, 2, 6, 5)  # [B, C, time, mel]
    sound[0, 1, 2, 4] = 1.0
    later = torch.roll(sound, 3, dims=2)
    found = spectrum([sound, sound], (2, 5)).squeeze(0)
    assert found.shape == (spectrum_dim((2, 2), (2, 5)),)
    high, highest = 3, 4 + 9  # the last band of the second channel, in halves and in fifths
    assert torch.nonzero(found).flatten().tolist() == [high, highest]
    assert found[[high, highest]].tolist() == pytest.approx([1 / 6 * 2 / 5, 1 / 6])
    assert torch.equal(spectrum([later], (5,)), spectrum([sound], (5,)))
    assert not spectrum([sound - 1], (5,)).any()


def test_a_sound_is_told_apart_by_its_representation_and_its_spectrum() -> None:
    torch.manual_seed(0)
    network = MMV(replace(CONFIG, spectrum_bands=(4, 2)), torch.randn(50, 6)).eval()
    log_mel = torch.randn(2, 50, 16)
    found, plain = network.hear(log_mel), network.encode_audio(log_mel)
    assert torch.equal(found["heard"][:, : network.audio.dim], plain["representation"])
    assert all(torch.equal(found[name], value) for name, value in plain.items())
    assert network.audio_instance is not None
    assert found["heard"].shape == (2, len(network.audio_instance.mean))
    assert found["heard"].shape[1] == network.audio.dim + 8 * 4 + 16 * 2
    network.config = CONFIG
    assert torch.equal(network.hear(log_mel)["heard"], plain["representation"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout_rows": (0,)},
        {"video": S3DConfig(), "layout_rows": (2,)},
        {"spectrum_bands": (0,)},
        {"spectrum_bands": (5, 5, 5, 5, 5)},
    ],
)
def test_cells_and_bands_that_no_network_has_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong.keys() - {"video"}
    with pytest.raises(ValueError, match=name):
        replace(CONFIG, **wrong)
