"""How good a twin is on days that it has not seen: forecasts, intervals, residuals, by horizon.

The record is cut at a local midnight. A twin is calibrated on what lies before and judged on what
lies after. From each origin with a reading y_o, k rows ahead, the doses and meals that were then
recorded being known,

    forecast_k = path_{o+k} + phi^k (y_o - path_o),

path is the open-loop replay of the best head. The interval is that of the same for heads drawn from
models/ensemble.py, with the autoregressive residual's own doubt,
N(0, sd^2 (1 - phi^2k) / (1 - phi^2)), added to each.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtri

from models.calibration import SETTLE_ROWS, Calibration, calibrate
from models.ensemble import posterior
from models.heads import BOOK_PRIOR, HeadPrior
from models.inputs import Inputs, known_rows, physiology_inputs
from models.openloop import open_loop
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEP_MIN, STEPS_PER_DAY, BoolArray, FloatArray, IntArray, Trace

HORIZONS_MIN = (30, 60, 120, 240, 24 * 60, 72 * 60)
"""Up to 4 h the reading at the horizon is judged, from 24 h on every reading within it, as a
course of a day says more than its last five minutes."""

WHOLE_COURSE_MIN = 24 * 60
HELD_OUT_SHARE, MOST_HELD_OUT_DAYS = 0.25, 14
FEWEST_READINGS_A_DAY = 0.5
DRAWS, SEED = 100, 0
COVERAGE = 0.8
SETTLING_DAYS = 2
CHUNK = 10
"""Heads replayed at once: all states of a hundred would not fit a small machine."""

LAGS_MIN = (15, 30, 60, 120, 240)


class QualityError(ValueError):
    """A record from which no judgement can be made."""


@dataclass(frozen=True)
class Score:
    """Errors over `count` forecast readings from `origins` moments; MARD in per cent of a reading.

    `mard_pct` and `rmse_mg_dl` are by model: `twin`, `persistence` (the last reading held) and
    `mean` (of the training readings).
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
class Replay:
    """The held-out days: readings (n,), the best head's path (n,), drawn paths (B, n)."""

    first_row: int
    readings_mg_dl: FloatArray = field(repr=False)
    usable: BoolArray = field(repr=False)
    local_hour: FloatArray = field(repr=False)
    path_mg_dl: FloatArray = field(repr=False)
    draws_mg_dl: FloatArray = field(repr=False)
    phi: float
    sd_mg_dl: float
    usual_mg_dl: float


def cut_row(trace: Trace) -> int:
    """The row of the local midnight from which on days are held out.

    They are the last quarter of the days that can be judged, at most 14. Raises QualityError where
    fewer than 2 days can be.
    """
    first, days = _judged_days(trace)
    if len(days) < 2:
        raise QualityError(
            f"{trace.patient} has {len(days)} days that a twin can be judged by; expected at least "
            "2, one to calibrate and one to judge. No card was made. Wait for more days."
        )
    held_out = min(max(round(HELD_OUT_SHARE * len(days)), 1), MOST_HELD_OUT_DAYS)
    return int(first[days[-held_out]])


def trained(trace: Trace, prior: HeadPrior = BOOK_PRIOR) -> Calibration:
    """The calibration of what lies before `cut_row`: a function of those rows alone."""
    return calibrate([trace.rows(0, cut_row(trace))], prior)[0]


def replay_held_out(trace: Trace, calibration: Calibration) -> Replay:
    """The held-out days as the calibrated twin and its ensemble replay them."""
    cut, head = cut_row(trace), calibration.head
    inputs = physiology_inputs(trace, head.background)
    if not head.identified:
        inputs = replace(inputs.at_rest(), known=np.ones(len(trace), dtype=bool))
    start = max(cut - SETTLING_DAYS * STEPS_PER_DAY, 0)
    shown = inputs.take(np.arange(start, len(trace)))
    readings = trace["glucose_mg_dl"]
    thetas = np.vstack([head.theta, posterior(calibration, DRAWS, SEED)])
    paths = _paths(thetas, shown, _first(readings[start:]))[:, cut - start :]
    return Replay(
        first_row=cut,
        readings_mg_dl=readings[cut:],
        usable=_settled(inputs.known)[cut:],
        local_hour=trace.local_hour[cut:],
        path_mg_dl=paths[0],
        draws_mg_dl=paths[1:],
        phi=head.residual_phi,
        sd_mg_dl=head.residual_sd_mg_dl,
        usual_mg_dl=float(np.nanmean(readings[:cut])),
    )


def scores(replay: Replay) -> tuple[Score, ...]:
    """One score for each horizon that the held-out days reach, in the order of HORIZONS_MIN."""
    found = ((horizon, *pairs(replay, horizon)) for horizon in HORIZONS_MIN)
    return tuple(_score(replay, h, origin, target) for h, origin, target in found if len(origin))


def pairs(replay: Replay, horizon_min: int) -> tuple[IntArray, IntArray]:
    """Rows of origins and of the readings judged from them, (N,) each.

    Doses and meals are known from 4 h before the origin to the reading. Courses of a day and more
    begin at the reading of a local midnight.
    """
    known = np.concatenate([[0], np.cumsum(~replay.usable)])
    read = np.flatnonzero(np.isfinite(replay.readings_mg_dl))
    ahead = horizon_min // STEP_MIN
    origins = read[read + ahead < len(replay.usable)]
    if horizon_min < WHOLE_COURSE_MIN:
        target = origins + ahead
    else:
        origins = origins[replay.local_hour[origins] < 0.25]
        origins = origins[np.diff(origins, prepend=-STEPS_PER_DAY) > STEPS_PER_DAY // 2]
        origins = origins[known[origins + ahead + 1] == known[origins]]
        steps = np.arange(1, ahead + 1)
        target = (origins[:, None] + steps).ravel()
        origins = np.repeat(origins, ahead)
    judged = np.isfinite(replay.readings_mg_dl[target])
    judged &= known[target + 1] == known[origins]
    return origins[judged], target[judged]


def forecast(replay: Replay, origin: IntArray, target: IntArray) -> FloatArray:
    """What the twin expects at `target` rows from `origin` rows, mg/dL (N,)."""
    fading = replay.phi ** (target - origin)
    miss = replay.readings_mg_dl[origin] - replay.path_mg_dl[origin]
    expected: FloatArray = replay.path_mg_dl[target] + fading * miss
    return expected


def interval(replay: Replay, origin: IntArray, target: IntArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the 80 % interval of `forecast`, mg/dL (N,) each."""
    fading = replay.phi ** (target - origin)
    paths = replay.draws_mg_dl
    doubt = replay.sd_mg_dl * np.sqrt((1.0 - fading**2) / (1.0 - replay.phi**2))
    drawn = paths[:, target] + fading * (replay.readings_mg_dl[origin] - paths[:, origin])
    drawn += _normal(len(paths))[:, None] * doubt
    ends = np.quantile(drawn, [0.5 - COVERAGE / 2, 0.5 + COVERAGE / 2], axis=0)
    low, high = np.maximum(ends, GLUCOSE_FLOOR_MG_DL)
    return low, high


def course(replay: Replay, origin: int, rows: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecast and both ends of its interval for so many rows after `origin`, mg/dL."""
    target = np.arange(origin + 1, origin + 1 + rows)
    origins = np.full(rows, origin)
    low, high = interval(replay, origins, target)
    return forecast(replay, origins, target), low, high


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


def judged_days(trace: Trace) -> int:
    """Days with half of their readings and, where the patient has such days, known treatment."""
    return len(_judged_days(trace)[1])


def _judged_days(trace: Trace) -> tuple[IntArray, IntArray]:
    """The first row of each local day, and the places of the days that can be judged."""
    _, first, day = np.unique(trace.local_day, return_index=True, return_inverse=True)
    known = known_rows(trace)
    counted = np.isfinite(trace["glucose_mg_dl"]) & (known | (not known.any()))
    least = FEWEST_READINGS_A_DAY * STEPS_PER_DAY * STEP_MIN / trace.sensor_period_min
    return first, np.flatnonzero(np.bincount(day, weights=counted) >= least)


def _score(replay: Replay, horizon_min: int, origin: IntArray, target: IntArray) -> Score:
    measured = replay.readings_mg_dl[target]
    expected = {
        "twin": forecast(replay, origin, target),
        "persistence": replay.readings_mg_dl[origin],
        "mean": np.full(len(target), replay.usual_mg_dl),
    }
    low, high = interval(replay, origin, target)
    errors = {name: guess - measured for name, guess in expected.items()}
    return Score(
        horizon_min=horizon_min,
        origins=len(np.unique(origin)),
        count=len(target),
        mard_pct={k: 100.0 * float(np.mean(np.abs(e) / measured)) for k, e in errors.items()},
        rmse_mg_dl={k: float(np.sqrt(np.mean(e**2))) for k, e in errors.items()},
        coverage_pct=100.0 * float(np.mean((low <= measured) & (measured <= high))),
    )


def _paths(thetas: FloatArray, inputs: Inputs, start_mg_dl: float) -> FloatArray:
    parts = [
        open_loop(thetas[i : i + CHUNK], inputs, start_mg_dl).interstitial_mg_dl.copy()
        for i in range(0, len(thetas), CHUNK)
    ]
    return np.vstack(parts)


def _first(readings: FloatArray) -> float:
    return float(readings[np.isfinite(readings)][0])


def _settled(known: BoolArray) -> BoolArray:
    """Known, and for 4 h before, as in calibration; the start of the record counts as settled."""
    unknown = np.concatenate([[0], np.cumsum(~known)])
    since = np.maximum(np.arange(len(known)) - SETTLE_ROWS, 0)
    settled: BoolArray = unknown[1:] == unknown[since]
    return settled


def _normal(count: int) -> FloatArray:
    """One standard normal number for each head, evenly spread and in no order."""
    places = np.random.default_rng(SEED).permutation(count)
    numbers: FloatArray = ndtri((places + 0.5) / count)
    return numbers


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
