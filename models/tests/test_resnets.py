"""TSM-ResNet and the audio ResNet against the published description: in NumPy, and facts worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from models.networks.audio_resnet import AudioResNet
from models.networks.preact_resnet import Block, ResNetConfig, resnet_config
from models.networks.tsm_resnet import DeflatedTSMResNet, TSMResNet, temporal_shift
from models.tests import slow

BOTTLENECK = ResNetConfig("bottleneck", (1, 2, 1, 1), (32, 48, 64, 80), 8)
BASIC = ResNetConfig("basic", (2, 1, 1, 1), (8, 12, 16, 24), 8)


def slow_shift(x: np.ndarray) -> np.ndarray:
    """x [B, T, H, W, C], channel by channel."""
    frames, channels = x.shape[1], x.shape[-1]
    k = int(channels * 0.125)
    out = np.zeros_like(x)
    for t in range(frames):
        for c in range(channels):
            if c < k:
                if t + 1 < frames:
                    out[:, t, ..., c] = x[:, t + 1, ..., channels - k + c]
            elif c < channels - k:
                out[:, t, ..., c] = x[:, t, ..., c]
            elif t > 0:
                out[:, t, ..., c] = x[:, t - 1, ..., c - (channels - k)]
    return out


def slow_block(x: np.ndarray, block: Any, stride: int, frames: int) -> np.ndarray:
    """x [B*T, H, W, C]; `frames` 0 is a network without shift. The middle convolution of three has the stride."""
    p = slow.relu(slow.batch_norm(x, block.norms[0]))
    shortcut = x if block.shortcut is None else slow.conv(p, slow.weight(block.shortcut), (stride, stride))
    r = slow_shift(p.reshape(-1, frames, *p.shape[1:])).reshape(p.shape) if frames else p
    strides = (1, stride, 1) if len(block.convs) == 3 else (stride, 1)
    for i, (conv, s) in enumerate(zip(block.convs, strides, strict=True)):
        if i:
            r = slow.relu(slow.batch_norm(r, block.norms[i]))
        r = slow.conv(r, slow.weight(conv), (s, s))
    return shortcut + r


def slow_trunk(x: np.ndarray, trunk: Any, frames: int = 0) -> np.ndarray:
    x = slow.max_pool(slow.conv(x, slow.weight(trunk.stem), (2, 2)), (3, 3), (2, 2))
    for unit, stride in zip(trunk.units, (1, 2, 2, 2), strict=True):
        for j, block in enumerate(unit):
            x = slow_block(x, block, stride if j == 0 else 1, frames)
    return slow.relu(slow.batch_norm(x, trunk.final_norm)).mean(axis=(1, 2))


@pytest.mark.parametrize("config", [BOTTLENECK, BASIC])
@pytest.mark.parametrize("shape", [(1, 50, 58), (3, 33, 40)])
def test_the_video_network_equals_the_explicit_version(config: ResNetConfig, shape: tuple[int, int, int]) -> None:
    network: Any = slow.unsettle(TSMResNet(config))
    frames = torch.rand(2, *shape, 3).double()
    wanted = slow_trunk(frames.flatten(0, 1).numpy(), network.trunk, shape[0]).reshape(2, shape[0], -1).mean(axis=1)
    np.testing.assert_allclose(network(frames).detach().numpy(), wanted, atol=1e-10)


@pytest.mark.parametrize("config", [BOTTLENECK, BASIC])
@pytest.mark.parametrize("shape", [(96, 40), (25, 80), (1, 24)])
def test_the_audio_network_equals_the_explicit_version(config: ResNetConfig, shape: tuple[int, int]) -> None:
    network: Any = slow.unsettle(AudioResNet(config))
    log_mel = torch.randn(2, *shape).double()
    wanted = slow_trunk(log_mel[..., None].numpy(), network.trunk)
    np.testing.assert_allclose(network(log_mel).detach().numpy(), wanted, atol=1e-10)


def test_the_deflated_network_is_the_video_network_without_the_shift() -> None:
    network: Any = slow.unsettle(TSMResNet(BOTTLENECK))
    images = torch.rand(2, 33, 40, 3).double()
    deflated = DeflatedTSMResNet(network)(images).detach().numpy()
    np.testing.assert_allclose(deflated, slow_trunk(images.numpy(), network.trunk), atol=1e-10)


def test_the_shift_swaps_the_outer_eighths_and_pads_with_zeros() -> None:
    x = torch.arange(3.0).reshape(3, 1, 1, 1) * 100 + torch.arange(8.0).reshape(1, 8, 1, 1)
    shifted = temporal_shift(x, 3).reshape(3, 8)
    assert shifted[0].tolist() == [107, 1, 2, 3, 4, 5, 6, 0]
    assert shifted[1].tolist() == [207, 101, 102, 103, 104, 105, 106, 0]
    assert shifted[2].tolist() == [0, 201, 202, 203, 204, 205, 206, 100]


def test_the_shift_keeps_the_order_within_an_eighth() -> None:
    """20 channels: int(20 / 8) = 2 go each way."""
    x = torch.arange(2.0).reshape(2, 1, 1, 1) * 100 + torch.arange(20.0).reshape(1, 20, 1, 1)
    shifted = temporal_shift(x, 2).reshape(2, 20)
    assert shifted[0].tolist() == [118, 119, *range(2, 18), 0, 0]
    assert shifted[1].tolist() == [0, 0, *range(102, 118), 0, 1]


def test_the_shift_of_one_frame_zeroes_both_eighths() -> None:
    shifted = temporal_shift(torch.ones(5, 24, 2, 2), 1)
    assert torch.equal(
        shifted, torch.tensor([0.0] * 3 + [1.0] * 18 + [0.0] * 3).reshape(1, 24, 1, 1).expand(5, 24, 2, 2)
    )


def test_the_shift_does_not_mix_the_clips_of_a_batch() -> None:
    clips = torch.randn(2, 4, 16, 3, 3)
    together = temporal_shift(clips.reshape(8, 16, 3, 3), 4).reshape(2, 4, 16, 3, 3)
    alone = torch.stack([temporal_shift(clip, 4) for clip in clips])
    assert torch.equal(together, alone)


def test_the_shift_needs_eight_channels() -> None:
    with pytest.raises(ValueError, match="at least 8 channels, not 7"):
        temporal_shift(torch.zeros(2, 7, 1, 1), 2)


def test_the_shortcut_branches_off_before_the_shift_and_after_the_norm() -> None:
    """One pixel, one frame, one weight at a time: what comes through the shortcut has all channels of p."""
    block = Block(8, 8, 1, "basic", project=True).eval()
    assert block.shortcut is not None
    block.shortcut.weight.data.fill_(1)
    for conv in block.convs:
        conv.weight.data.zero_()  # type: ignore[operator]
    x = torch.tensor([-100.0, 1, 2, 3, 4, 5, 6, 7]).reshape(1, 8, 1, 1)
    out = block(x, lambda p: temporal_shift(p, 1))
    assert out.flatten().tolist() == pytest.approx([28.0] * 8, rel=1e-4)  # -100 is cut; 7 is not shifted away
    plain = Block(8, 8, 1, "basic", project=False).eval()
    for conv in plain.convs:
        conv.weight.data.zero_()  # type: ignore[operator]
    assert torch.equal(plain(x, None), x)  # the raw input, and no ReLU after the sum


@pytest.mark.parametrize(
    ("depth", "blocks", "values"),
    [
        # Convolutions: stem 7*7*64; then per group. BN: two values a channel.
        (18, (2, 2, 2, 2), 3_136 + 147_456 + 524_288 + 2_097_152 + 8_388_608 + 2 * 3_904),
        (34, (3, 4, 6, 3), 3_136 + 221_184 + 1_114_112 + 6_815_744 + 13_107_200 + 2 * 7_616),
        (50, (3, 4, 6, 3), 3_136 + 212_992 + 1_212_416 + 7_077_888 + 14_942_208 + 2 * 22_720),
        # As 50, with 17 blocks more of 1024*256 + 9*256*256 + 256*1024 and 1024 + 256 + 256 norms in the third group.
        (101, (3, 4, 23, 3), 23_448_640 + 2 * 22_720 + 17 * (1_114_112 + 2 * 1_536)),
    ],
)
def test_audio_networks_have_the_published_blocks(depth: int, blocks: tuple[int, ...], values: int) -> None:
    with torch.device("meta"):
        network: Any = AudioResNet(resnet_config(depth))
    units = network.trunk.units
    assert tuple(len(unit) for unit in units) == blocks
    assert sum(p.numel() for p in network.parameters()) == values
    # Block 0 of a group projects where the channels change: 64 -> 64 of the basic networks' first group does not.
    projects = [[block.shortcut is not None for block in unit] for unit in units]
    assert [p[0] for p in projects] == [depth >= 50, True, True, True]
    assert not any(any(p[1:]) for p in projects)
    assert {len(block.convs) for unit in units for block in unit} == {3 if depth >= 50 else 2}
    strides = [[conv.stride[0] for conv in unit[0].convs] for unit in units]
    assert strides == ([[1, s, 1] for s in (1, 2, 2, 2)] if depth >= 50 else [[s, 1] for s in (1, 2, 2, 2)])


@pytest.mark.parametrize("depth", [18, 50])
def test_the_video_network_projects_in_every_group(depth: int) -> None:
    with torch.device("meta"):
        network: Any = TSMResNet(resnet_config(depth))
    assert [[block.shortcut is not None for block in unit].count(True) for unit in network.trunk.units] == [1] * 4
    assert all(unit[0].shortcut is not None for unit in network.trunk.units)


def test_a_network_of_any_width() -> None:
    config = resnet_config(50, width=2)
    assert (config.stem_channels, config.channels) == (128, (512, 1024, 2048, 4096))
    assert resnet_config(18, 0.25).channels == (16, 32, 64, 128)
    with pytest.raises(ValueError, match="depth is 52; it must be one of 18, 34, 50, 101"):
        resnet_config(52)
