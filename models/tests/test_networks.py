"""Layer facts of MMV.md, on cases small enough to work out by hand, and the network as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.networks.instance import InstanceHead
from models.networks.log_mel import LogMel, LogMelConfig
from models.networks.mmv import MMV, MMVConfig
from models.networks.preact_resnet import ResNetConfig, ResNetV2
from models.networks.same_padding import SameConv2d, same_max_pool, same_pads
from models.networks.text import TextTower
from models.networks.tsm_resnet import temporal_shift

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


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (200, 7, 2, (2, 3)),
        (13, 7, 2, (3, 3)),
        (50, 3, 2, (0, 1)),
        (25, 3, 2, (1, 1)),
        (24, 1, 2, (0, 0)),
        (9, 3, 1, (1, 1)),
    ],
)
def test_same_padding_depends_on_the_parity_of_the_size(
    size: int, kernel: int, stride: int, pads: tuple[int, int]
) -> None:
    assert same_pads(size, kernel, stride) == pads


def test_same_convolution_of_an_even_size_starts_at_the_first_pixel() -> None:
    conv = SameConv2d(1, 1, 3, 2)
    conv.weight.data.fill_(1)
    x = torch.arange(4.0).reshape(1, 1, 1, 4)
    # Windows {0,1,2} and {2,3,pad}; PyTorch's padding=1 would give {pad,0,1} and {1,2,3}.
    assert conv(x).reshape(-1).tolist() == [3, 5]


@pytest.mark.parametrize("size", [4, 5, 8, 9])
def test_same_max_pool_pads_with_minus_infinity(size: int) -> None:
    x = -1 - torch.rand(1, 2, size, size)  # negative: zero padding would show
    low, high = same_pads(size, 3, 2)
    wanted = F.max_pool2d(F.pad(x, (low, high, low, high), value=-torch.inf), 3, 2)
    assert torch.equal(same_max_pool(x), wanted)


def test_temporal_shift_swaps_the_outer_eighths_and_pads_with_zeros() -> None:
    x = torch.arange(3.0).reshape(3, 1, 1, 1) * 100 + torch.arange(8.0).reshape(1, 8, 1, 1)
    shifted = temporal_shift(x, 3).reshape(3, 8)
    assert shifted[0].tolist() == [107, 1, 2, 3, 4, 5, 6, 0]
    assert shifted[1].tolist() == [207, 101, 102, 103, 104, 105, 106, 0]
    assert shifted[2].tolist() == [0, 201, 202, 203, 204, 205, 206, 100]


def test_temporal_shift_does_not_mix_the_clips_of_a_batch() -> None:
    clips = torch.randn(2, 4, 16, 3, 3)
    together = temporal_shift(clips.reshape(8, 16, 3, 3), 4).reshape(2, 4, 16, 3, 3)
    alone = torch.stack([temporal_shift(clip, 4) for clip in clips])
    assert torch.equal(together, alone)


def test_first_video_block_projects_even_where_the_shape_stays() -> None:
    always, changed = (ResNetV2(3, ResNetConfig("basic", (1, 1, 1, 1), (8, 8, 8, 8), 8), p) for p in (True, False))
    assert always.units[0][0].shortcut is not None  # type: ignore[index]
    assert changed.units[0][0].shortcut is None  # type: ignore[index]


def test_published_size_has_the_published_number_of_parameters() -> None:
    """Section 2 of the reference's facts: x1 has 72,388,608 values, the 65,536 x 300 word table included."""
    with torch.device("meta"):
        network = MMV(MMVConfig(), torch.zeros(65_536, 300))
    ours = sum(p.numel() for p in network.parameters())
    # The reference also makes two heads that the FAC graph never uses: txt2audio_embd and audio2txt_embd (2048 -> 512).
    unused = (2048 + 1) * 512
    assert 72_388_608 - ours in (unused, 2 * unused)


def test_text_padding_takes_part_in_the_max() -> None:
    tower = TextTower(torch.tensor([[10.0], [1.0]]), 1)
    tower.linear.weight.data.fill_(1)
    tower.linear.bias.data.fill_(0)
    assert tower(torch.tensor([[1, 0]])).item() == 10
    with pytest.raises(IndexError):
        tower(torch.tensor([[2]]))


def test_log_mel_finds_the_bin_of_a_tone() -> None:
    front = LogMel(LogMelConfig(16_000, 640, 320, 80, 80, 7600))
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(51_200) / 16_000)[None]
    spectrogram = front(tone)
    assert spectrogram.shape == (1, 160, 80)
    mel = 1127 * np.log1p(np.array([80, 1000, 7600]) / 700)
    wanted = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 81 - 1
    assert abs(spectrogram[0, 80].argmax().item() - wanted) <= 1


def test_log_mel_is_silent_beyond_the_end_or_repeats_short_sounds() -> None:
    config = LogMelConfig(16_000, 640, 320, 80, 80, 7600)
    noise = torch.randn(1, 9_000)
    published = LogMel(config)(noise)
    assert published.shape == (1, 29, 80)  # ceil(9000 / 320) frames begin within the sound
    assert torch.allclose(published, LogMel(config)(F.pad(noise, (0, 1000)))[:, :29], atol=1e-4)
    looped = LogMel(replace(config, loop_hops=32))(noise)
    twice = LogMel(config)(torch.cat([noise, noise], dim=1))
    assert looped.shape == (1, 32, 80)
    assert torch.allclose(looped[:, :31], twice[:, :31], atol=1e-4)


def test_coarse_of_vision_and_sound_comes_through_the_same_head_after_relu(network: MMV) -> None:
    video = network.encode_video(torch.rand(2, 4, 40, 48, 3))
    audio = network.encode_audio(torch.randn(2, 64, 16))
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


def test_deflation_of_a_network_whose_shift_moves_nothing_is_exact(network: MMV) -> None:
    """Where no channel is shifted, a static clip and its image must agree: what is left is only the shift's doing."""
    images = torch.rand(2, 40, 48, 3)
    flat = network.video.trunk(images.permute(0, 3, 1, 2))
    assert torch.allclose(flat.mean(dim=(2, 3)), DeflatedMMV(network)(images)["representation"], atol=1e-6)


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
