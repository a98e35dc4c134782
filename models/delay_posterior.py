"""A head and its meals' delays together: what a record says of both.

    -2 ln p(theta, beta) = -2 ln p(theta | inputs delayed by beta) + |beta / sd|^2

in z (K + 4,), theta as in models/posterior.py and beta = sd z, held within its bounds. The prior of
beta is that of models/meal_delay.py. Meals' and days' own terms and the noise are those of the
posterior that this is made of.
"""

from dataclasses import dataclass, replace

import numba
import numpy as np

from models.heads import NAMES, physical
from models.inputs import Inputs
from models.meal_delay import (
    DELAY_SD_MIN,
    EARLIEST_MIN,
    LATEST_MIN,
    arrival_slopes,
    delayed,
)
from models.nuisance import glucose_minute, tape_of
from models.openloop import (
    GAIN,
    IG,
    KABS,
    KEMPT,
    Q1,
    Q2,
    QG,
    STATES,
    TO_RA,
    rates_of,
    relax,
    set_hour,
)
from models.posterior import Posterior
from models.trace import STEP_MIN, FloatArray

PLACES = len(NAMES)


def delays_of(z: FloatArray) -> FloatArray:
    """Delays (4,), min, of a point (K + 4,)."""
    beta: FloatArray = np.clip(DELAY_SD_MIN * z[PLACES:], EARLIEST_MIN, LATEST_MIN)
    return beta


@dataclass(frozen=True)
class DelayPosterior:
    """-2 ln posterior of z (K + 4,), up to a constant; `entered` has its inputs without delay."""

    entered: Posterior

    def at(self, delay_min: FloatArray) -> Posterior:
        """The posterior of theta given these delays (4,)."""
        record = self.entered.record
        late = replace(record, inputs=delayed(record.inputs, delay_min))
        return replace(self.entered, record=late)

    def costs(self, z: FloatArray) -> FloatArray:
        """Costs (B,) of points (B, K + 4)."""
        each = [self.at(delays_of(one)).costs(one[None, :PLACES])[0] for one in z]
        costs: FloatArray = np.array(each) + np.sum(z[:, PLACES:] ** 2, axis=1)
        return costs

    def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Cost of one point (K + 4,), half its gradient and half its curvature."""
        there, late = self.at(delays_of(z)), delays_of(z)
        record = there.record
        free = (late > EARLIEST_MIN) & (late < LATEST_MIN)
        courses = delay_courses(there.theta(z[:PLACES]), record.inputs, record.start_mg_dl)
        slopes = DELAY_SD_MIN * free[:, None] * courses[:, record.places]
        return there.expansion(z, slopes)


def delay_courses(theta: FloatArray, inputs: Inputs, start_mg_dl: float) -> FloatArray:
    """Interstitial glucose at each row by each meal's delay, (4, n) mg/dL/min, of one head (K,)."""
    entered, late = inputs.entered_mg_kg_min, inputs.meal_delay_min
    if entered is None or late is None:
        entered, late = inputs.carbs_mg_kg_min, np.zeros(4)
    values = physical(theta)
    moved = arrival_slopes(entered, inputs.local_hour, late)
    return _courses(values, tape_of(values, inputs, start_mg_dl), moved, inputs.local_hour)


@numba.njit(cache=True, nogil=True)
def _courses(
    values: FloatArray, tape: FloatArray, moved: FloatArray, local_hour: FloatArray
) -> FloatArray:
    """What `moved` (M, T) more carbohydrate a minute adds to interstitial glucose, (M, n)."""
    out = np.empty((len(moved), len(local_hour)))
    for meal in range(len(moved)):
        rates, y = rates_of(values), np.zeros(len(STATES))
        v, damping = rates[0], rates[1]
        for row in range(len(local_hour)):
            out[meal, row] = y[IG]
            set_hour(rates, values, local_hour[row])
            for minute in range(STEP_MIN * row, STEP_MIN * (row + 1)):
                inflow = v[GAIN] * moved[meal, minute]
                q1 = relax(y, Q1, inflow, v[KEMPT], damping[KEMPT])
                q2 = relax(y, Q2, v[KEMPT] * q1, v[KEMPT], damping[KEMPT])
                qg = relax(y, QG, v[KEMPT] * q2, v[KABS], damping[KABS])
                glucose_minute(y, tape[minute], 0.0, v[KABS] * qg * TO_RA)
    return out
