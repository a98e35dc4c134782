"""An alarm for patients who are no longer who their twin takes them for.

    S+ = max(0, S+ + (x - k)),   S- = max(0, S- - (x + k)),   alarm where either exceeds h

Page's cumulative sums (1954, Biometrika 41:100), x being the day's mean of what the filter believes
of ln sensitivity (models/filter.py), against the mean of the first week, in units of how far such
days usually lie apart. The allowance k is half of a change worth noticing. The limit h stands for
one false alarm in a year of a patient who does not change (docs/streaming.md measures it).
"""

from dataclasses import dataclass

import numpy as np

from models.trace import FloatArray, IntArray

BASELINE_DAYS = 7
DAY_SD = 0.12
"""How far days' means lie apart in a patient who does not change, from virtual people."""

ALLOWANCE = 0.75
LIMIT = 7.0


class DriftError(ValueError):
    """Days that cannot be watched."""


@dataclass(frozen=True)
class Alarm:
    """The day (from 0) on which it rang, and whether the patient seems more sensitive or less."""

    day: int
    more_sensitive: bool

    @property
    def words(self) -> str:
        """What it says to a person."""
        way = "more" if self.more_sensitive else "less"
        return (
            f"for some days insulin has seemed to do {way} than in the first week: calibrate the "
            "twin again, and look at pump, sensor, illness and activity before trusting it"
        )


def alarm(
    daily_ln_sensitivity: FloatArray, limit: float = LIMIT, allowance: float = ALLOWANCE
) -> Alarm | None:
    """The first alarm over the days (T,), NaN for days without readings; None if all is quiet.

    Raises DriftError where the first week has no day with readings.
    """
    baseline = daily_ln_sensitivity[:BASELINE_DAYS]
    if not np.isfinite(baseline).any():
        raise DriftError(
            f"found no reading in the first {BASELINE_DAYS} days; expected one day at least. "
            "Nobody is watched. Begin where the readings begin."
        )
    x = (daily_ln_sensitivity - np.nanmean(baseline)) / DAY_SD
    up = down = 0.0
    for day in range(BASELINE_DAYS, len(x)):
        if np.isfinite(x[day]):
            up, down = max(0.0, up + x[day] - allowance), max(0.0, down - x[day] - allowance)
        if max(up, down) > limit:
            return Alarm(day, up > down)
    return None


def daily_means(values: FloatArray, local_day: IntArray) -> FloatArray:
    """Mean of each local day in order, (days,); NaN where a day has no value."""
    _, day = np.unique(local_day, return_inverse=True)
    known = np.isfinite(values)
    total = np.bincount(day, weights=np.where(known, values, 0.0))
    count = np.bincount(day, weights=known)
    means: FloatArray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return means
