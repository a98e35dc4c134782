"""How good a twin is on days that it has not seen: forecasts, intervals, residuals, by horizon.

A twin is calibrated before the cut of models/replay.py and judged after it. From each origin with a
reading, the doses and meals that were then recorded being known, models/output_statistics.py says
what to expect and how far off it may be, from what it learned before the cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models import output_statistics
from models.calibration import Calibration
from models.heads import BOOK_PRIOR, HeadPrior
from models.output_statistics import OutputStatistics, learned, usual_course
from models.replay import Replay, cut_row, pairs_ahead, replay_halves, replay_held_out
from models.sharing import WeightArray
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

HORIZONS_MIN = (30, 60, 120, 240, 24 * 60, 72 * 60)
"""Up to 4 h the reading at the horizon is judged, from 24 h on every reading within it, as a
course of a day says more than its last five minutes."""

WHOLE_COURSE_MIN = 24 * 60
LAGS_MIN = (15, 30, 60, 120, 240)


@dataclass(frozen=True)
class Score:
    """Errors over `count` forecast readings from `origins` moments; MARD in per cent of a reading.

    `mard_pct` and `rmse_mg_dl` are by model: `twin`, `open_loop` (the twin as it is, nothing
    learned of it), `persistence` (the last reading held) and `mean` (of the training readings).
    """

    horizon_min: int
    origins: int
    count: int
    mard_pct: dict[str, float]
    rmse_mg_dl: dict[str, float]
    coverage_pct: float


@dataclass(frozen=True)
class Residuals:
    """What open-loop replay leaves on the held-out days.

    Autocorrelation by lag (minutes) of the residuals, and at 1 row of their innovations, which is
    near 0 where AR(1) describes them; bias is reading minus replay by hour of the local day (24,).
    """

    autocorrelation: dict[int, float]
    innovations_autocorrelation: float
    bias_by_hour_mg_dl: FloatArray = field(repr=False)


@dataclass(frozen=True)
class HeldOut:
    """The held-out days replayed, what was learned before them, and the mean of those readings.

    `own` is what is expected of the twin as it is, with the AR(1) residuals of its own days.
    """

    replay: Replay
    statistics: OutputStatistics = field(repr=False)
    own: OutputStatistics = field(repr=False)
    mean_mg_dl: float

    @property
    def weight(self) -> float:
        """How much of the course that the twin draws a day ahead is believed; 1 is all of it."""
        return float(self.statistics.weights[-1, 0])


def held_out(
    trace: Trace,
    calibration: Calibration,
    prior: HeadPrior = BOOK_PRIOR,
    body: WeightArray | None = None,
) -> HeldOut:
    """The days after the cut by a twin calibrated before it, and by what its halves taught.

    `prior` is that of `calibration`; a `body` is heard as far as the halves say. Raises
    QualityError where fewer than 2 days can be judged.
    """
    return _held_out(trace, calibration, replay_halves(trace, prior, body), body)


def untaught(trace: Trace, calibration: Calibration) -> HeldOut:
    """The same, nothing having been learned of the twin."""
    return _held_out(trace, calibration, [])


def _held_out(
    trace: Trace,
    calibration: Calibration,
    lessons: Sequence[Replay],
    body: WeightArray | None = None,
) -> HeldOut:
    cut, head = cut_row(trace), calibration.head
    readings = trace["glucose_mg_dl"][:cut]
    usual = usual_course(readings, trace.local_hour[:cut])
    own = learned([], usual, head.residual_phi, head.residual_sd_mg_dl)
    return HeldOut(
        replay=replay_held_out(trace, calibration, body),
        statistics=learned(lessons, usual, head.residual_phi, head.residual_sd_mg_dl),
        own=own,
        mean_mg_dl=float(np.nanmean(readings)),
    )


def scores(days: HeldOut) -> tuple[Score, ...]:
    """One score for each horizon that the held-out days reach, in the order of HORIZONS_MIN."""
    found = ((horizon, *pairs(days.replay, horizon)) for horizon in HORIZONS_MIN)
    return tuple(_score(days, h, origin, target) for h, origin, target in found if len(origin))


def pairs(replay: Replay, horizon_min: int) -> tuple[IntArray, IntArray]:
    """Rows of origins and of the readings judged from them, (N,) each.

    Doses and meals are known from 4 h before the origin to the reading. Courses of a day and more
    begin at the reading of a local midnight.
    """
    ahead = horizon_min // STEP_MIN
    if horizon_min < WHOLE_COURSE_MIN:
        return pairs_ahead(replay, ahead)
    known = np.concatenate([[0], np.cumsum(~replay.usable)])
    origins = np.flatnonzero(np.isfinite(replay.readings_mg_dl) & (replay.local_hour < 0.25))
    origins = origins[np.diff(origins, prepend=-STEPS_PER_DAY) > STEPS_PER_DAY // 2]
    origins = origins[origins + ahead < len(replay.usable)]
    origins = origins[known[origins + ahead + 1] == known[origins]]
    target = (origins[:, None] + np.arange(1, ahead + 1)).ravel()
    read = np.isfinite(replay.readings_mg_dl[target])
    return np.repeat(origins, ahead)[read], target[read]


def forecast(days: HeldOut, origin: IntArray, target: IntArray) -> FloatArray:
    """What the twin expects at `target` rows from `origin` rows, mg/dL (N,)."""
    return output_statistics.forecast(days.statistics, days.replay, origin, target)


def interval(days: HeldOut, origin: IntArray, target: IntArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the 80 % interval of `forecast`, mg/dL (N,) each."""
    return output_statistics.interval(days.statistics, days.replay, origin, target)


def course(days: HeldOut, origin: int, rows: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecast and both ends of its interval for so many rows after `origin`, mg/dL."""
    target = np.arange(origin + 1, origin + 1 + rows)
    origins = np.full(rows, origin)
    low, high = interval(days, origins, target)
    return forecast(days, origins, target), low, high


def residuals(replay: Replay) -> Residuals:
    """Diagnostics of readings minus open-loop replay where doses and meals are known."""
    left = np.where(replay.usable, replay.readings_mg_dl - replay.path_mg_dl, np.nan)
    innovations = left[1:] - replay.phi * left[:-1]
    hour = replay.local_hour.astype(int)
    bias = np.array([_mean(left[hour == h]) for h in range(24)])
    return Residuals(
        {lag: _autocorrelation(left, lag // STEP_MIN) for lag in LAGS_MIN},
        _autocorrelation(innovations, 1),
        bias,
    )


def _score(days: HeldOut, horizon_min: int, origin: IntArray, target: IntArray) -> Score:
    readings = days.replay.readings_mg_dl
    measured = readings[target]
    expected = {
        "twin": forecast(days, origin, target),
        "open_loop": output_statistics.forecast(days.own, days.replay, origin, target),
        "persistence": readings[origin],
        "mean": np.full(len(target), days.mean_mg_dl),
    }
    low, high = interval(days, origin, target)
    errors = {name: guess - measured for name, guess in expected.items()}
    return Score(
        horizon_min=horizon_min,
        origins=len(np.unique(origin)),
        count=len(target),
        mard_pct={k: 100.0 * float(np.mean(np.abs(e) / measured)) for k, e in errors.items()},
        rmse_mg_dl={k: float(np.sqrt(np.mean(e**2))) for k, e in errors.items()},
        coverage_pct=100.0 * float(np.mean((low <= measured) & (measured <= high))),
    )


def _autocorrelation(series: FloatArray, lag: int) -> float:
    """Over the pairs that are both known; NaN for fewer than 3 pairs or a constant."""
    a, b = series[:-lag], series[lag:]
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.ptp(a[both]) == 0.0 or np.ptp(b[both]) == 0.0:
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
