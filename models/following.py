"""A record followed reading by reading: forecasts, surprises and sensitivity as they came.

Nothing looks ahead: row i of the result depends on readings up to row i, and on doses and meals
before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from models.filter import Drift, Filter, FilterError
from models.inputs import BoolArray, Inputs
from models.rollout import HORIZONS_MIN, doses_ahead, doses_of_row
from models.trace import FloatArray

ROWS_AN_HOUR = 12

Renew = Callable[[int], FloatArray | None]
"""Heads (N, K) of a twin fitted again before this row's reading, or None to go on with the old."""


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


def _origins(glucose_mg_dl: FloatArray, first: int) -> BoolArray:
    rows = np.arange(len(glucose_mg_dl))
    chosen: BoolArray = (rows % ROWS_AN_HOUR == 0) & np.isfinite(glucose_mg_dl) & (rows > first)
    return chosen
