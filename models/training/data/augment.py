"""Augmentation of decoded windows: crop with scale jitter, flip and colour of the picture, gain of the sound.

What happens to a sample is read off `DRAWS` numbers between 0 and 1, so that it depends on the sample's seed alone.
Pictures stay bytes until the last step: that is ten times cheaper than scaling them as floats.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.bundle import InputSpec
from models.training.config import AugmentConfig

# Columns of the drawn numbers. A new one goes to the end: what is drawn for the others stays as it was.
START, UNUSED, GAIN, SCALE, TOP, LEFT, FLIP, CONTRAST, BRIGHTNESS, SATURATION, HUE, SHIFT = range(12)
TINT, RED, GREEN, BLUE, WORDS, TRACK = range(12, 18)
DRAWS = 18
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)


def crops(clips: list[np.ndarray], drawn: np.ndarray, inputs: InputSpec, augment: AugmentConfig) -> Tensor:
    """One crop a clip, the same for all its frames: clips uint8 [T, H', W', 3] -> uint8 [B, T, H, W, 3].

    Its scale is between the network's own size and the whole frame.
    """
    height, width = inputs.frame_height, inputs.frame_width
    out = torch.empty(len(clips), len(clips[0]), height, width, 3, dtype=torch.uint8)
    for i, (clip, u) in enumerate(zip(clips, drawn, strict=True)):
        h, w = clip.shape[1:3]
        scale = height / h + u[SCALE] * (1 - height / h)
        ch, cw = max(height, round(h * scale)), max(width, round(w * scale))
        top, left = int(u[TOP] * (h - ch + 1)), int(u[LEFT] * (w - cw + 1))
        crop = torch.from_numpy(np.ascontiguousarray(clip[:, top : top + ch, left : left + cw]))
        if (ch, cw) != (height, width):
            # As bytes with the channels last, which torch scales by vector instructions.
            crop = F.interpolate(crop.permute(0, 3, 1, 2), (height, width), mode="bilinear", antialias=True)
            crop = crop.permute(0, 2, 3, 1)
        out[i] = crop.flip(2) if augment.flip and u[FLIP] < 0.5 else crop
    return out


def colours(frames: Tensor, drawn: np.ndarray, augment: AugmentConfig) -> Tensor:
    """One change of colour a clip: uint8 [B, T, H, W, 3] -> float [B, T, H, W, 3] in [0, 1].

    Brightness is a sum, contrast a product about middle grey; saturation goes between the picture and its grey one,
    and hue turns the plane of colours (YIQ), so that both leave grey as it is.
    """
    signed = torch.from_numpy(2 * drawn - 1).float()
    out = frames.float()
    if augment.saturation or augment.hue:
        turned = _turns(signed[:, HUE] * augment.hue, 1 + signed[:, SATURATION] * augment.saturation)
        out = (out.flatten(1, 3) @ turned.transpose(1, 2)).reshape(out.shape)
    contrast = 1 + signed[:, CONTRAST] * augment.contrast
    brightness = (1 - contrast + signed[:, BRIGHTNESS] * augment.brightness) / 2
    per_clip = (-1, 1, 1, 1, 1)
    out = out.mul_((contrast / 255).view(per_clip)).add_(brightness.view(per_clip)).clamp_(0, 1)
    return tinted(out, torch.from_numpy(drawn[:, [TINT, RED, GREEN, BLUE]]), augment.tint) if augment.tint else out


def tinted(pictures: Tensor, drawn: Tensor, most: float) -> Tensor:
    """Half of the pictures [B, ..., 3] mixed with a colour, up to a share of `most`; of numbers [B, 4] in [0, 1]."""
    each = (-1, *[1] * (pictures.ndim - 1))
    share = (most * (2 * drawn[:, 0] - 1).clamp(min=0)).to(pictures).view(each)
    colour = drawn[:, 1:].to(pictures).view(-1, *[1] * (pictures.ndim - 2), 3)
    return torch.lerp(pictures, colour.expand_as(pictures), share.expand_as(pictures))


def gains(sound: np.ndarray, drawn: np.ndarray, augment: AugmentConfig) -> Tensor:
    """int16 [B, S] -> float [B, S], each sample louder or softer by up to `gain_db`."""
    gain = 10 ** ((2 * drawn[:, GAIN] - 1) * augment.gain_db / 20) / 32768
    return torch.from_numpy(sound).float().mul_(torch.from_numpy(gain).float()[:, None])


def fewer_words(ids: np.ndarray, drawn: np.ndarray, augment: AugmentConfig) -> np.ndarray:
    """int64 [B, K, N], each word left out (0, the padding) with a chance of `word_dropout`, but never a text's last."""
    out = ids.copy()
    for row, u in zip(out, drawn[:, WORDS], strict=True):
        luck = np.random.default_rng(int(u * 2**53)).random(row.shape)
        luck[row == 0] = -1
        gone = (luck >= 0) & (luck < augment.word_dropout)
        np.put_along_axis(gone, luck.argmax(axis=1)[:, None], False, axis=1)
        row[gone] = 0
    return out


def stray_words(ids: np.ndarray, rng: np.random.Generator, share: float, weights: np.ndarray) -> np.ndarray:
    """int64 [B, K, N] where a share of the padding (0) is any word, drawn by `weights` [W]; empty texts stay empty."""
    free = (ids == 0) & ids.any(axis=-1, keepdims=True)
    return np.where(free & (rng.random(ids.shape) < share), rng.choice(len(weights), ids.shape, p=weights), ids)


def _turns(hue: Tensor, saturation: Tensor) -> Tensor:
    """Matrices [B, 3, 3] of RGB that turn the hue by parts of a circle and scale the saturation."""
    angle = hue.double() * 2 * math.pi
    cos, sin, zero, one = angle.cos() * saturation, angle.sin() * saturation, torch.zeros_like(angle), angle * 0 + 1
    rows = [one, zero, zero, zero, cos, sin, zero, -sin, cos]  # red by way of green to blue
    turn = torch.stack(rows, dim=1).view(-1, 3, 3)
    return (torch.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ).float()
