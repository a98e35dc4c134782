"""Exercise: what a bout does to glucose while it lasts, and for half a day after.

    Y' = (dHR - Y) / 5 min           f = y^4 / (1 + y^4), y = Y / (0.1 HRb)
    Z' = -(f + 1/tau) Z + f          W' = dHR in the bout, from 0
    k  = a W Z                       c  = b Y

k is the share of insulin's action added at once, c what muscles take up without insulin. Deichmann
et al. 2021, with the sizes of models/life_effect.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numba
import numpy as np

from models.life_effect import (
    BURST,
    MOVEMENT_ABSORPTION,
    MOVEMENT_SENSITIVITY,
    MOVEMENT_UPTAKE,
    Amplitudes,
)
from models.lived import Modifiers
from models.trace import STEP_MIN, FloatArray

RESTING_BPM = 80.0
PULSE_MIN, LASTING_MIN, BURST_MIN = 5.0, 600.0, 10.0


class Kind(Enum):
    """Kinds of exercise: uptake beside aerobic at the same heart rate, and share of a burst."""

    AEROBIC = (1.0, 0.0)
    INTERVAL = (1.65, 1.3)
    RESISTANCE = (0.45, 0.5)

    @property
    def uptake(self) -> float:
        """Of what aerobic exercise takes up."""
        return self.value[0]

    @property
    def burst(self) -> float:
        """Of what the liver gives out when somebody sprints."""
        return self.value[1]


EXCESS_BPM = {"light": 38.0, "moderate": 55.0, "vigorous": 80.0}
"""Beats above rest: 35, 50 and 73 % of a reserve of 110 (Garber et al. 2011, ACSM's classes)."""


@dataclass(frozen=True)
class Bout:
    """Exercise from a minute on for so long, at so many beats a minute above rest."""

    minute: int
    minutes: int
    kind: Kind
    excess_bpm: float


def moved(bouts: Sequence[Bout], rows: int, amplitudes: Amplitudes) -> Modifiers:
    """What these bouts do to each row: boost, uptake, absorption and rise, (D, n)."""
    uptake, boost, absorbing, burst = (np.zeros(rows) for _ in range(4))
    for bout in bouts:
        pulse, lasting = _course(bout.minute, bout.minutes, bout.excess_bpm, STEP_MIN * rows)
        since = np.arange(STEP_MIN * rows) - bout.minute
        uptake += bout.kind.uptake * _by_row(pulse)
        boost += _by_row(lasting)
        lasts = ((since >= 0) & (since < bout.minutes)).astype(np.float64)
        absorbing = np.maximum(absorbing, _by_row(lasts))
        surge = np.where(since >= 0, np.exp(-np.maximum(since, 0) / BURST_MIN), 0.0)
        burst += bout.kind.burst * _by_row(surge)
    return Modifiers.none(len(amplitudes), rows).with_(
        boost=amplitudes[MOVEMENT_SENSITIVITY][:, None] * boost,
        uptake=amplitudes[MOVEMENT_UPTAKE][:, None] * uptake,
        absorption=1.0 + amplitudes[MOVEMENT_ABSORPTION][:, None] * absorbing,
        rise=amplitudes[BURST][:, None] * burst,
    )


def _by_row(by_minute: FloatArray) -> FloatArray:
    mean: FloatArray = by_minute.reshape(-1, STEP_MIN).mean(axis=1)
    return mean


@numba.njit(cache=True)
def _course(
    begins: int, lasts: int, excess_bpm: float, minutes: int
) -> tuple[FloatArray, FloatArray]:
    """Y, and W Z, of every minute (T,)."""
    pulse, lasting = np.zeros(minutes), np.zeros(minutes)
    y = z = w = 0.0
    for t in range(begins, minutes):
        beats = excess_bpm if t < begins + lasts else 0.0
        y += (beats - y) / PULSE_MIN / (1.0 + 0.5 / PULSE_MIN)
        w += beats
        relative = (y / (0.1 * RESTING_BPM)) ** 4
        f = relative / (1.0 + relative)
        z = (z + f) / (1.0 + f + 1.0 / LASTING_MIN)
        pulse[t], lasting[t] = y, w * z
    return pulse, lasting
