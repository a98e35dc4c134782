"""A record gone through day by day, as a clinic would live it: filter, nightly refit, alarm."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from models.bending import bent
from models.blending import Lessons, blended
from models.calibration import Calibration, CalibrationError
from models.delay_fit import calibrate_meals
from models.drift import Alarm, DriftError, alarm, daily_off_mg_dl
from models.ensemble import posterior
from models.filter import FilterError
from models.following import CHOOSING_DAYS, Followed, best_drift, follow
from models.heads import BOOK_PRIOR, Head, HeadPrior
from models.meal_delay import inputs_of
from models.refit import refit
from models.rollout import HORIZONS_MIN
from models.sharing import WeightArray
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace
from study.failure import ExitCode, Failure

MEMBERS = 48
FIRST_DAYS = 14
FEWEST_FIRST_DAYS = 5
DAYS = 14


@dataclass(frozen=True)
class FollowedDay:
    """One local day: RMSE (H,) in mg/dL of filter and persistence, share within 80 % intervals.

    `forecasts` of the day were made and have a reading to be compared with; NaN without any.
    """

    day: int
    forecasts: int
    rmse_mg_dl: FloatArray = field(repr=False)
    persistence_mg_dl: FloatArray = field(repr=False)
    covered_pct: FloatArray = field(repr=False)
    ln_sensitivity: float


@dataclass(frozen=True)
class FollowedPatient:
    """Days after the first ones, the whole of them, the twin of the last night, and an alarm.

    `filter_alone` is the whole without the shared body.
    """

    patient: str
    days: tuple[FollowedDay, ...] = field(repr=False)
    whole: FollowedDay
    filter_alone: FollowedDay
    twin: Calibration = field(repr=False)
    refits: int
    wild_readings: int
    alarm: Alarm | None


def follow_patient(
    record: Trace,
    body: WeightArray,
    first_days: int = FIRST_DAYS,
    days: int = DAYS,
    prior: HeadPrior = BOOK_PRIOR,
) -> FollowedPatient:
    """The first days' twin follows the rest, fitted again each midnight; a Failure if it cannot.

    Of the record its last `first_days` and `days` are used; `body` is the shared body's weights.
    Nothing looks ahead: a midnight's refit sees the day before it, a forecast the readings before.
    """
    trace = record.rows(max(len(record) - (first_days + days) * STEPS_PER_DAY, 0), len(record))
    start = _first_midnight(trace, first_days)
    try:
        (twin,) = calibrate_meals([trace.rows(0, start)], prior)
        nights = _Nights(trace, start, twin, prior)
        inputs = inputs_of(trace, twin.head, causal=True)
        late = trace["glucose_mg_dl"].copy()
        late[:start] = np.nan
        rehearsal = _rehearsed(trace.rows(start - CHOOSING_DAYS * STEPS_PER_DAY, start), twin)
        drift = rehearsal.last.drift
        alone = follow(nights.heads(), inputs, late, 0, drift, renew=nights.renew)
        seen = _with_body(trace, (rehearsal, alone), start, (body, twin.head))
        first = len(np.unique(trace.local_day[:start]))
        rung = alarm(daily_off_mg_dl(trace, twin), first)
    except (CalibrationError, FilterError, DriftError) as error:
        raise _cannot(trace.patient, str(error)) from error
    return FollowedPatient(
        patient=trace.patient,
        days=tuple(_days(trace, seen, start)),
        whole=_judged(trace, seen, np.arange(start, len(trace)), -1),
        filter_alone=_judged(trace, alone, np.arange(start, len(trace)), -1),
        twin=nights.twin,
        refits=nights.count,
        wild_readings=seen.last.wild_readings,
        alarm=rung,
    )


@dataclass
class _Nights:
    """The twin as the nights change it."""

    trace: Trace
    start: int
    twin: Calibration
    prior: HeadPrior
    count: int = 0

    def heads(self) -> FloatArray:
        return posterior(self.twin, MEMBERS, self.count)

    def renew(self, row: int) -> FloatArray | None:
        """New heads at each local midnight after the first."""
        day = self.trace.local_day
        if row <= self.start or day[row] == day[row - 1]:
            return None
        first = int(np.flatnonzero(day == day[row - 1])[0])
        before = self.twin
        self.twin = refit(self.trace.rows(0, row), max(first, self.start), before, self.prior)
        if self.twin is before:
            return None
        self.count += 1
        return self.heads()


def _rehearsed(lately: Trace, twin: Calibration) -> Followed:
    """The last days before the start, by the filter's settings that do best on them."""
    inputs, glucose = inputs_of(lately, twin.head, causal=True), lately["glucose_mg_dl"]
    heads = posterior(twin, MEMBERS, 0)
    return follow(heads, inputs, glucose, 0, best_drift(heads, inputs, glucose, 0))


def _with_body(
    trace: Trace, by_filter: tuple[Followed, Followed], start: int, twin: tuple[WeightArray, Head]
) -> Followed:
    """The filter's forecasts blended with the body's, as the days that are over taught."""
    rehearsal, seen = by_filter
    said = bent(twin[0], trace, twin[1], np.arange(start)).forecast_mg_dl
    glucose, first = trace["glucose_mg_dl"], start - CHOOSING_DAYS * STEPS_PER_DAY
    before = Lessons.of(rehearsal, said[first:start], glucose[first:start], first)
    return blended(seen, said, glucose, trace.local_day, before)


def _first_midnight(trace: Trace, first_days: int) -> int:
    midnights = np.flatnonzero(np.diff(trace.local_day)) + 1
    late = midnights[midnights >= first_days * STEPS_PER_DAY]
    if not len(late):
        raise _cannot(trace.patient, f"a record of {trace.days:.1f} days")
    return int(late[0])


def _days(trace: Trace, seen: Followed, start: int) -> Iterator[FollowedDay]:
    for number, day in enumerate(np.unique(trace.local_day[start:])):
        rows = np.flatnonzero(trace.local_day == day)
        yield _judged(trace, seen, rows[rows >= start], number)


def _judged(trace: Trace, seen: Followed, rows: IntArray, number: int) -> FollowedDay:
    """Forecasts made at these rows against what was read."""
    glucose = trace["glucose_mg_dl"]
    origins = rows[np.isfinite(seen.mean_mg_dl[rows, 0])]
    later = origins[:, None] + np.array(HORIZONS_MIN) // STEP_MIN
    inside = later[:, -1] < len(glucose)
    origins, later = origins[inside], later[inside]
    read = glucose[later]
    low, high = seen.low_mg_dl[origins], seen.high_mg_dl[origins]
    within = np.where(np.isfinite(read), (low <= read) & (read <= high), np.nan)
    known = np.isfinite(seen.ln_sensitivity[rows])
    sensitivity = seen.ln_sensitivity[rows][known]
    return FollowedDay(
        day=number,
        forecasts=int(np.isfinite(read).any(axis=1).sum()),
        rmse_mg_dl=_rms(seen.mean_mg_dl[origins] - read),
        persistence_mg_dl=_rms(glucose[origins][:, None] - read),
        covered_pct=100.0 * _mean(within),
        ln_sensitivity=float(sensitivity.mean()) if len(sensitivity) else float("nan"),
    )


def _rms(errors: FloatArray) -> FloatArray:
    return np.sqrt(_mean(errors**2))


def _mean(values: FloatArray) -> FloatArray:
    """Mean over rows of what is known, (H,); NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean: FloatArray = np.divide(
        total, count, out=np.full(values.shape[1], np.nan), where=count > 0
    )
    return mean


def _cannot(patient: str, found: str) -> Failure:
    return Failure(
        found=f"{patient}: {found}",
        expected="some days to calibrate on, and a week or more of readings after them",
        consequence="Nobody was followed.",
        remedy="wait for more days, or ask for fewer first ones with --first-days",
        code=ExitCode.REFUSED,
    )
