"""Layers written out in NumPy from the published description alone, channels last, to test the networks against."""

import numpy as np
import torch
from torch import nn

Sizes = tuple[int, ...]


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """SAME padding as TensorFlow defines it."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x: np.ndarray, kernel: Sizes, stride: Sizes, fill: float) -> dict[Sizes, np.ndarray]:
    """What each tap of a kernel reads of x [B, *sizes, C], padded by `fill`: tap -> [B, *outputs, C]."""
    sizes = x.shape[1:-1]
    pads = [same_pads(n, k, s) for n, k, s in zip(sizes, kernel, stride, strict=True)]
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    reach = [(-(-n // s) - 1) * s + 1 for n, s in zip(sizes, stride, strict=True)]
    return {
        tap: x[(slice(None), *(slice(t, t + r, s) for t, r, s in zip(tap, reach, stride, strict=True)))]
        for tap in np.ndindex(*kernel)
    }


def conv(x: np.ndarray, weight: np.ndarray, stride: Sizes) -> np.ndarray:
    """x [B, *sizes, I], weight [*kernel, I, O], zero padding."""
    parts = windows(x, weight.shape[:-2], stride, 0)
    return np.sum([part @ weight[tap] for tap, part in parts.items()], axis=0)


def max_pool(x: np.ndarray, kernel: Sizes, stride: Sizes) -> np.ndarray:
    """Padding never wins."""
    return np.max(list(windows(x, kernel, stride, -np.inf).values()), axis=0)


def batch_norm(x: np.ndarray, norm: nn.Module) -> np.ndarray:
    """With running statistics: (x - mean) * scale / sqrt(var + 1e-5) + offset."""
    mean, var, scale, offset = (array(getattr(norm, n)) for n in ("running_mean", "running_var", "weight", "bias"))
    return (x - mean) * scale / np.sqrt(var + 1e-5) + offset


def linear(x: np.ndarray, layer: nn.Module) -> np.ndarray:
    """x [..., I] @ w + b, where there is a b."""
    out = x @ array(layer.weight).T
    return out if layer.bias is None else out + array(layer.bias)


def relu(x: np.ndarray) -> np.ndarray:
    """Also of a network's intermediate values."""
    return np.maximum(x, 0)


def array(tensor: object) -> np.ndarray:
    """A parameter or buffer as float64."""
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach().double().numpy()


def weight(layer: nn.Module) -> np.ndarray:
    """A convolution's weights with the channels last: [*kernel, I, O]."""
    return np.moveaxis(array(layer.weight), (0, 1), (-1, -2))


def unsettle(module: nn.Module, seed: int = 0) -> nn.Module:
    """float64 and eval mode, every batch norm as after some training: nothing is at its initial 0 or 1."""
    torch.manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor, low, high in (
                (norm.running_mean, -0.3, 0.3),
                (norm.running_var, 0.5, 1.5),
                (norm.weight.data, 0.5, 1.5),
                (norm.bias.data, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.uniform_(low, high)
    return module.double().eval()
