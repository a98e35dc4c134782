"""An alarm for patients who are no longer who their twin takes them for.

    S+ = max(0, S+ + x - k),   S- = max(0, S- - x - k),   alarm where either exceeds h

Page's cumulative sums (1954, Biometrika 41:100). x is the day's mean of reading minus the twin's
open loop, against the mean of the days the twin was made from, in units of how far those days lay
apart, drawn towards what is usual. The open loop never sees a reading, so it cannot get used to the
change, as a filter would: of 30 % less insulin action the filter's own sensitivity shows a sixth.

k = 1 and h = 9 were chosen on 40 virtual people in whom nothing changed for 24 days: one false
alarm, or 0.4 a year, where one a year was asked. Days of a patient lie apart by more than chance:
in simulated years of days that only resemble the day before (lag correlation 0.3), a baseline of 14
of them included, the same limit rings 0.2 times. docs/streaming.md has other people's figures.
"""

from dataclasses import dataclass

import numpy as np

from models.calibration import Calibration
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.trace import FloatArray, Trace

USUAL_SD_MG_DL = 12.0
"""How far the days of a patient who does not change lie apart, from virtual children."""

USUAL_WEIGHT = 4.0
"""Days that the usual spread counts as."""

FEWEST_DAYS = 5
ALLOWANCE = 1.0
LIMIT = 9.0


class DriftError(ValueError):
    """Days that cannot be watched."""


@dataclass(frozen=True)
class Alarm:
    """The day (from 0, of all days) on which it rang, and which way readings went."""

    day: int
    higher: bool

    @property
    def words(self) -> str:
        """What it says to a person."""
        way = "higher" if self.higher else "lower"
        return (
            f"for some days glucose has been {way} than this twin's doses and meals explain: look "
            "at pump, sensor, illness and activity, and calibrate the twin again before trusting it"
        )


def alarm(daily_off_mg_dl: FloatArray, baseline_days: int, limit: float = LIMIT) -> Alarm | None:
    """The first alarm after the baseline, of days (T,) with NaN where unknown; None if quiet.

    Raises DriftError for fewer than 5 known days in the baseline.
    """
    known = daily_off_mg_dl[:baseline_days]
    known = known[np.isfinite(known)]
    if len(known) < FEWEST_DAYS:
        raise DriftError(
            f"found {len(known)} days with readings among the first {baseline_days}; expected "
            f"{FEWEST_DAYS} or more. Nobody is watched. Begin where more days are on record."
        )
    x = (daily_off_mg_dl - known.mean()) / _sd(known)
    up = down = 0.0
    for day in range(baseline_days, len(x)):
        if np.isfinite(x[day]):
            up, down = max(0.0, up + x[day] - ALLOWANCE), max(0.0, down - x[day] - ALLOWANCE)
        if max(up, down) > limit:
            return Alarm(day, up > down)
    return None


def daily_off_mg_dl(trace: Trace, twin: Calibration) -> FloatArray:
    """Each local day's mean of reading minus the twin's open loop; NaN where nothing can be said.

    Days without a record of insulin and meals say nothing: the twin cannot know what happened.
    """
    inputs = inputs_of(trace, twin.head)
    glucose = trace["glucose_mg_dl"]
    readings = glucose[np.isfinite(glucose)]
    start = float(readings[0]) if len(readings) else float(twin.head.values["Gb"])
    path = open_loop(twin.head.theta, inputs, start).interstitial_mg_dl[0]
    off = np.where(inputs.known, glucose - path, np.nan)
    _, day = np.unique(trace.local_day, return_inverse=True)
    known = np.isfinite(off)
    total = np.bincount(day, weights=np.where(known, off, 0.0))
    count = np.bincount(day, weights=known)
    means: FloatArray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return means


def _sd(baseline: FloatArray) -> float:
    """Spread of the baseline's days, drawn towards the usual one."""
    own = float(((baseline - baseline.mean()) ** 2).sum())
    freedom = len(baseline) - 1 + USUAL_WEIGHT
    return float(np.sqrt((own + USUAL_WEIGHT * USUAL_SD_MG_DL**2) / freedom))
