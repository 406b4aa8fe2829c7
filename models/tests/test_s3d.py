"""S3D-G against the published description: the whole network in NumPy, and facts worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.networks.deflation import DeflatedMMV, static_clip
from models.networks.mmv import MMV
from models.networks.s3d import S3D, DeflatedS3D, Mixed, S3DConfig, Unit, space_to_depth
from models.networks.same_padding import SameConv3d
from models.tests import slow, tiny

MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
NARROW = S3DConfig(width=0.1)


def narrow(space_to_depth: bool = True) -> Any:
    return slow.unsettle(S3D(replace(NARROW, space_to_depth=space_to_depth)))


def slow_unit(x: np.ndarray, unit: Any) -> np.ndarray:
    """Convolution, BN, ReLU; then the second of each where there are two; then the gate."""
    stride = (2, 2, 2) if unit.convs[0].kernel_size == (7, 7, 7) else (1, 1, 1)
    x = slow.relu(slow.batch_norm(slow.conv(x, slow.weight(unit.convs[0]), stride), unit.norms[0]))
    if len(unit.convs) == 2:
        x = slow.relu(slow.batch_norm(slow.conv(x, slow.weight(unit.convs[1]), (1, 1, 1)), unit.norms[1]))
    if unit.gate is None:
        return x
    gate = 1 / (1 + np.exp(-slow.linear(x.mean(axis=(1, 2, 3)), unit.gate)))
    return x * gate[:, None, None, None, :]


def slow_mixed(x: np.ndarray, layer: Any) -> np.ndarray:
    b = layer.branches
    return np.concatenate(
        [
            slow_unit(x, b["Branch_0_Conv2d_0a_1x1"]),
            slow_unit(slow_unit(x, b["Branch_1_Conv2d_0a_1x1"]), b["Branch_1_Conv2d_0b_3x3"]),
            slow_unit(slow_unit(x, b["Branch_2_Conv2d_0a_1x1"]), b["Branch_2_Conv2d_0b_3x3"]),
            slow_unit(slow.max_pool(x, (3, 3, 3), (1, 1, 1)), b["Branch_3_Conv2d_0b_1x1"]),
        ],
        axis=-1,
    )


def slow_s3d(x: np.ndarray, network: Any, sizes: list[tuple[int, ...]]) -> np.ndarray:
    """x is what the first layer takes, channels last. Notes the size after every layer that changes it."""
    layers = network.layers
    x = slow_unit(x, layers["Conv2d_1a_7x7"])
    sizes.append(x.shape[1:4])
    x = slow.max_pool(x, (1, 3, 3), (1, 2, 2))
    sizes.append(x.shape[1:4])
    x = slow_unit(slow_unit(x, layers["Conv2d_2b_1x1"]), layers["Conv2d_2c_3x3"])
    pools = {"3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
    for name in MIXED:
        if name in pools:
            x = slow.max_pool(x, *pools[name])
            sizes.append(x.shape[1:4])
        x = slow_mixed(x, layers[f"Mixed_{name}"])
    return x.mean(axis=(1, 2, 3))


def slow_space_to_depth(frames: np.ndarray) -> np.ndarray:
    b, t, h, w, _ = frames.shape
    out = np.empty((b, t // 2, h // 2, w // 2, 24))
    for dt, dh, dw, c in np.ndindex(2, 2, 2, 3):
        out[..., ((dt * 2 + dh) * 2 + dw) * 3 + c] = frames[:, dt::2, dh::2, dw::2, c]
    return out


def test_space_to_depth_by_hand() -> None:
    frames = torch.arange(4 * 6 * 8 * 3).reshape(1, 4, 6, 8, 3)
    out = space_to_depth(frames)
    assert out.shape == (1, 24, 2, 3, 4)
    assert out[0, :3, 0, 0, 0].tolist() == [0, 1, 2]  # the first pixel's colours
    assert out[0, 3:6, 0, 0, 0].tolist() == [3, 4, 5]  # then the pixel right of it (dw)
    assert out[0, 6, 0, 0, 0] == 8 * 3  # then the row below (dh)
    assert out[0, 12, 0, 0, 0] == 6 * 8 * 3  # then the next frame (dt)
    assert out[0, 23, 1, 2, 3] == 4 * 6 * 8 * 3 - 1  # last channel of the last place: the last number
    assert torch.equal(out.permute(0, 2, 3, 4, 1), torch.from_numpy(slow_space_to_depth(frames.numpy())).long())


@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 5, 4), (4, 4, 7)])
def test_space_to_depth_refuses_odd_sizes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"even sizes, not {shape[0]} frames of {shape[1]} x {shape[2]}"):
        narrow()(torch.rand(1, *shape, 3).double())


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((6, 50, 58), [(3, 25, 29), (3, 13, 15), (3, 7, 8), (2, 4, 4), (1, 2, 2)]),
        ((2, 40, 36), [(1, 20, 18), (1, 10, 9), (1, 5, 5), (1, 3, 3), (1, 2, 2)]),
    ],
)
def test_the_network_on_space_to_depth_input_equals_the_explicit_version(
    shape: tuple[int, int, int], sizes: list[tuple[int, ...]]
) -> None:
    network, frames = narrow(), torch.rand(2, *shape, 3).double()
    seen: list[tuple[int, ...]] = []
    wanted = slow_s3d(slow_space_to_depth(frames.numpy()), network, seen)
    np.testing.assert_allclose(network(frames).detach().numpy(), wanted, atol=1e-10)
    assert wanted.std() > 1e-3  # not a network gone silent
    assert seen == sizes


@pytest.mark.parametrize("shape", [(6, 50, 58), (5, 33, 40), (1, 20, 21)])
def test_the_network_on_raw_input_equals_the_explicit_version(shape: tuple[int, int, int]) -> None:
    network, frames = narrow(space_to_depth=False), torch.rand(1, *shape, 3).double()
    np.testing.assert_allclose(network(frames).detach().numpy(), slow_s3d(frames.numpy(), network, []), atol=1e-10)


def test_the_first_layer_equals_a_raw_convolution_of_twice_the_kernel() -> None:
    """MMV.md section 5: kernel (4, 8, 8), stride 2, pads (0, 2) in time and (2, 4) in space."""
    torch.manual_seed(0)
    first = narrow().layers["Conv2d_1a_7x7"].convs[0]
    w = slow.weight(first)  # (2, 4, 4, 24, 6)
    kernel = np.empty((4, 8, 8, 3, w.shape[-1]))
    for i, j, k, dt, dh, dw, c in np.ndindex(2, 4, 4, 2, 2, 2, 3):
        kernel[2 * i + dt, 2 * j + dh, 2 * k + dw, c] = w[i, j, k, ((dt * 2 + dh) * 2 + dw) * 3 + c]
    frames = torch.rand(1, 6, 18, 20, 3).double()
    padded = F.pad(frames.permute(0, 4, 1, 2, 3), (2, 4, 2, 4, 0, 2))
    raw = F.conv3d(padded, torch.from_numpy(kernel).permute(4, 3, 0, 1, 2), stride=2)
    assert torch.allclose(first(space_to_depth(frames)), raw, atol=1e-12)


def test_a_separable_unit_goes_through_space_then_time() -> None:
    """One bright pixel in one frame, kernels of ones: 3 x 3 pixels, minus 4, cut at 0 before time spreads them."""
    unit: Any = Unit(1, 1, (3, 3, 3), separable=True).eval()
    assert [c.kernel_size for c in unit.convs] == [(1, 3, 3), (3, 1, 1)]
    for conv in unit.convs:
        conv.weight.data.fill_(1)
    unit.norms[0].bias.data.fill_(-4)
    unit.norms[1].bias.data.fill_(10)
    x = torch.zeros(1, 1, 5, 5, 5)
    x[0, 0, 2, 2, 2], x[0, 0, 4, 2, 2] = 5, 3
    out = unit(x)[0, 0]
    # After space: 5 - 4 = 1 around frame 2's pixel, 3 - 4 -> 0 around frame 4's, 0 - 4 -> 0 elsewhere.
    assert out[:, 1:4, 1:4].mean(dim=(1, 2)).tolist() == pytest.approx([10, 11, 11, 11, 10], abs=1e-3)
    assert out[:, 0].flatten().tolist() == pytest.approx([10] * 25, abs=1e-3)


def test_the_gate_is_one_factor_a_channel_from_the_mean_over_time_and_space() -> None:
    unit: Any = Unit(2, 2, gated=True).eval()
    unit.convs[0].weight.data.copy_(torch.eye(2).reshape(2, 2, 1, 1, 1))
    unit.gate.weight.data.copy_(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))  # the first from the second and back
    unit.gate.bias.data.copy_(torch.tensor([0.5, -1.0]))
    x = torch.zeros(1, 2, 2, 1, 2)
    x[0, 0, 0, 0, 0], x[0, 1, 1, 0, 1] = 4, 8  # means 1 and 2
    out = unit(x)
    sigmoid = [1 / (1 + np.exp(-(2 + 0.5))), 1 / (1 + np.exp(-(2 * 1 - 1)))]
    assert out[0, 0, 0, 0, 0].item() == pytest.approx(4 * sigmoid[0], rel=1e-4)
    assert out[0, 1, 1, 0, 1].item() == pytest.approx(8 * sigmoid[1], rel=1e-4)


def test_an_inception_layer_has_four_branches_in_order_and_the_second_of_3x3x3() -> None:
    layer: Any = Mixed(192, (64, 96, 128, 16, 32, 32)).eval()
    kernels = {name: [c.kernel_size for c in unit.convs] for name, unit in layer.branches.items()}
    assert kernels["Branch_1_Conv2d_0b_3x3"] == kernels["Branch_2_Conv2d_0b_3x3"] == [(1, 3, 3), (3, 1, 1)]
    assert [u.gate is not None for u in layer.branches.values()] == [True, False, True, False, True, True]
    # A branch's last offset marks its channels: ReLU(1..4) times a gate of sigmoid(0) = 1/2.
    ends = ("Branch_0_Conv2d_0a_1x1", "Branch_1_Conv2d_0b_3x3", "Branch_2_Conv2d_0b_3x3", "Branch_3_Conv2d_0b_1x1")
    for mark, end in enumerate(ends, start=1):
        unit = layer.branches[end]
        unit.convs[-1].weight.data.zero_()
        unit.norms[-1].bias.data.fill_(mark)
        unit.gate.weight.data.zero_()
        unit.gate.bias.data.zero_()
    out = layer(torch.randn(1, 192, 2, 3, 3))[0, :, 0, 0, 0]
    assert out.tolist() == [0.5] * 64 + [1.0] * 128 + [1.5] * 32 + [2.0] * 32


def test_the_published_channels() -> None:
    with torch.device("meta"):
        network: Any = S3D(S3DConfig())
    joined = [network.layers[f"Mixed_{name}"].out_channels for name in MIXED]
    assert joined == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    gates = {name for name, m in network.layers.items() if isinstance(m, Unit) and m.gate is not None}
    assert gates == {"Conv2d_2c_3x3"}
    assert network.layers["Conv2d_1a_7x7"].convs[0].weight.shape == (64, 24, 2, 4, 4)
    with torch.device("meta"):
        raw: Any = S3D(S3DConfig(space_to_depth=False))
    assert raw.layers["Conv2d_1a_7x7"].convs[0].weight.shape == (64, 3, 7, 7, 7)


@pytest.mark.parametrize("space_to_depth", [True, False])
def test_deflation_is_exact_where_filters_look_at_one_frame(space_to_depth: bool) -> None:
    """Nothing of a filter then falls into the padding at the clip's ends, which is all that deflation neglects."""
    network = narrow(space_to_depth)
    for conv in network.modules():
        if isinstance(conv, SameConv3d) and conv.kernel_size[0] > 1:
            centre = slow.same_pads(4, conv.kernel_size[0], conv.stride[0])[0]
            kept = conv.weight.data[:, :, centre].clone()
            conv.weight.data.zero_()
            conv.weight.data[:, :, centre] = kept
    images = torch.rand(2, 34, 40, 3).double()
    assert torch.allclose(network(static_clip(images, 4)), network.deflated()(images), atol=1e-12)


def test_deflation_of_other_filters_differs_at_the_ends_alone() -> None:
    """One unit: deflated it gives what the middle frames of a static clip give, not the first and the last."""
    torch.manual_seed(0)
    conv = SameConv3d(2, 3, (3, 1, 1)).double()
    image = torch.rand(1, 2, 1, 4, 4).double()
    clip = conv(image.expand(-1, -1, 5, -1, -1))
    flat = F.conv3d(image, conv.weight.sum(dim=2, keepdim=True))
    assert torch.allclose(clip[:, :, 1:4], flat.expand(-1, -1, 3, -1, -1))
    assert not torch.allclose(clip[:, :, :1], flat)


def test_deflated_filters_are_summed_over_time() -> None:
    network = narrow()
    deflated = DeflatedS3D(network)
    for video, image in zip(_convs(network), _convs(deflated.network), strict=True):
        assert image.weight.shape[2] == 1
        np.testing.assert_allclose(slow.array(image.weight)[:, :, 0], slow.array(video.weight).sum(axis=2))
    before = network.layers["Conv2d_1a_7x7"].convs[0].weight
    assert before.shape[2] == 2  # the video network keeps its own


def test_only_scales_and_offsets_of_the_deflated_network_are_trainable() -> None:
    torch.manual_seed(0)
    network = MMV(replace(tiny.NETWORK, video=NARROW, layout_rows=()), torch.randn(20, 6))
    deflated = DeflatedMMV(network)
    norms = [m for m in network.video.modules() if isinstance(m, nn.BatchNorm3d)]
    trainable = {name for name, p in deflated.named_parameters() if p.requires_grad}
    assert len(trainable) == 2 * len(norms) == 2 * (3 + 1 + 9 * 8)
    assert all(name.startswith("video.") and ".norms." in name for name in trainable)


def _convs(network: nn.Module) -> list[SameConv3d]:
    return [m for m in network.modules() if isinstance(m, SameConv3d)]
