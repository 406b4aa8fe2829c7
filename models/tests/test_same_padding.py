"""SAME padding: by hand, and against windows written out one by one, for every kernel and stride of the family."""

import itertools

import numpy as np
import pytest
import torch

from models.networks.same_padding import SameConv2d, SameConv3d, same_max_pool, same_max_pool3d, same_pads
from models.tests import slow

SHAPES = [(7, 2), (3, 2), (3, 1), (2, 2), (2, 1), (4, 1), (1, 2), (1, 1)]  # kernel, stride


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (200, 7, 2, (2, 3)),
        (25, 7, 2, (3, 3)),
        (100, 3, 2, (0, 1)),
        (25, 3, 2, (1, 1)),
        (24, 1, 2, (0, 0)),
        (25, 1, 2, (0, 0)),
        (9, 3, 1, (1, 1)),
        (9, 2, 1, (0, 1)),
        (8, 2, 1, (0, 1)),
        (8, 4, 1, (1, 2)),
        (9, 4, 1, (1, 2)),
        (8, 2, 2, (0, 0)),
        (9, 2, 2, (0, 1)),
        (1, 2, 2, (0, 1)),
        (1, 7, 2, (3, 3)),
        (2, 3, 2, (0, 1)),
    ],
)
def test_padding_depends_on_the_parity_of_the_size(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    assert same_pads(size, kernel, stride) == pads


def test_the_sizes_of_the_published_network_mix_both_parities() -> None:
    sizes = [200]
    for kernel in (7, 3, 3, 3, 3):
        before, after = same_pads(sizes[-1], kernel, 2)
        sizes.append((sizes[-1] + before + after - kernel) // 2 + 1)
    assert sizes == [200, 100, 50, 25, 13, 7]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "outputs"),
    [
        (4, 3, 2, [3, 5]),  # windows {0,1,2} {2,3,-}; PyTorch's padding=1 would give {-,0,1} {1,2,3}
        (5, 3, 2, [1, 6, 7]),  # {-,0,1} {1,2,3} {3,4,-}
        (4, 2, 1, [1, 3, 5, 3]),  # {0,1} {1,2} {2,3} {3,-}
        (4, 4, 1, [3, 6, 6, 5]),  # {-,0,1,2} {0,1,2,3} {1,2,3,-} {2,3,-,-}
        (5, 1, 2, [0, 2, 4]),
        (6, 1, 2, [0, 2, 4]),
        (5, 2, 2, [1, 5, 4]),  # {0,1} {2,3} {4,-}
        (6, 7, 2, [10, 15, 14]),  # {-,-,0..4} {0..5,-} {2..5,-,-,-}
        (3, 7, 2, [3, 3]),  # {-,-,-,0,1,2,-} {-,0,1,2,-,-,-}
    ],
)
def test_convolutions_by_hand(size: int, kernel: int, stride: int, outputs: list[int]) -> None:
    """A kernel of ones over 0, 1, 2, ...: each output is the sum of what its window covers."""
    flat = SameConv2d(1, 1, kernel, stride)
    flat.weight.data.fill_(0)
    flat.weight.data[:, :, same_pads(1, kernel, stride)[0]] = 1  # one row: the tap that reads it
    assert flat(torch.arange(float(size)).reshape(1, 1, 1, size)).flatten().tolist() == outputs
    deep = SameConv3d(1, 1, (kernel, 1, 1), (stride, 1, 1))
    deep.weight.data.fill_(1)
    assert deep(torch.arange(float(size)).reshape(1, 1, size, 1, 1)).flatten().tolist() == outputs


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "outputs"),
    [
        (4, 3, 2, [-7, -6]),  # of -9, -8, -7, ...: the last of each window, never a padded 0
        (5, 3, 2, [-8, -6, -5]),
        (5, 2, 2, [-8, -6, -5]),
        (4, 3, 1, [-8, -7, -6, -6]),
        (4, 2, 1, [-8, -7, -6, -6]),
        (1, 2, 2, [-9]),
        (2, 3, 2, [-8]),
        (4, 1, 2, [-9, -7]),
    ],
)
def test_max_pools_of_negative_numbers_by_hand(size: int, kernel: int, stride: int, outputs: list[int]) -> None:
    x = torch.arange(float(size)) - 9
    assert same_max_pool(x.reshape(1, 1, 1, size), kernel, stride).flatten().tolist() == outputs
    assert same_max_pool(x.reshape(1, 1, size, 1), kernel, stride).flatten().tolist() == outputs
    in_time = same_max_pool3d(x.reshape(1, 1, size, 1, 1), (kernel, 1, 1), (stride, 1, 1))
    assert in_time.flatten().tolist() == outputs


@pytest.mark.parametrize(("kernel", "stride"), SHAPES)
def test_planes_equal_the_explicit_version(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = SameConv2d(3, 4, kernel, stride).double()
    for height, width in itertools.product((5, 8, 13), (6, 7)):
        x = torch.randn(2, 3, height, width).double() - 3
        wanted = slow.conv(_last(x), slow.weight(layer), (stride, stride))
        assert wanted.shape[1:3] == (-(-height // stride), -(-width // stride))
        np.testing.assert_allclose(_last(layer(x)), wanted, atol=1e-12)
        pooled = slow.max_pool(_last(x), (kernel, kernel), (stride, stride))
        np.testing.assert_array_equal(_last(same_max_pool(x, kernel, stride)), pooled)


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((7, 7, 7), (2, 2, 2)),
        ((2, 4, 4), (1, 1, 1)),
        ((1, 3, 3), (1, 2, 2)),
        ((1, 3, 3), (1, 1, 1)),
        ((3, 1, 1), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
        ((2, 2, 2), (2, 2, 2)),
        ((1, 1, 1), (2, 2, 2)),
    ],
)
def test_volumes_equal_the_explicit_version(kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    layer = SameConv3d(3, 4, kernel, stride).double()
    for sizes in ((1, 5, 6), (4, 7, 8), (5, 6, 9)):
        x = torch.randn(2, 3, *sizes).double() - 3
        np.testing.assert_allclose(_last(layer(x)), slow.conv(_last(x), slow.weight(layer), stride), atol=1e-12)
        pooled = slow.max_pool(_last(x), kernel, stride)
        np.testing.assert_array_equal(_last(same_max_pool3d(x, kernel, stride)), pooled)


def _last(x: torch.Tensor) -> np.ndarray:
    return np.moveaxis(x.detach().numpy(), 1, -1)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("channels", [6, 19, 64])
@pytest.mark.parametrize("volumes", [False, True])
def test_gradients_of_inputs_shorter_than_the_kernel_are_the_same_each_time(
    size: int, channels: int, volumes: bool
) -> None:
    """In bfloat16, where some CPUs left parts of them as memory was; in evaluation nothing is changed."""
    torch.manual_seed(0)
    layer: SameConv2d | SameConv3d
    if volumes:
        layer = SameConv3d(channels, channels, (3, 1, 1))
        x = torch.randn(6, channels, size, 6, 8).to(memory_format=torch.channels_last_3d)
    else:
        layer = SameConv2d(channels, channels, 3, 2)
        x = torch.randn(24, channels, size, size).to(memory_format=torch.channels_last)
    gradients = []
    for _ in range(6):
        litter = [torch.full((number,), float("nan")) for number in (1000, 10_000, 100_000, 1_000_000)]
        del litter
        layer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x)
        out.float().square().sum().backward()
        assert layer.weight.grad is not None
        gradients.append(layer.weight.grad.clone())
    assert torch.isfinite(gradients[0]).all()
    assert all(torch.equal(gradients[0], other) for other in gradients)
    trained = layer(x)
    assert torch.allclose(layer.eval()(x), trained, atol=1e-5)
