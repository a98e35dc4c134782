"""Insulin above the scheduled basal that has not acted yet: what a pump shows as active insulin.

S1' = u - S1 / 55 min,  S2' = (S1 - S2) / 55 min,  active = S1 + S2 (U), from 0: the absorption of
Hovorka et al. 2004 (Physiol Meas 25:905), the same for everybody. Less than scheduled counts
negative, and is shown as none.
"""

import numpy as np

from models.trace import STEP_MIN, FloatArray

ABSORBED_IN_MIN = 55.0
_REMEMBERED = 120
_KEEPS = float(np.exp(-STEP_MIN / ABSORBED_IN_MIN))


class ActiveInsulin:
    """What is still to act, U, five minutes at a time."""

    def __init__(self) -> None:
        self._first = self._second = 0.0

    @property
    def units(self) -> float:
        """Active insulin, never below 0."""
        return max(self._first + self._second, 0.0)

    def give(self, units: float) -> None:
        """So many units above the schedule, at the beginning of five minutes that now pass."""
        first = self._first + units
        share = STEP_MIN / ABSORBED_IN_MIN
        self._second = _KEEPS * (self._second + share * first)
        self._first = _KEEPS * first


def still_active(bolus_u: FloatArray) -> float:
    """What boluses given in steps (n,) before now still have to do, U: the same two compartments.

    A unit given t minutes ago leaves (1 + t / 55) exp(-t / 55).
    """
    latest = bolus_u[-_REMEMBERED:]
    ago = STEP_MIN * np.arange(len(latest), 0, -1) / ABSORBED_IN_MIN
    return float(latest @ ((1.0 + ago) * np.exp(-ago)))
