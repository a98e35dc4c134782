"""Stress, short sleep, fever and the cycle: how much less, or more, insulin does for a while."""

from dataclasses import dataclass

import numpy as np

from models.life_effect import FEVER, LUTEAL_PHASE, MENTAL_STRESS, SHORT_SLEEP, Amplitudes
from models.trace import STEP_MIN, FloatArray

RAMP_MIN = 60
STRESS_ONSET_MIN, STRESS_LASTS_MIN = 60, 330
NORMAL_TEMPERATURE_C = 37.5


@dataclass(frozen=True)
class Stretch:
    """From a minute on, for so many minutes."""

    minute: int
    minutes: int


@dataclass(frozen=True)
class Illness:
    """A fever of so many degrees for a stretch."""

    during: Stretch
    temperature_c: float


def stressed(begin_minute: int, rows: int, amplitudes: Amplitudes) -> FloatArray:
    """Multiplier (D, n) of the action of insulin above rest, by acute stress at a minute."""
    stretch = Stretch(begin_minute + STRESS_ONSET_MIN, STRESS_LASTS_MIN)
    return _powered(amplitudes[MENTAL_STRESS], _shape(stretch, rows))


def after_short_sleep(stretch: Stretch, rows: int, amplitudes: Amplitudes) -> FloatArray:
    """Multiplier (D, n) of insulin's action on the day after a night of 4 h."""
    return _powered(amplitudes[SHORT_SLEEP], _shape(stretch, rows))


def feverish(illness: Illness, rows: int, amplitudes: Amplitudes) -> FloatArray:
    """Multiplier (D, n) of insulin's action under a fever; 1 at 37.5 degrees and below."""
    above = max(illness.temperature_c - NORMAL_TEMPERATURE_C, 0.0)
    shape = _shape(illness.during, rows)
    return 1.0 / (1.0 + amplitudes[FEVER][:, None] * above * shape)


def luteal(stretch: Stretch, rows: int, amplitudes: Amplitudes) -> FloatArray:
    """Multiplier (D, n) of insulin's action in the luteal phase."""
    return 1.0 - amplitudes[LUTEAL_PHASE][:, None] * _shape(stretch, rows)


def _powered(factor: FloatArray, shape: FloatArray) -> FloatArray:
    powered: FloatArray = factor[:, None] ** shape
    return powered


def _shape(stretch: Stretch, rows: int) -> FloatArray:
    """0 to 1 and back within an hour at either end, (n,): sensitivity never jumps."""
    past = STEP_MIN * (np.arange(rows) + 0.5) - stretch.minute
    rising = np.clip(past / RAMP_MIN, 0.0, 1.0)
    falling = np.clip((stretch.minutes - past) / RAMP_MIN, 0.0, 1.0)
    return np.minimum(rising, falling)
