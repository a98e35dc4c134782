"""What a record can tell of a lever, and the safe experiment that would tell more.

A dose that never varies by itself leaves its effect to the prior: boluses that always follow the
carbohydrate, and a basal that never changes, cannot be told from food and from rest.
"""

from collections.abc import Sequence
from enum import Enum

import numpy as np

from models.doses import sum_near
from models.inputs import known_rows
from models.levers import MEALS, Lever
from models.trace import STEPS_PER_DAY, FloatArray, Trace

LEAST_BASAL_HOURS = 8.0
"""Hours of a basal at least a tenth off the usual of that hour that count as having varied."""
LEAST_RATIO_CV = 0.15


class Experiment(Enum):
    """Safe experiments, to be agreed with the clinic, each with what it tells."""

    BASAL_TWO_NIGHTS = "basal_two_nights"
    SKIPPED_BREAKFAST = "skipped_breakfast"
    COVERED_DIFFERENTLY = "covered_differently"


def untold(trace: Trace, levers: Sequence[Lever]) -> dict[str, Experiment]:
    """Levers whose effect this record hardly tells, each with the experiment that would."""
    lacking = {}
    for lever in levers:
        if lever.kind in ("basal", "long_acting") and _basal_hours(trace) < LEAST_BASAL_HOURS:
            lacking[lever.name] = Experiment.BASAL_TWO_NIGHTS
        elif lever.kind == "carb_ratio" and _ratio_cv(trace, lever) < LEAST_RATIO_CV:
            breakfast = lever.window == MEALS["breakfast"]
            lacking[lever.name] = (
                Experiment.SKIPPED_BREAKFAST if breakfast else Experiment.COVERED_DIFFERENTLY
            )
    return lacking


def _basal_hours(trace: Trace) -> float:
    """Hours in which the pump gave at least a tenth more or less than usual at that hour."""
    rate = trace["basal_u_per_h"]
    known = known_rows(trace) & np.isfinite(rate)
    slot = (12.0 * trace.local_hour).round().astype(int) % STEPS_PER_DAY
    usual = np.array([_median(rate[known & (slot == one)]) for one in range(STEPS_PER_DAY)])
    off = np.abs(rate - usual[slot]) > 0.1 * np.maximum(usual[slot], 1e-9)
    return float((off & known).sum()) * 24.0 / STEPS_PER_DAY


def _ratio_cv(trace: Trace, lever: Lever) -> float:
    """Variation of units to the gram over the meals of a lever's hours; uncovered meals count."""
    carbs, bolus = (np.nan_to_num(trace[name]) for name in ("carbs_g", "bolus_u"))
    meals = np.flatnonzero((carbs > 10.0) & lever.window.holds(trace.local_hour))
    if len(meals) < 2:
        return 0.0
    units = sum_near(bolus)[meals] / carbs[meals]
    return float(units.std() / max(units.mean(), 1e-9))


def _median(values: FloatArray) -> float:
    return float(np.median(values)) if len(values) else 0.0
