"""How far the heads that a patient could have disagree about a change of treatment."""

from dataclasses import dataclass

import numpy as np

from models.calibration import Calibration
from models.ensemble import posterior
from models.glycemia import HIGH_MG_DL, LOW_MG_DL
from models.inputs import Inputs
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.whatif import Comparison, Regimen, residual_of, under

DRAWS, SEED = 100, 0
COVERAGE = 0.8
SETTLING_ROWS = 3 * STEPS_PER_DAY
"""A drawn head replays three days before the question: what came earlier has worn off, but for an
hour or two of the slowest long-acting insulin, whose depot is counted from the whole record."""

Ends = tuple[float, float]


@dataclass(frozen=True)
class Doubt:
    """80 % intervals of b minus a over so many drawn heads: mg/dL and percentage points."""

    draws: int
    mean_difference_mg_dl: Ends
    time_in_range_difference_points: Ends


def doubt_of(
    trace: Trace,
    calibration: Calibration,
    regimens: tuple[Regimen, Regimen],
    comparison: Comparison,
    draws: int = DRAWS,
) -> Doubt:
    """Intervals around a `comparison` of these regimens, by `draws` heads of the ensemble.

    Each head is asked as the best one is: what separates the sensor from its own replay is added to
    both arms. The interval is of the patient's parameters, not of whether the model is right; the
    quality card's lessons speak of that.
    """
    start = comparison.start_row
    settle = min(start, SETTLING_ROWS)
    rows = np.arange(start - settle, start + len(comparison.measured_mg_dl))
    inputs = inputs_of(trace, calibration.head)
    arms = [inputs, *(under(regimen, inputs, start) for regimen in regimens)]
    thetas = posterior(calibration, draws, SEED)
    begin = _begin(trace["glucose_mg_dl"], int(rows[0]))
    recorded, a, b = (_replay(thetas, arm.take(rows), begin)[:, settle:] for arm in arms)
    left = np.stack([residual_of(comparison.measured_mg_dl, path) for path in recorded])
    a, b = (np.maximum(arm + left, GLUCOSE_FLOOR_MG_DL) for arm in (a, b))
    return Doubt(draws, _ends(b.mean(1) - a.mean(1)), _ends(_in_range_pct(b) - _in_range_pct(a)))


def _replay(thetas: FloatArray, inputs: Inputs, start_mg_dl: float) -> FloatArray:
    return open_loop(thetas, inputs, start_mg_dl).interstitial_mg_dl


def _begin(readings: FloatArray, row: int) -> float:
    """The reading nearest to a row."""
    read = np.flatnonzero(np.isfinite(readings))
    return float(readings[read[np.argmin(np.abs(read - row))]])


def _in_range_pct(glucose_mg_dl: FloatArray) -> FloatArray:
    inside = (glucose_mg_dl >= LOW_MG_DL) & (glucose_mg_dl <= HIGH_MG_DL)
    share: FloatArray = 100.0 * inside.mean(axis=1)
    return share


def _ends(differences: FloatArray) -> Ends:
    low, high = np.quantile(differences, [0.5 - COVERAGE / 2, 0.5 + COVERAGE / 2])
    return float(low), float(high)
