"""What a patient took, as the columns that ridge regression and boosting are given."""

import numpy as np

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

DOSE_SPANS_MIN = (30, 60, 120, 240)


def dose_features(trace: Trace, origins: IntArray) -> FloatArray:
    """What was dosed before each row of `origins` (W,), that row itself not included: (W, 10).

    Bolus insulin (U) over the last 30, 60, 120 and 240 minutes, carbohydrate (g) over the same,
    basal rate (U/h), long-acting insulin (U) over 24 h. NaN where any part of a span is unknown.
    A row holds the five minutes that begin at it, so a forecast does not know the doses of its own:
    models/rollout.py keeps to the same.
    """
    spans = [minutes // STEP_MIN for minutes in DOSE_SPANS_MIN]
    recent = [
        _sum_of_last(trace[name], steps, origins)
        for name in ("bolus_u", "carbs_g")
        for steps in spans
    ]
    basal = np.where(origins > 0, trace["basal_u_per_h"][np.maximum(origins - 1, 0)], np.nan)
    long_acting = _sum_of_last(trace["long_acting_u"], STEPS_PER_DAY, origins)
    return np.column_stack([*recent, basal, long_acting])


def _sum_of_last(column: FloatArray, steps: int, origins: IntArray) -> FloatArray:
    known = np.isfinite(column)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, column, 0.0))])
    rows_known = np.concatenate([[0], np.cumsum(known)])
    start = np.maximum(origins - steps, 0)
    complete = rows_known[origins] - rows_known[start] == steps
    return np.where(complete, total[origins] - total[start], np.nan)
