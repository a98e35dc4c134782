"""A record followed reading by reading: forecasts, surprises and sensitivity as they came.

Nothing looks ahead: row i of the result depends on readings up to row i, and on doses and meals
before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from models.filter import Drift, Filter, FilterError
from models.forecast import ERROR_SCALE_MG_DL
from models.inputs import BoolArray, Inputs
from models.rollout import HORIZONS_MIN, doses_ahead, doses_of_row
from models.trace import STEP_MIN, FloatArray

ROWS_AN_HOUR = 12

Renew = Callable[[int], FloatArray | None]
"""Heads (N, K) of a twin fitted again before this row's reading, or None to go on with the old."""


DRIFTS = (
    Drift(),
    Drift(sensor_sd_mg_dl=4.0, disturbance_sd_mg_dl_min=1.0, disturbance_h=1.0 / 3.0),
    Drift(sensor_sd_mg_dl=2.0, disturbance_sd_mg_dl_min=1.0),
    Drift(sensor_sd_mg_dl=2.0, disturbance_sd_mg_dl_min=2.0),
    Drift(sensor_sd_mg_dl=2.0, disturbance_sd_mg_dl_min=4.0),
)
"""From a noisy sensor and a good twin to a smooth one and a twin that explains little."""

CHOOSING_DAYS = 5


@dataclass(frozen=True)
class Followed:
    """One record: forecasts (n, H) mg/dL, NaN at rows from which none was made.

    `off_mg_dl` (n,) is each reading minus what was expected five minutes before and `off_sd_mg_dl`
    its standard deviation, NaN without a reading; `ln_sensitivity` (n,) is the filter's belief.
    """

    mean_mg_dl: FloatArray = field(repr=False)
    low_mg_dl: FloatArray = field(repr=False)
    high_mg_dl: FloatArray = field(repr=False)
    off_mg_dl: FloatArray = field(repr=False)
    off_sd_mg_dl: FloatArray = field(repr=False)
    ln_sensitivity: FloatArray = field(repr=False)
    last: Filter = field(repr=False)

    @property
    def standardised(self) -> FloatArray:
        """Surprises in their own sds, (n,): of unit variance if the filter is honest."""
        return self.off_mg_dl / self.off_sd_mg_dl


def follow(
    theta: FloatArray,
    inputs: Inputs,
    glucose_mg_dl: FloatArray,
    seed: int,
    drift: Drift | None = None,
    horizons_min: tuple[int, ...] = HORIZONS_MIN,
    renew: Renew | None = None,
) -> Followed:
    """The record (n,) of one patient from its first reading on, by heads theta (N, K).

    A forecast is made at each full hour of rows that has a reading, with no bolus and no meal after
    it. Raises FilterError for a record without a reading.
    """
    readings = np.flatnonzero(np.isfinite(glucose_mg_dl))
    if not len(readings):
        raise FilterError(
            "found no reading in this record; expected one at least. Nobody is followed. Import a "
            "sensor's readings first."
        )
    first = int(readings[0])
    state = Filter.start(theta, float(glucose_mg_dl[first]), seed, drift)
    rows, horizons = len(glucose_mg_dl), np.asarray(horizons_min, dtype=np.int64)
    found = np.full((3, rows, len(horizons)), np.nan)
    signs = np.full((3, rows), np.nan)
    origins = _origins(glucose_mg_dl, first)
    ahead = doses_ahead(inputs, np.arange(rows), int(horizons[-1]))
    for row in range(first, rows):
        if renew is not None and (heads := renew(row)) is not None:
            state = replace(state, theta=heads)
        if row > first:
            state = state.advanced(doses_of_row(inputs, row - 1), inputs.local_hour[row - 1])
            state, surprise = state.updated(float(glucose_mg_dl[row]))
            if surprise is not None:
                signs[:2, row] = surprise.off_mg_dl, surprise.expected_sd_mg_dl
        signs[2, row] = state.ln_sensitivity
        if origins[row]:
            said = state.ahead(ahead[row], inputs.local_hour[row], horizons)
            found[:, row] = said.mean_mg_dl, said.low_mg_dl, said.high_mg_dl
    return Followed(found[0], found[1], found[2], signs[0], signs[1], signs[2], state)


def best_drift(theta: FloatArray, inputs: Inputs, glucose_mg_dl: FloatArray, seed: int) -> Drift:
    """Which of DRIFTS forecasts this stretch best: days of the patient's own that are over.

    Errors at each horizon count in the units of models/forecast.py. How smooth a sensor reads, and
    how much of a life a twin explains, differ more between patients than one setting can serve.
    """

    def loss(drift: Drift) -> float:
        return _loss(follow(theta, inputs, glucose_mg_dl, seed, drift), glucose_mg_dl)

    return min(DRIFTS, key=loss)


def _loss(seen: Followed, glucose_mg_dl: FloatArray) -> float:
    origins = np.flatnonzero(np.isfinite(seen.mean_mg_dl[:, 0]))
    later = origins[:, None] + np.array(HORIZONS_MIN) // STEP_MIN
    inside = later[:, -1] < len(glucose_mg_dl)
    off = seen.mean_mg_dl[origins[inside]] - glucose_mg_dl[later[inside]]
    scale = np.array([ERROR_SCALE_MG_DL[minutes] for minutes in HORIZONS_MIN])
    return float(np.nanmean((off / scale) ** 2))


def _origins(glucose_mg_dl: FloatArray, first: int) -> BoolArray:
    rows = np.arange(len(glucose_mg_dl))
    chosen: BoolArray = (rows % ROWS_AN_HOUR == 0) & np.isfinite(glucose_mg_dl) & (rows > first)
    return chosen
