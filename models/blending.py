"""Filter, shared body and last reading in one forecast, each believed as the person's days taught.

With f and b what filter and body expect at a horizon, p the last reading and y what was read,

    y - p = v (f - p) + w (b - p) + e,

v and w by ridge towards halves, from the person's own forecasts that are over; a night at a time,
so that nothing looks ahead. The half width of an 80 % interval is that quantile of
the |e| there, nothing being assumed of filter or body.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from models.following import Followed
from models.output_statistics import COVERAGE
from models.rollout import HORIZONS_MIN
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEP_MIN, FloatArray, IntArray

HALVES = np.array([0.5, 0.5])
WEIGHT_SD = 0.35
"""How far a person's weights are expected from halves.

Chosen on twelve drawn children and adolescents of both worlds (seed 717), as they lived and with a
third of meals and a fifth of boluses off the record: filter alone 19.1, 31.3 and 47.8 mg/dL, body
alone 16.1, 26.3 and 41.6, together 15.7, 25.9 and 41.0, with no difference of 0.2 between spreads
of 0.2 and 5 or between starts from halves and from the body alone."""

FEWEST_LESSONS = 24
REFINEMENTS = 3

_AHEAD_ROWS = np.array(HORIZONS_MIN) // STEP_MIN


@dataclass(frozen=True)
class Lessons:
    """Forecasts made at `rows` (N,): of filter and body, and what was read, less the last reading.

    `off_last_mg_dl` (N, H, 2) and `read_mg_dl` (N, H), NaN where unknown or not yet read.
    """

    rows: IntArray = field(repr=False)
    off_last_mg_dl: FloatArray = field(repr=False)
    read_mg_dl: FloatArray = field(repr=False)

    @classmethod
    def of(
        cls, seen: Followed, body_mg_dl: FloatArray, glucose_mg_dl: FloatArray, first_row: int = 0
    ) -> "Lessons":
        """Of one record (n,) that begins at `first_row` of the person's; the body's (n, H)."""
        rows = np.flatnonzero(np.isfinite(seen.mean_mg_dl[:, 0]))
        last = glucose_mg_dl[rows, None]
        filtered = seen.mean_mg_dl[rows] - last
        bodily = body_mg_dl[rows] - last
        both = np.stack([filtered, np.where(np.isfinite(bodily), bodily, filtered)], axis=2)
        later = rows[:, None] + _AHEAD_ROWS
        padded = np.append(glucose_mg_dl, np.full(_AHEAD_ROWS[-1], np.nan))
        return cls(rows + first_row, both, padded[later] - last)

    def __add__(self, other: "Lessons") -> "Lessons":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Lessons(*(np.concatenate(pair) for pair in pairs))


def blended(
    seen: Followed,
    body_mg_dl: FloatArray,
    glucose_mg_dl: FloatArray,
    day: IntArray,
    before: Lessons,
) -> Followed:
    """The same record with the blend's forecasts and intervals in the filter's place.

    `day` (n,) is the local day of each row; `before` what was said of earlier days. What is said
    on a day has learned from forecasts whose reading lay before that day.
    """
    own = Lessons.of(seen, body_mg_dl, glucose_mg_dl)
    lessons = before + own
    mean, reach = np.full_like(seen.mean_mg_dl, np.nan), np.full_like(seen.mean_mg_dl, np.nan)
    for today in np.unique(day[own.rows]):
        first = int(np.flatnonzero(day == today)[0])
        now = day[own.rows] == today
        rows = own.rows[now]
        for place, ahead in enumerate(_AHEAD_ROWS):
            weights, half_width = _learned(lessons, place, first - int(ahead) - 1)
            mean[rows, place] = glucose_mg_dl[rows] + own.off_last_mg_dl[now, place] @ weights
            reach[rows, place] = half_width
    mean = np.maximum(mean, GLUCOSE_FLOOR_MG_DL)
    filters = (seen.high_mg_dl - seen.low_mg_dl) / 2.0
    reach = np.where(np.isfinite(reach), reach, filters)
    return replace(seen, mean_mg_dl=mean, low_mg_dl=mean - reach, high_mg_dl=mean + reach)


def _learned(lessons: Lessons, place: int, last_row: int) -> tuple[FloatArray, float]:
    """Weights (2,) and half width from lessons up to `last_row`; NaN width with too few.

    Errors so many rows ahead share what happens in them: where forecasts are nearer each other
    than that, they count for as many as there are such stretches.
    """
    x, y = lessons.off_last_mg_dl[:, place], lessons.read_mg_dl[:, place]
    known = (lessons.rows <= last_row) & np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(y) < FEWEST_LESSONS:
        return HALVES, float("nan")
    stretches = len(np.unique(lessons.rows[known] // _AHEAD_ROWS[place]))
    gram, moment = x.T @ x / len(y), x.T @ (y - x @ HALVES) / len(y)
    change = np.zeros(2)
    for _ in range(REFINEMENTS):
        variance = float(np.mean((y - x @ (HALVES + change)) ** 2)) + 1e-9
        precision = stretches * gram / variance + np.eye(2) / WEIGHT_SD**2
        change = np.linalg.solve(precision, stretches * moment / variance)
    weights = HALVES + change
    share = min(COVERAGE * (1.0 + 1.0 / stretches), 1.0)
    return weights, float(np.quantile(np.abs(y - x @ weights), share))
