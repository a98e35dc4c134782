"""Forecasts from half an hour to three days on people's own held-out days, beside what is simpler.

The twin is that of the quality card: calibrated before the cut, told the doses and meals that were
then recorded, with what its halves taught of it there and of the public start's body, in which none
of them was. Ridge and gradient boosting are pooled over
everybody's days before the cut and are told the same: the last reading, the lead time, the hour,
what was usual for this person at that hour, and insulin and meals up to the moment that is judged.
Nothing is chosen on these people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models import output_statistics
from models.calibration import CalibrationError
from models.inputs import known_rows
from models.quality import (
    HORIZONS_MIN,
    WHOLE_COURSE_MIN,
    HeldOut,
    forecast,
    held_out,
    interval,
    pairs,
)
from models.replay import QualityError, cut_row, trained
from models.trace import STEP_MIN, FloatArray, IntArray, Trace
from study.public_start import read_public_start

MODELS = ("twin", "open_loop", "persistence", "mean", "mean_of_hour", "ridge", "boosting")
LESSONS_A_PERSON = 3000
SUMMED_OVER_H = (1, 2, 4, 8)
RIDGE_PENALTY = 1.0


@dataclass(frozen=True)
class Error:
    """One person at one horizon: RMSE mg/dL and MARD per cent of each model, share covered."""

    patient: str
    horizon_min: int
    readings: int
    rmse_mg_dl: Mapping[str, float] = field(repr=False)
    mard_pct: Mapping[str, float] = field(repr=False)
    covered_pct: float


@dataclass(frozen=True)
class LongForecasts:
    """Everybody's errors, who was left out and why.

    `weights` is how much of a person's twin is believed a day ahead.
    """

    errors: tuple[Error, ...] = field(repr=False)
    weights: Mapping[str, float] = field(repr=False)
    left_out: tuple[str, ...]

    def at(self, horizon_min: int) -> list[Error]:
        """The people who could be judged at this horizon."""
        return [one for one in self.errors if one.horizon_min == horizon_min]


@dataclass(frozen=True)
class _Person:
    trace: Trace = field(repr=False)
    cut: int
    judged: HeldOut = field(repr=False)
    features: "_Features" = field(repr=False)


def long_forecasts(traces: Sequence[Trace], seed: int = 0) -> LongForecasts:
    """Errors of every model at every horizon that a person's held-out days reach."""
    people, left_out = [], []
    for trace in traces:
        try:
            people.append(_person(trace))
        except (QualityError, CalibrationError) as error:
            left_out.append(str(error))
    errors = [
        _error(one, horizon, rivals)
        for horizon in HORIZONS_MIN
        for rivals in [_taught(people, horizon, seed)]
        for one in people
        if len(pairs(one.judged.replay, horizon)[0])
    ]
    weights = {one.trace.patient: one.judged.weight for one in people}
    return LongForecasts(tuple(errors), weights, tuple(left_out))


def _person(trace: Trace) -> _Person:
    twin = trained(trace)
    if not twin.identified:
        raise QualityError(
            f"{trace.patient} has no insulin and meals on record before the cut: no open-loop twin "
            "was made, and rivals would be told what the twin is not. The person was left out."
        )
    cut = cut_row(trace)
    return _Person(
        trace,
        cut,
        held_out(trace, twin, body=read_public_start().weights),
        _Features.of(trace, cut),
    )


@dataclass(frozen=True)
class _Features:
    """What rivals are told of a trace, by row."""

    glucose: FloatArray
    hour: FloatArray
    usual: float
    usual_of_hour: FloatArray
    doses: FloatArray

    @classmethod
    def of(cls, trace: Trace, cut: int) -> "_Features":
        glucose = trace["glucose_mg_dl"]
        hour = trace.local_hour
        early = glucose[:cut]
        usual = float(np.nanmean(early))
        whole = hour[:cut].astype(int)
        by_hour = np.array([_mean(early[whole == h], usual) for h in range(24)])
        doses = [
            _summed(np.nan_to_num(trace[name]), hours)
            for name in ("carbs_g", "bolus_u", "basal_u_per_h", "long_acting_u")
            for hours in SUMMED_OVER_H
        ]
        return cls(glucose, hour, usual, by_hour, np.stack(doses, axis=1))

    def at(self, origin: IntArray, target: IntArray) -> FloatArray:
        """(N, F) for forecasts of `target` rows from `origin` rows."""
        hour = self.hour[target]
        phase = 2.0 * np.pi * hour / 24.0
        known = [
            self.glucose[origin],
            (target - origin) / 12.0,
            np.sin(phase),
            np.cos(phase),
            np.full(len(target), self.usual),
            self.usual_of_hour[hour.astype(int)],
        ]
        return np.column_stack([*known, self.doses[target], self.doses[origin]])


def _summed(values: FloatArray, hours: int) -> FloatArray:
    """Sum over the hours up to each row, the row itself left out as in the physiology."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    rows = np.arange(len(values))
    summed: FloatArray = total[rows] - total[np.maximum(rows - hours * 60 // STEP_MIN, 0)]
    return summed


def _mean(values: FloatArray, otherwise: float) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else otherwise


Rivals = Mapping[str, Ridge | HistGradientBoostingRegressor]


def _taught(people: Sequence[_Person], horizon_min: int, seed: int) -> Rivals:
    """Ridge and boosting from everybody's days before the cut."""
    random = np.random.default_rng([seed, horizon_min])
    lessons = [_lessons(one, horizon_min, random) for one in people]
    x = np.concatenate([features for features, _ in lessons])
    y = np.concatenate([readings for _, readings in lessons])
    ridge = make_pipeline(StandardScaler(), Ridge(alpha=RIDGE_PENALTY))
    boosting = HistGradientBoostingRegressor(random_state=seed)
    return {"ridge": ridge.fit(x, y), "boosting": boosting.fit(x, y)}


def _lessons(
    person: _Person, horizon_min: int, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Pairs before the cut with doses known between them, at most so many of a person."""
    glucose, ahead = person.features.glucose, horizon_min // STEP_MIN
    read = np.flatnonzero(np.isfinite(glucose[: person.cut]))
    origin = random.choice(read, LESSONS_A_PERSON)
    whole = horizon_min >= WHOLE_COURSE_MIN
    lead = random.integers(1, ahead + 1, len(origin)) if whole else ahead
    target = origin + lead
    inside = target < person.cut
    origin, target = origin[inside], target[inside]
    unknown = np.concatenate([[0], np.cumsum(~known_rows(person.trace))])
    kept = np.isfinite(glucose[target]) & (unknown[target + 1] == unknown[origin])
    origin, target = origin[kept], target[kept]
    return person.features.at(origin, target), glucose[target]


def _error(person: _Person, horizon_min: int, rivals: Rivals) -> Error:
    replay = person.judged.replay
    origin, target = pairs(replay, horizon_min)
    read = replay.readings_mg_dl[target]
    told = person.features.at(origin + person.cut, target + person.cut)
    said = {
        "twin": forecast(person.judged, origin, target),
        "open_loop": output_statistics.forecast(person.judged.own, replay, origin, target),
        "persistence": replay.readings_mg_dl[origin],
        "mean": np.full(len(read), person.features.usual),
        "mean_of_hour": told[:, 5],
        **{name: model.predict(told) for name, model in rivals.items()},
    }
    low, high = interval(person.judged, origin, target)
    return Error(
        patient=person.trace.patient,
        horizon_min=horizon_min,
        readings=len(read),
        rmse_mg_dl={name: float(np.sqrt(np.mean((s - read) ** 2))) for name, s in said.items()},
        mard_pct={name: float(100 * np.mean(np.abs(s - read) / read)) for name, s in said.items()},
        covered_pct=float(100 * np.mean((low <= read) & (read <= high))),
    )
