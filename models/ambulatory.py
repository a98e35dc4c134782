"""The ambulatory glucose profile: glucose by time of day over two weeks, and each day by itself.

As the consensus on time in range asks for (Battelino et al. 2019, figure 2): the 5th, 25th, 50th,
75th and 95th percentiles of the latest 14 days by local time of day, made smooth.
"""

from dataclasses import dataclass, field

import numpy as np

from models.glycemia import Glycemia, GlycemiaError, glycemia
from models.trace import STEP_MIN, FloatArray, IntArray, Trace

PERCENTILES = (5, 25, 50, 75, 95)
DAYS = 14
ENOUGH_PCT = 70.0
"""Share of readings that two weeks need before the consensus calls them representative."""
SLOT_MIN, POOLED_MIN = 15, 30


@dataclass(frozen=True)
class Day:
    """One local day: readings (n,) mg/dL at local hours (n,); the day since 1970 in local time."""

    local_day: int
    hour: FloatArray = field(repr=False)
    glucose_mg_dl: FloatArray = field(repr=False)
    summary: Glycemia


@dataclass(frozen=True)
class Profile:
    """Percentiles (5, S) of glucose, mg/dL, at local hours (S,), NaN where nothing was read.

    `active_pct` is the share of the readings that the sensor could have made in these days.
    """

    hour: FloatArray = field(repr=False)
    percentiles_mg_dl: FloatArray = field(repr=False)
    days: tuple[Day, ...] = field(repr=False)
    readings: int
    active_pct: float
    summary: Glycemia

    @property
    def is_enough(self) -> bool:
        """Whether the consensus would rest on it: 14 days with 70 % of readings."""
        return len(self.days) >= DAYS and self.active_pct >= ENOUGH_PCT


def ambulatory_profile(trace: Trace, days: int = DAYS) -> Profile:
    """The profile of the latest `days` local days up to the last reading.

    Each quarter of an hour pools the readings of half an hour before and after it, over midnight
    too. Raises GlycemiaError for a record without a reading.
    """
    lately = latest(trace, days)
    glucose, hour = lately["glucose_mg_dl"], lately.local_hour
    read = np.isfinite(glucose)
    slots = np.arange(0, 24 * 60, SLOT_MIN) / 60.0
    pooled = [_around(slot, hour[read], glucose[read]) for slot in slots.tolist()]
    could = len(lately) * STEP_MIN / trace.sensor_period_min
    return Profile(
        hour=slots,
        percentiles_mg_dl=np.stack(pooled, axis=1),
        days=tuple(_days(lately.local_day[read], hour[read], glucose[read])),
        readings=int(read.sum()),
        active_pct=min(100.0 * float(read.sum()) / could, 100.0),
        summary=glycemia(glucose),
    )


def latest(trace: Trace, days: int) -> Trace:
    """The last so many local days up to the last reading, or the record if it is shorter."""
    read = np.flatnonzero(np.isfinite(trace["glucose_mg_dl"]))
    if not len(read):
        raise GlycemiaError(
            f"found no reading of {trace.patient}; expected at least one. "
            "No profile was made. Choose a patient with readings."
        )
    since_first = trace.rows(int(read[0]), int(read[-1]) + 1)
    day = since_first.local_day
    return since_first.rows(int(np.flatnonzero(day > day[-1] - days)[0]), len(since_first))


def _around(slot: float, hour: FloatArray, glucose_mg_dl: FloatArray) -> FloatArray:
    """Percentiles (5,) of the readings near a time of day; midnight is no border."""
    away = np.abs(hour - slot)
    near = glucose_mg_dl[np.minimum(away, 24.0 - away) <= POOLED_MIN / 60.0]
    return np.percentile(near, PERCENTILES) if len(near) else np.full(len(PERCENTILES), np.nan)


def _days(day: IntArray, hour: FloatArray, glucose_mg_dl: FloatArray) -> list[Day]:
    """Every day with a reading, the earliest first."""
    return [
        Day(
            int(one),
            hour[day == one],
            glucose_mg_dl[day == one],
            glycemia(glucose_mg_dl[day == one]),
        )
        for one in np.unique(day)
    ]
