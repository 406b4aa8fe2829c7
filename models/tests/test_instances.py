"""The views of one moment that the instance heads are fitted to."""

import numpy as np

from models.training.instances import GAIN_DB, LOWEST_HZ, TILT_DB, rerecorded

RATE = 16_000
SECOND = np.arange(RATE) / RATE


def tones(hertz: float, count: int = 200) -> np.ndarray:
    """The same second many times, float32 [count, RATE]; its mean square is 0.125."""
    return np.tile(0.5 * np.sin(2 * np.pi * hertz * SECOND), (count, 1)).astype(np.float32)


def level_db(waves: np.ndarray, hertz: int) -> np.ndarray:
    """Of that tone alone, beside the one of `tones`."""
    power = np.abs(np.fft.rfft(waves)[:, hertz]) ** 2 / np.abs(np.fft.rfft(tones(hertz, 1))[0, hertz]) ** 2
    return np.asarray(10 * np.log10(power))


def test_another_recording_is_of_the_same_pitch_at_another_level() -> None:
    waves = rerecorded(tones(1000), RATE, np.random.default_rng(0))
    assert waves.shape == (200, RATE)
    assert waves.dtype == np.float32
    found = level_db(waves, 1000)
    assert np.abs(found).max() < GAIN_DB + 1  # a little noise
    assert found.min() < -0.8 * GAIN_DB
    assert found.max() > 0.8 * GAIN_DB
    assert (np.abs(np.fft.rfft(waves)).argmax(axis=1) == 1000).all()


def test_low_and_high_are_balanced_anew_and_the_lowest_may_be_gone() -> None:
    both = tones(125) + tones(2000)
    waves = rerecorded(both, RATE, np.random.default_rng(1))
    kept = level_db(waves, 125) > -30
    # The limit is drawn by the octave.
    expected = np.log(125 / LOWEST_HZ[0]) / np.log(LOWEST_HZ[1] / LOWEST_HZ[0])
    assert abs(kept.mean() - expected) < 0.1
    tilt = (level_db(waves, 2000) - level_db(waves, 125))[kept] / 4  # octaves
    assert np.abs(tilt).max() < TILT_DB + 0.5
    assert tilt.min() < -0.8 * TILT_DB
    assert tilt.max() > 0.8 * TILT_DB


def test_silence_stays_silent() -> None:
    assert not rerecorded(np.zeros((2, RATE), np.float32), RATE, np.random.default_rng(2)).any()
