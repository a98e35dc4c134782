"""A scenario tried on one patient's twin: on recorded days, in every twin that fits the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from client.known_twin import KnownTwin, known_twin, refusal
from client.own_effects import as_plain, effects_of, own_effects
from client.twin_question import UNIX_EPOCH_DAY, local_time, well_recorded_rows
from models.calibration import Calibration
from models.habit import habitual_ground
from models.heads import BOOK_PRIOR, HeadPrior
from models.life_events import Event
from models.outcome import COVERAGE, MEASURES, Outcome, outcomes, over_days
from models.own_effect import NOT_LEARNED, OwnEffects
from models.sandbox import AS_RECORDED, Asked, Ground, ground_of, lived
from models.scenario import Scenario, ScenarioError
from models.trace import STEP_MIN, FloatArray, Trace

DAYS = 7
ASKED = Asked(draws=32)
BLOCK_H = 3
"""The day is told in stretches of so many hours."""


@dataclass(frozen=True)
class Curves:
    """Glucose of one stretch, (n,) each: as recorded, and the middle and ends of what was tried."""

    start_local: datetime
    recorded_mg_dl: FloatArray = field(repr=False)
    middle_mg_dl: FloatArray = field(repr=False)
    low_mg_dl: FloatArray = field(repr=False)
    high_mg_dl: FloatArray = field(repr=False)
    measured_mg_dl: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Trial:
    """What a scenario changed, over `starts` (local midnights); `by_hour_mg_dl` is (24 / BLOCK_H,).

    `drawn` days are drawn from habits: nothing of them was recorded but where the twins began.

    `verdict` and `cautions` are the quality card's, as `insula twin compare` gives them.
    """

    patient: str
    scenario: Scenario
    starts: tuple[datetime, ...]
    draws: int
    outcome: Outcome
    by_hour_mg_dl: tuple[float, ...]
    curves: Curves
    calibration: Calibration = field(repr=False)
    verdict: str
    cautions: tuple[str, ...]
    own: OwnEffects = NOT_LEARNED
    drawn: bool = False


@dataclass(frozen=True)
class Recorded:
    """Stretches of a record under the draws of its twin: the ground of any scenario so long.

    `grounds` one a stretch; `paths_mg_dl` (1, D, n) each, glucose as it was recorded.
    """

    twin: KnownTwin
    hours: int
    grounds: tuple[Ground, ...] = field(repr=False)
    paths_mg_dl: tuple[FloatArray, ...] = field(repr=False)


def try_out(
    trace: Trace,
    scenario: Scenario,
    prior: HeadPrior = BOOK_PRIOR,
    day: date | None = None,
    asked: Asked = ASKED,
    events: Sequence[Event] = (),
    drawn: bool = False,
) -> Trial:
    """The scenario on the hours from `day`, or on the latest such; a Failure where it cannot be.

    `events` of the record teach how strongly the scenario's life acts in this patient. `drawn` days
    come from the patient's habits instead.
    """
    if not drawn:
        start_rows(trace, scenario.hours, day)
    twin = known_twin(trace, prior)
    own = own_effects(twin, events, scenario.life, prior)
    known = replace(asked, effects=own.belief)
    ground = (
        drawn_from_habits(twin, scenario.hours, known)
        if drawn
        else recorded(twin, scenario.hours, day, known)
    )
    return replace(try_on(ground, scenario), own=own, drawn=drawn)


def drawn_from_habits(twin: KnownTwin, hours: int, asked: Asked = ASKED) -> Recorded:
    """As many stretches drawn from the patient's habits; a Failure where the record has too few."""
    try:
        grounds = tuple(
            habitual_ground(twin.trace, twin.calibration, hours, asked, number)
            for number in range(DAYS)
        )
        paths = tuple(lived(one, [replace(AS_RECORDED, hours=hours)]) for one in grounds)
    except ScenarioError as error:
        raise refusal(str(error)) from error
    return Recorded(twin, hours, grounds, paths)


def recorded(
    twin: KnownTwin, hours: int, day: date | None = None, asked: Asked = ASKED
) -> Recorded:
    """The latest stretches of so many hours, or that of `day`; a Failure where there is none."""
    rows = start_rows(twin.trace, hours, day)
    try:
        grounds = [ground_of(twin.trace, twin.calibration, row, hours, asked) for row in rows]
        paths = [lived(ground, [replace(AS_RECORDED, hours=hours)]) for ground in grounds]
    except ScenarioError as error:
        raise refusal(str(error)) from error
    return Recorded(twin, hours, tuple(grounds), tuple(paths))


def try_on(ground: Recorded, scenario: Scenario) -> Trial:
    """The scenario on these stretches; a Failure where they cannot bear it."""
    try:
        tried = [lived(one, [scenario]) for one in ground.grounds]
    except ScenarioError as error:
        raise refusal(str(error)) from error
    before, after, twin = over_days(ground.paths_mg_dl)[0], over_days(tried), ground.twin
    return Trial(
        patient=twin.trace.patient,
        scenario=scenario,
        starts=tuple(local_time(twin.trace, one.start_row) for one in ground.grounds),
        draws=len(before),
        outcome=outcomes(before, after)[0],
        by_hour_mg_dl=_by_hour(ground, after[0] - before),
        curves=_curves(ground, tried[-1][0]),
        calibration=twin.calibration,
        verdict=twin.judgement.verdict,
        cautions=twin.judgement.cautions,
    )


def start_rows(trace: Trace, hours: int, day: date | None) -> list[int]:
    """Midnights before well-recorded hours: that of `day`, or the latest that do not overlap."""
    candidates = well_recorded_rows(trace, hours)
    if day is not None:
        wanted = day.toordinal() - UNIX_EPOCH_DAY
        candidates = [row for row in candidates if int(trace.local_day[row]) == wanted]
    chosen: list[int] = []
    for row in reversed(candidates):
        if not chosen or row + hours * 60 // STEP_MIN <= chosen[0]:
            chosen.insert(0, row)
    if not chosen:
        when = "any day" if day is None else f"{day}"
        raise refusal(f"no {hours} well-recorded hours of {trace.patient} from midnight of {when}")
    return chosen[-DAYS:]


def as_dict(trial: Trial) -> dict[str, object]:
    """The trial as plain values; every number of a sentence about it is one of these."""
    outcome, curves = trial.outcome, trial.curves
    return {
        "patient": trial.patient,
        "scenario": trial.scenario.name,
        "hours": trial.scenario.hours,
        "starts_local": [start.isoformat() for start in trial.starts],
        "days": len(trial.starts),
        "draws": trial.draws,
        "drawn_from_habits": trial.drawn,
        **as_plain_outcome(outcome),
        "by_hour": [
            {"from": BLOCK_H * n, "to": BLOCK_H * (n + 1), "change_mg_dl": change}
            for n, change in enumerate(trial.by_hour_mg_dl)
        ],
        "own_effects": as_plain(trial.own) if trial.own.learned else [],
        "own_events": _own_events(trial),
        "parameters": trial.calibration.head.values,
        "flags": list(trial.calibration.flags),
        "verdict": trial.verdict,
        "cautions": list(trial.cautions),
        "curves": {
            "start_local": curves.start_local.isoformat(),
            "recorded_mg_dl": curves.recorded_mg_dl.round(1).tolist(),
            "middle_mg_dl": curves.middle_mg_dl.round(1).tolist(),
            "low_mg_dl": curves.low_mg_dl.round(1).tolist(),
            "high_mg_dl": curves.high_mg_dl.round(1).tolist(),
        },
    }


def _own_events(trial: Trial) -> int:
    """Recorded events that taught the effects of this scenario's life, the most of any of them."""
    wanted = {effect.name for effect in effects_of(trial.scenario.life)}
    return max((trial.own.events[name] for name in wanted & {*trial.own.learned}), default=0)


def as_plain_outcome(outcome: Outcome) -> dict[str, object]:
    """Each measure before and after, its change and interval, and the odds."""
    return {
        "interval_pct": round(100 * COVERAGE),
        "measures": {
            name: {
                "unit": unit,
                "before": outcome.before[name],
                "after": outcome.after[name],
                "change": outcome.shifts[name].middle,
                "low": outcome.shifts[name].low,
                "high": outcome.shifts[name].high,
            }
            for name, unit in MEASURES.items()
        },
        "helps_pct": 100.0 * outcome.helps,
        "more_lows_pct": 100.0 * outcome.more_lows,
    }


def _by_hour(recorded: Recorded, change_mg_dl: FloatArray) -> tuple[float, ...]:
    """Median over draws of the mean change (D, N) in each stretch of the local day."""
    block = np.concatenate([one.doses.local_hour for one in recorded.grounds]) // BLOCK_H
    return tuple(
        float(np.median(change_mg_dl[:, block == n].mean(axis=1))) for n in range(24 // BLOCK_H)
    )


def _curves(recorded: Recorded, tried_mg_dl: FloatArray) -> Curves:
    """The latest stretch: medians over draws, and the ends of what was tried (D, n)."""
    ground = recorded.grounds[-1]
    ends = [0.5 - COVERAGE / 2, 0.5, 0.5 + COVERAGE / 2]
    low, middle, high = np.quantile(tried_mg_dl, ends, axis=0)
    return Curves(
        start_local=local_time(recorded.twin.trace, ground.start_row),
        recorded_mg_dl=np.median(recorded.paths_mg_dl[-1][0], axis=0),
        middle_mg_dl=middle,
        low_mg_dl=low,
        high_mg_dl=high,
        measured_mg_dl=ground.measured_mg_dl,
    )
