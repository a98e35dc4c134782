"""The sensor's error: its equation by hand, its statistics, its gaps."""

import numpy as np
import pytest

from models.trace import STEPS_PER_DAY
from simulations import cgm_error
from simulations.cgm_error import (
    NOISE_SD_MG_DL,
    PHI1,
    PHI2,
    SENSOR_DAYS,
    autoregressive,
    sensor_error,
)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_autoregressive_noise_by_hand() -> None:
    e = autoregressive(np.array([1.0, 0.0, 2.0, 0.0]))
    second = 1.26
    third = 1.26 * second - 0.402 + 2.0
    assert e == pytest.approx([1.0, second, third, 1.26 * third - 0.402 * second])


def test_autoregressive_noise_is_stationary_with_its_theoretical_spread() -> None:
    e = autoregressive(NOISE_SD_MG_DL * rng(1).standard_normal(200_000))
    variance = (1 - PHI2) / ((1 + PHI2) * ((1 - PHI2) ** 2 - PHI1**2)) * NOISE_SD_MG_DL**2
    assert e.std() == pytest.approx(np.sqrt(variance), rel=0.03)
    assert np.corrcoef(e[1:], e[:-1])[0, 1] == pytest.approx(PHI1 / (1 - PHI2), abs=0.01)


def test_an_average_sensor_follows_the_published_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAIN_SD", "OFFSET_SD_MG_DL", "NOISE_SD_MG_DL"):
        monkeypatch.setattr(cgm_error, name, 0.0)
    gain, offset = cgm_error._one_sensor(0, SENSOR_DAYS * STEPS_PER_DAY, rng(0))
    assert gain[0] == pytest.approx(0.9423)
    assert gain[5 * STEPS_PER_DAY] == pytest.approx(0.9423 + 0.0247 - 0.014625)
    assert offset[STEPS_PER_DAY] == pytest.approx(6.38)


def test_a_new_sensor_warms_up_for_two_hours() -> None:
    _, offset = cgm_error._one_sensor(0, STEPS_PER_DAY, rng(0))
    assert np.isnan(offset[:24]).all()
    assert np.isfinite(offset[24:]).all()
    _, worn = cgm_error._one_sensor(STEPS_PER_DAY, STEPS_PER_DAY, rng(0))
    assert np.isfinite(worn).all()


def test_each_sensor_has_a_gain_of_its_own() -> None:
    gain = sensor_error(60, rng(3)).gain
    jumps = np.flatnonzero(np.abs(np.diff(gain)) > 1e-3)
    assert len(jumps) == pytest.approx(6, abs=1)
    assert np.all(np.diff(jumps) == SENSOR_DAYS * STEPS_PER_DAY)


def test_error_and_gaps_are_of_the_stated_size() -> None:
    true = 150.0 + 50.0 * np.sin(np.arange(90 * STEPS_PER_DAY) / 40.0)
    relative, gaps = [], []
    for seed in range(20):
        error = sensor_error(90, rng(seed))
        reading = error.gain * true + error.offset_mg_dl
        relative.append(np.nanmean(np.abs(reading - true) / true))
        gaps.append(np.isnan(reading).mean())
    assert 0.06 < np.mean(relative) < 0.10
    assert 0.01 < np.mean(gaps) < 0.04
    assert min(gaps) > 0.0


def test_lost_contact_lasts_more_than_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgm_error, "WARM_UP_MIN", 0)
    lost = np.isnan(sensor_error(200, rng(2)).offset_mg_dl)
    starts = np.flatnonzero(np.diff(lost.astype(int)) == 1).size
    assert starts == pytest.approx(0.35 * 200, rel=0.4)
    assert lost.sum() / starts > 4


def test_the_same_seed_gives_the_same_error() -> None:
    first, again, other = (sensor_error(3, rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first.offset_mg_dl, again.offset_mg_dl, equal_nan=True)
    assert np.array_equal(first.gain, again.gain)
    assert not np.array_equal(first.gain, other.gain)
