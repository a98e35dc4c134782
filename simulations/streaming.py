"""Followed for weeks: how well a filter forecasts, and how soon it notices that a patient changed.

Drawn people of the UVA/Padova worlds live for weeks; a twin of their first 14 days follows them
reading by reading. On one day something may change: insulin does 30 % less (illness, weight), the
pump gives half of what it says, or the sensor reads 25 mg/dL too high. The filter is not told. The
filter alone, with one twin, is judged beside what `insula twin follow` ships: the twin refitted
each night and the filter blended with the shared body.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from client.twin_following import FollowedDay, FollowedPatient, follow_patient
from models.calibration import Calibration, calibrate
from models.drift import Alarm, alarm, daily_off_mg_dl
from models.ensemble import posterior
from models.following import CHOOSING_DAYS, Followed, best_drift, follow
from models.meal_delay import inputs_of
from models.rollout import HORIZONS_MIN
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, Trace
from simulations.effects_people import Doses, Subject, drawn_subject
from simulations.padova_world import World
from study.public_start import read_public_start

TRAINING_DAYS = 14
CHANGE_DAY = 24
MEMBERS = 48
LESS_INSULIN_ACTION = 0.7
PUMP_GIVES = 0.5
SENSOR_ADDS_MG_DL = 25.0


class Fault(StrEnum):
    """What changes from midnight of day 24 on."""

    NONE = "nothing"
    RESISTANCE = "insulin does 30 % less"
    PUMP = "the pump gives half"
    SENSOR = "the sensor adds 25 mg/dL"


@dataclass(frozen=True)
class Judgement:
    """A filter's forecasts: errors (W, H) mg/dL beside persistence's, share within 80 %, (W, H).

    `squared_surprise` is the mean square of standardised innovations: 1 for an honest filter.
    """

    errors_mg_dl: FloatArray = field(repr=False)
    persistence_mg_dl: FloatArray = field(repr=False)
    covered: FloatArray = field(repr=False)
    squared_surprise: float


@dataclass(frozen=True)
class Case:
    """One person with one change or none: the alarm, and how following did without the change.

    `judgement` is of the filter alone, `shipped` of what `insula twin follow` says, over all days.
    """

    fault: Fault
    alarm: Alarm | None
    watched_days: int
    judgement: Judgement = field(repr=False)
    shipped: FollowedDay = field(repr=False)

    @property
    def delay_days(self) -> int | None:
        """Days from the change to the alarm, 1 on the first day; None without one after it."""
        if self.alarm is None or self.alarm.day < CHANGE_DAY:
            return None
        return self.alarm.day - CHANGE_DAY + 1

    @property
    def false_alarm(self) -> bool:
        """Whether it rang although nothing had changed yet."""
        if self.alarm is None:
            return False
        return self.fault is Fault.NONE or self.alarm.day < CHANGE_DAY


@dataclass(frozen=True)
class Walk:
    """Who is followed: drawn people of a group and world, for so many days."""

    group: str
    world: World
    seed: int
    days: int = 38


def followed(walk: Walk, number: int) -> list[Case]:
    """One person of a walk: followed over the days as they were, the alarm under every fault."""
    subject = drawn_subject(walk.group, number, walk.world, walk.seed, walk.days)
    twin = calibrate(
        [subject.trace().rows(0, TRAINING_DAYS * STEPS_PER_DAY)], knowledge=[subject.knowledge]
    )[0]
    first = TRAINING_DAYS * STEPS_PER_DAY
    lately = subject.trace().rows(first - CHOOSING_DAYS * STEPS_PER_DAY, first)
    later = subject.trace().rows(first, len(subject.trace()))
    judgement = judged(later, following(lately, later, twin, number))
    shipped = as_shipped(subject.trace(), walk.days).whole
    return [_case(judgement, shipped, changed(subject, fault), twin, fault) for fault in Fault]


def as_shipped(record: Trace, days: int) -> FollowedPatient:
    """The later days as a clinic's command follows them: no factors on file, no setting of ours."""
    body = read_public_start().weights
    return follow_patient(record, body, TRAINING_DAYS, days - TRAINING_DAYS)


def following(lately: Trace, later: Trace, twin: Calibration, seed: int) -> Followed:
    """The later days followed by draws of a twin, with the settings that served the days before."""
    heads = posterior(twin, MEMBERS, seed)
    before, after = (inputs_of(one, twin.head, causal=True) for one in (lately, later))
    drift = best_drift(heads, before, lately["glucose_mg_dl"], seed)
    return follow(heads, after, later["glucose_mg_dl"], seed, drift)


def _case(
    judgement: Judgement, shipped: FollowedDay, trace: Trace, twin: Calibration, fault: Fault
) -> Case:
    off = daily_off_mg_dl(trace, twin)
    return Case(fault, alarm(off, TRAINING_DAYS), len(off) - TRAINING_DAYS, judgement, shipped)


def changed(subject: Subject, fault: Fault) -> Trace:
    """The record as it would read had this happened; food stays as it was, doses as recorded."""
    trace = subject.trace()
    minute, row = CHANGE_DAY * 24 * 60, CHANGE_DAY * STEPS_PER_DAY
    glucose = trace["glucose_mg_dl"].copy()
    if fault is Fault.SENSOR:
        glucose[row:] += SENSOR_ADDS_MG_DL
    elif fault is Fault.RESISTANCE:
        sensitivity = subject.conditions.sensitivity.copy()
        sensitivity[minute:] *= LESS_INSULIN_ACTION
        ill = replace(subject, conditions=subject.conditions._replace(sensitivity=sensitivity))
        glucose += _lived_difference(subject, ill, subject.doses)
    elif fault is Fault.PUMP:
        basal = subject.life.basal_u_per_h.copy()
        basal[row:] *= PUMP_GIVES
        glucose += _lived_difference(subject, subject, Doses(basal, subject.life.bolus_u))
    columns = {name: trace[name] for name in trace.columns} | {"glucose_mg_dl": glucose}
    return replace(trace, columns=columns)


def _lived_difference(usual: Subject, other: Subject, doses: Doses) -> FloatArray:
    return other.lived(doses) - usual.lived(usual.doses)


def judged(trace: Trace, seen: Followed) -> Judgement:
    """Forecasts against what the sensor read, over all days."""
    glucose = trace["glucose_mg_dl"]
    origins = np.flatnonzero(np.isfinite(seen.mean_mg_dl[:, 0]))
    later = origins[:, None] + np.array(HORIZONS_MIN) // STEP_MIN
    inside = later[:, -1] < len(glucose)
    origins, later = origins[inside], later[inside]
    read = glucose[later]
    within = (seen.low_mg_dl[origins] <= read) & (read <= seen.high_mg_dl[origins])
    return Judgement(
        errors_mg_dl=seen.mean_mg_dl[origins] - read,
        persistence_mg_dl=glucose[origins][:, None] - read,
        covered=np.where(np.isfinite(read), within, np.nan),
        squared_surprise=float(np.nanmean(seen.standardised**2)),
    )
