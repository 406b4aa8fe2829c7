"""The log-mel front end against one written out in NumPy from the description of the published one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.networks.log_mel import LogMel, LogMelConfig, mel_weights

PUBLISHED = LogMelConfig()
SMALL = LogMelConfig(16_000, 640, 320, 80, 80, 7600)


def hertz_to_mel(hertz: float) -> float:
    """HTK: 1127 ln(1 + f / 700)."""
    return float(1127 * np.log(1 + hertz / 700))


def slow_mel_weights(config: LogMelConfig) -> np.ndarray:
    """Triangles that rise and fall linearly in mel, from neighbour to neighbour; the DC bin counts for nothing."""
    edges = np.linspace(hertz_to_mel(config.low_hz), hertz_to_mel(config.high_hz), config.bins + 2)
    weights = np.zeros((config.frame // 2 + 1, config.bins))
    for i in range(1, config.frame // 2 + 1):
        mel = hertz_to_mel(i * config.sample_rate / config.frame)
        for j in range(config.bins):
            low, centre, high = edges[j : j + 3]
            if low < mel <= centre:
                weights[i, j] = (mel - low) / (centre - low)
            elif centre < mel < high:
                weights[i, j] = (high - mel) / (high - centre)
    return weights


def slow_log_mel(wave: np.ndarray, config: LogMelConfig) -> np.ndarray:
    """wave [S] -> [ceil(S / hop), bins]: frames that begin within the sound, zeros after it, a periodic Hann window."""
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / config.frame) for n in range(config.frame)])
    weights = slow_mel_weights(config)
    rows = []
    for start in range(0, len(wave), config.hop):
        frame = np.zeros(config.frame)
        part = wave[start : start + config.frame]
        frame[: len(part)] = part
        rows.append(np.log(np.abs(np.fft.rfft(frame * window)) @ weights + config.offset))
    return np.array(rows)


@pytest.mark.parametrize(
    ("config", "samples"),
    [
        (PUBLISHED, 153_600),  # a window of 3.2 s: 150 frames
        (PUBLISHED, 48_000),
        (PUBLISHED, 1024),
        (PUBLISHED, 1025),
        (PUBLISHED, 1),
        (PUBLISHED, 5000),
        (SMALL, 9_000),
        (replace(SMALL, offset=0.01, bins=24), 3_333),
        (LogMelConfig(8000, 256, 128, 24, 80, 3600), 4_000),
    ],
)
def test_it_equals_the_explicit_version_at_any_length(config: LogMelConfig, samples: int) -> None:
    rng = np.random.default_rng(samples)
    waves = 0.1 * rng.normal(size=(2, samples)) + np.sin(np.arange(samples) * 0.2)
    got = LogMel(config)(torch.from_numpy(waves).float()).numpy()
    assert got.shape == (2, -(-samples // config.hop), config.bins)
    for wave, row in zip(waves, got, strict=True):
        # In the magnitudes: near silence the logarithm would turn float32's rounding into anything.
        wanted = np.exp(slow_log_mel(wave, config))
        np.testing.assert_allclose(np.exp(row), wanted, rtol=1e-4, atol=1e-5 * wanted.max())


def test_the_published_settings() -> None:
    assert LogMelConfig(48_000, 2048, 1024, 80, 80.0, 7600.0, 1e-6, 0) == PUBLISHED


def test_mel_filters_by_hand() -> None:
    weights = mel_weights(PUBLISHED)
    np.testing.assert_allclose(weights, slow_mel_weights(PUBLISHED), atol=1e-12)
    assert weights.shape == (1025, 80)
    assert not weights[0].any()
    assert not weights[:4].any()  # up to 3 * 48000 / 2048 = 70.3 Hz: below 80
    assert weights[4].any()  # 93.75 Hz
    assert weights[324].any()  # 7593.75 Hz
    assert not weights[325:].any()  # 7617.2 Hz and above
    # Between the first centre and the last one neighbouring triangles add up to one.
    edges = np.linspace(hertz_to_mel(80), hertz_to_mel(7600), 82)
    inner = [i for i in range(1025) if edges[1] <= hertz_to_mel(i * 48_000 / 2048) <= edges[-2]]
    np.testing.assert_allclose(weights[inner].sum(axis=1), 1, atol=1e-12)


def test_a_filter_at_dc_gets_nothing_of_the_mean() -> None:
    """A constant is all at 0 Hz and, by the window, at the bin next to it."""
    config = LogMelConfig(16_000, 640, 320, 8, 100.0, 7600.0)
    constant = LogMel(config)(torch.ones(1, 6400))[0]
    assert torch.allclose(constant[:18].exp(), torch.full((18, 8), config.offset), atol=2e-4)


def test_silence_is_the_logarithm_of_the_offset() -> None:
    out = LogMel(PUBLISHED)(torch.zeros(1, 4096))
    assert torch.allclose(out, torch.full((1, 4, 80), float(np.log(1e-6))))


def test_it_is_magnitude_and_not_power() -> None:
    """Twice as loud is ln 2 more, not 2 ln 2."""
    noise = torch.randn(1, 20_480)
    front = LogMel(PUBLISHED)
    assert torch.allclose(front(2 * noise) - front(noise), torch.full((1, 20, 80), float(np.log(2))), atol=1e-4)


def test_a_tone_is_in_its_filter() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(51_200) / 16_000)[None]
    spectrogram = LogMel(SMALL)(tone)
    assert spectrogram.shape == (1, 160, 80)
    low, at, high = (hertz_to_mel(f) for f in (80, 1000, 7600))
    assert abs(spectrogram[0, 80].argmax().item() - ((at - low) / (high - low) * 81 - 1)) <= 1


def test_beyond_the_end_is_silence_or_the_sound_again() -> None:
    noise = torch.randn(1, 9_000)
    published = LogMel(SMALL)(noise)
    assert published.shape == (1, 29, 80)  # ceil(9000 / 320) frames begin within the sound
    assert torch.allclose(published, LogMel(SMALL)(F.pad(noise, (0, 1000)))[:, :29], atol=1e-4)
    looped = LogMel(replace(SMALL, loop_hops=32))(noise)
    twice = LogMel(SMALL)(torch.cat([noise, noise], dim=1))
    assert looped.shape == (1, 32, 80)
    assert torch.allclose(looped[:, :31], twice[:, :31], atol=1e-4)
