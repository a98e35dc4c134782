"""What a scenario changes, over draws of the twin and days: middle, 80 % interval, and the odds.

Every figure is a difference from the same draw and days as they were recorded, so what draws and
days have in common cancels. The interval is of this patient's parameters and of the effects'
amplitudes, not of whether the model is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.glycemia import HIGH_MG_DL, LOW_MG_DL, VERY_HIGH_MG_DL, VERY_LOW_MG_DL
from models.trace import FloatArray

COVERAGE = 0.8

MEASURES = {
    "mean": "mg/dL",
    "time_in_range": "points",
    "time_below_70": "points",
    "time_below_54": "points",
    "time_above_180": "points",
    "gri": "points",
}
"""Measures of glucose by the unit of their change; a point is a percentage point of time."""


@dataclass(frozen=True)
class Shift:
    """Change of one measure: median over draws, the ends of its 80 % interval."""

    middle: float
    low: float
    high: float

    @property
    def spans_nothing(self) -> bool:
        """Whether no change at all lies within the interval."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Outcome:
    """What one scenario changes: `before` and `after` are medians over draws of each measure.

    `helps` is the share of draws whose glycaemia risk index falls; `more_lows` the share in which
    time below 70 mg/dL rises by more than one point.
    """

    before: dict[str, float]
    after: dict[str, float]
    shifts: dict[str, Shift]
    helps: float
    more_lows: float


def measures(glucose_mg_dl: FloatArray, capped: bool = True) -> dict[str, FloatArray]:
    """Each measure of glucose (..., n): name to (...). GRI as in Klonoff et al. 2023, with its cap.

    Not `capped` at 100 it still tells better from worse where either is worse than that.
    Bounds as in models/glycemia.py: 70 and 180 are in range, 54 is not very low, 250 not very high.
    """
    g = glucose_mg_dl
    very_low, low = g < VERY_LOW_MG_DL, g < LOW_MG_DL
    high, very_high = g > HIGH_MG_DL, g > VERY_HIGH_MG_DL
    below_54, below_70, above_180, above_250 = (
        100.0 * which.mean(axis=-1) for which in (very_low, low, high, very_high)
    )
    risk = 3.0 * below_54 + 2.4 * (below_70 - below_54)
    risk += 1.6 * above_250 + 0.8 * (above_180 - above_250)
    return {
        "mean": g.mean(axis=-1),
        "time_in_range": 100.0 - below_70 - above_180,
        "time_below_70": below_70,
        "time_below_54": below_54,
        "time_above_180": above_180,
        "gri": np.minimum(risk, 100.0) if capped else risk,
    }


def outcomes(
    as_recorded: FloatArray, tried: FloatArray, capped: bool = True
) -> tuple[Outcome, ...]:
    """One outcome for each of R scenarios: glucose (D, n) as recorded and (R, D, n) as tried.

    Several days are given one after the other along n; `capped` as for `measures`.
    """
    before, after = measures(as_recorded, capped), measures(tried, capped)
    return tuple(_outcome(before, {k: v[r] for k, v in after.items()}) for r in range(len(tried)))


def over_days(paths: Sequence[FloatArray]) -> FloatArray:
    """Glucose of several grounds (R, D, n_i) as one stretch (R, D, sum n_i)."""
    return np.concatenate(list(paths), axis=-1)


def _outcome(before: dict[str, FloatArray], after: dict[str, FloatArray]) -> Outcome:
    change = {name: after[name] - before[name] for name in MEASURES}
    return Outcome(
        before={name: float(np.median(before[name])) for name in MEASURES},
        after={name: float(np.median(after[name])) for name in MEASURES},
        shifts={name: _shift(change[name]) for name in MEASURES},
        helps=float(np.mean(change["gri"] < 0.0)),
        more_lows=float(np.mean(change["time_below_70"] > 1.0)),
    )


def _shift(change: FloatArray) -> Shift:
    low, middle, high = np.quantile(change, [0.5 - COVERAGE / 2, 0.5, 0.5 + COVERAGE / 2])
    return Shift(float(middle), float(low), float(high))
