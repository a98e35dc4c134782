"""One draw of a twin, five minutes at a time: for those who decide as they go.

The same compiled row as models/lived.py, so that steps and a whole run agree to rounding.
"""

import numba
import numpy as np

from models.heads import physical
from models.lived import Modifiers, advance_row
from models.openloop import IG, rates_of
from models.trace import STEP_MIN, FloatArray


class Stepper:
    """A head `theta` (K,) standing in states `begin` (S,), at rest at `resting_mu_kg_min`."""

    def __init__(self, theta: FloatArray, begin: FloatArray, resting_mu_kg_min: float) -> None:
        self.state = begin.copy()
        self._values = physical(theta)
        self._rates = rates_of(self._values)
        self._resting = resting_mu_kg_min
        self._bent = np.ascontiguousarray(Modifiers.none(1, 1).stacked()[0, :, 0])

    @property
    def glucose_mg_dl(self) -> float:
        """Interstitial glucose at the beginning of the row to come."""
        return float(self.state[IG])

    def step(self, drive: FloatArray, local_hour: float) -> float:
        """Glucose after five minutes of `drive` (2, 5): insulin above rest as it arrives under the
        skin, mU/kg/min, and carbohydrate, mg/kg/min."""
        _step(self.state, self._rates, self._values, drive, local_hour, self._resting, self._bent)
        return self.glucose_mg_dl


@numba.njit(cache=True)
def _step(
    y: FloatArray,
    rates: FloatArray,
    values: FloatArray,
    drive: FloatArray,
    local_hour: float,
    resting: float,
    bent: FloatArray,
) -> None:
    advance_row(y, rates, values, drive[:, :STEP_MIN], local_hour, resting, bent)
