"""Rules that turn what a sensor and a pump show into multipliers of basal and bolus.

    foreseen = G + h slope - w I / b              G now, slope over 15 min, I active insulin (U)
    basal = 0 if foreseen < low, else 1 + kb (foreseen - target) / 100, within 0 to 2
    bolus = 1 + km (foreseen - target) / 100, within 0.5 to 1.5

b is the scheduled rate (U/h), so that a rule made on small people serves large ones. Six numbers
that a clinician can read; `OWN` is to do as scheduled, `SUSPEND` the rule of pumps that stop before
a low is foreseen (30 min ahead, 80 mg/dL: Forlenza et al. 2018, Diabetes Care 41:2155).
"""

from dataclasses import astuple, dataclass, fields

import numpy as np

from models.trace import FloatArray

BASAL_RANGE, BOLUS_RANGE = (0.0, 2.0), (0.5, 1.5)
HISTORY = 12
"""Readings that a rule sees: an hour."""

SLOPE_ROWS = 3
LEAST_BASAL_U_PER_H = 0.1


@dataclass(frozen=True)
class Seen:
    """What a rule sees: the last HISTORY readings (12,), mg/dL, active insulin, scheduled rate."""

    glucose_mg_dl: FloatArray
    active_u: float
    basal_u_per_h: float


@dataclass(frozen=True)
class Policy:
    """Minutes ahead, mg/dL, mg/dL per hour of basal on board, mg/dL, and gains per 100 mg/dL."""

    ahead_min: float
    target_mg_dl: float
    insulin_mg_dl: float
    low_mg_dl: float
    basal_gain: float
    bolus_gain: float

    def __call__(self, seen: Seen) -> tuple[float, float]:
        """Multipliers of the scheduled basal and of a bolus that is due now."""
        foreseen = self.foreseen(seen)
        away = (foreseen - self.target_mg_dl) / 100.0
        basal = float(np.clip(1.0 + self.basal_gain * away, *BASAL_RANGE))
        bolus = float(np.clip(1.0 + self.bolus_gain * away, *BOLUS_RANGE))
        return (0.0 if foreseen < self.low_mg_dl else basal), bolus

    def foreseen(self, seen: Seen) -> float:
        """Glucose that the rule expects, mg/dL."""
        glucose = seen.glucose_mg_dl
        slope = (glucose[-1] - glucose[-1 - SLOPE_ROWS]) / (5.0 * SLOPE_ROWS)
        hours = seen.active_u / max(seen.basal_u_per_h, LEAST_BASAL_U_PER_H)
        return float(glucose[-1] + self.ahead_min * slope - self.insulin_mg_dl * hours)

    @property
    def numbers(self) -> FloatArray:
        """The six in the order of the fields."""
        return np.array(astuple(self))


NAMES = tuple(one.name for one in fields(Policy))
LOW = np.array([0.0, 100.0, 0.0, 60.0, 0.0, 0.0])
HIGH = np.array([60.0, 160.0, 20.0, 110.0, 2.0, 0.5])
"""Bounds of each number in training: what no clinician would want lies outside."""


def policy_of(numbers: FloatArray) -> Policy:
    """The policy of six numbers, held within bounds."""
    return Policy(*np.clip(numbers, LOW, HIGH).tolist())


OWN = Policy(30.0, 120.0, 0.0, -1000.0, 0.0, 0.0)
SUSPEND = Policy(30.0, 120.0, 0.0, 80.0, 0.0, 0.0)
