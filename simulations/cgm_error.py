"""What a glucose sensor reads: gain and offset that drift with its age, correlated noise, gaps.

reading = (a0 + a1 t + a2 t^2) IG + b0 + e,  e_k = phi1 e_(k-1) + phi2 e_(k-2) + w_k

with t in days since insertion, k in 5-minute steps, w_k ~ N(0, sd^2). Means: Vettoretti et al.,
"Modeling the error of factory-calibrated continuous glucose monitoring sensors", EMBC 2019 (Dexcom
G6). The spreads between sensors are ours, chosen for a mean absolute relative difference of 7-10 %.
Gaps: two hours of warm-up of each ten-day sensor, and lost contact.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray
from simulations.padova import compiled

SENSOR_DAYS = 10
WARM_UP_MIN = 120
LOWEST_MG_DL = 40.0
HIGHEST_MG_DL = 400.0
GAPS_PER_DAY = 0.35
GAP_MEDIAN_MIN = 30.0
_GAP_LOG_SD = 1.0

GAIN, GAIN_PER_DAY, GAIN_PER_DAY2, OFFSET_MG_DL = 0.9423, 0.00494, -0.000585, 6.38
PHI1, PHI2, NOISE_SD_MG_DL = 1.260, -0.402, 3.25
GAIN_SD, OFFSET_SD_MG_DL, NOISE_LOG_SD = 0.05, 5.0, 0.25


@dataclass(frozen=True)
class SensorError:
    """reading = gain * glucose + offset_mg_dl at each 5-minute step, (n,); NaN offset in a gap."""

    gain: FloatArray
    offset_mg_dl: FloatArray


def sensor_error(days: int, rng: np.random.Generator) -> SensorError:
    """Errors of the sensors that one person wears one after another for `days`."""
    steps = days * STEPS_PER_DAY
    insertion = int(rng.integers(SENSOR_DAYS * STEPS_PER_DAY))
    gain, offset = np.empty(steps), np.empty(steps)
    start = 0
    while start < steps:
        age = (start + insertion) % (SENSOR_DAYS * STEPS_PER_DAY)
        stop = min(steps, start + SENSOR_DAYS * STEPS_PER_DAY - age)
        gain[start:stop], offset[start:stop] = _one_sensor(age, stop - start, rng)
        start = stop
    offset[_lost_contact(steps, rng)] = np.nan
    return SensorError(gain, offset)


def _one_sensor(age: int, steps: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Gain and offset of one sensor from its `age` (in steps) on; its warm-up has no reading."""
    days = (age + np.arange(steps)) / STEPS_PER_DAY
    gain = GAIN + GAIN_PER_DAY * days + GAIN_PER_DAY2 * days**2 + GAIN_SD * rng.standard_normal()
    bias = OFFSET_MG_DL + OFFSET_SD_MG_DL * rng.standard_normal()
    noise_sd = NOISE_SD_MG_DL * np.exp(NOISE_LOG_SD * rng.standard_normal())
    offset = bias + autoregressive(noise_sd * rng.standard_normal(steps))
    offset[days < WARM_UP_MIN / (24 * 60)] = np.nan
    return gain, offset


@compiled
def autoregressive(shocks: FloatArray) -> FloatArray:
    """e_k = PHI1 e_(k-1) + PHI2 e_(k-2) + shocks_k, from rest, (n,)."""
    e = shocks.copy()
    for k in range(1, e.size):
        e[k] += PHI1 * e[k - 1] + (PHI2 * e[k - 2] if k > 1 else 0.0)
    return e


def _lost_contact(steps: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """True (n,) where the sensor lost contact."""
    lost = np.zeros(steps, dtype=bool)
    count = rng.poisson(GAPS_PER_DAY * steps / STEPS_PER_DAY)
    starts = rng.integers(steps, size=count)
    minutes = GAP_MEDIAN_MIN * np.exp(_GAP_LOG_SD * rng.standard_normal(count))
    for start, length in zip(starts, np.ceil(minutes / STEP_MIN).astype(int), strict=True):
        lost[start : start + length] = True
    return lost
