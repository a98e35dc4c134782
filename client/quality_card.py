"""A twin's quality card: what it rests on, how it did on days it had not seen, what it may miss."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from models.calibration import Calibration, CalibrationError
from models.delay_fit import DELAY_NAMES
from models.effect import Estimate
from models.ensemble import posterior
from models.heads import BOOK_PRIOR, PARAMETERS, HeadPrior, physical
from models.inputs import known_rows, product_of
from models.meal_delay import DELAY_SD_MIN, EARLIEST_MIN, LATEST_MIN
from models.output_statistics import COVERAGE
from models.quality import HeldOut, Residuals, Score, held_out, residuals, scores
from models.replay import QualityError, judged_days, trained
from models.trace import STEPS_PER_DAY, Trace
from models.whatif import Regimen, WhatIfError, compare
from study.effect_lessons import EffectLessons, read_lessons
from study.failure import ExitCode, Failure
from study.public_start import read_public_start

ASKED = {
    "basal-20%": Regimen(basal_scale=0.8),
    "basal+20%": Regimen(basal_scale=1.2),
    "bolus-20%": Regimen(bolus_scale=0.8),
    "bolus+20%": Regimen(bolus_scale=1.2),
}
"""The changes whose lessons are shipped and that a twin at a clinic can be asked."""

UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()
DRAWS, SEED = 100, 0
Z_80 = 1.2816
EFFECT_DAYS = (3, 2, 1)
"""Effects are asked over the longest stretch of known days; the lessons are of three."""


@dataclass(frozen=True)
class ParameterRow:
    """One parameter in its own unit, with the ends of its 80 % interval; `flags` in words."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    prior_value: float
    sds_from_prior: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class EffectRow:
    """What a change does to mean glucose by the twin, and by lessons where the truth was known.

    `usual_error_mg_dl` is the median error among the teachers, each estimated without itself.
    """

    change: str
    twin_mg_dl: float
    estimate: Estimate
    usual_error_mg_dl: float


@dataclass(frozen=True)
class Card:
    """Everything the card says, before any verdict; `calibration` is of the training days alone."""

    patient: str
    days: float
    judged_days: int
    held_out_from: date
    meals_missing_pct: float
    long_acting_product: str | None
    product_assumed: bool
    calibration: Calibration = field(repr=False)
    judged: HeldOut = field(repr=False)
    scores: tuple[Score, ...] = field(repr=False)
    residuals: Residuals = field(repr=False)
    parameters: tuple[ParameterRow, ...] = field(repr=False)
    effects: tuple[EffectRow, ...] = field(repr=False)
    teachers: int


def make_card(trace: Trace, prior: HeadPrior = BOOK_PRIOR) -> Card:
    """The card of a twin calibrated on the first days and judged on the last ones, never the same.

    A Failure where the record has fewer than two days that can be judged.
    """
    try:
        calibration = trained(trace, prior)
    except (QualityError, CalibrationError) as error:
        raise _no_card(str(error)) from error
    judged = held_out(trace, calibration, prior, read_public_start().weights)
    first_row = judged.replay.first_row
    lessons = read_lessons()
    given = bool(np.nansum(trace["long_acting_u"]) > 0.0)
    return Card(
        patient=trace.patient,
        days=trace.days,
        judged_days=judged_days(trace),
        held_out_from=date.fromordinal(int(trace.local_day[first_row]) + UNIX_EPOCH_DAY),
        meals_missing_pct=meals_missing_pct(trace),
        long_acting_product=trace.long_acting_product,
        product_assumed=given and product_of(trace.long_acting_product) is None,
        calibration=calibration,
        judged=judged,
        scores=scores(judged),
        residuals=residuals(judged.replay),
        parameters=parameter_rows(calibration, prior) + delay_rows(calibration),
        effects=effect_rows(trace, calibration, first_row, lessons),
        teachers=lessons.teachers,
    )


def parameter_rows(calibration: Calibration, prior: HeadPrior) -> tuple[ParameterRow, ...]:
    """Every parameter, flagged or not, in the order of PARAMETERS."""
    theta = calibration.head.theta
    value, expected = physical(theta), physical(prior.mean)
    drawn = physical(posterior(calibration, DRAWS, SEED))
    low, high = np.quantile(drawn, [0.5 - COVERAGE / 2, 0.5 + COVERAGE / 2], axis=0)
    away = (theta - prior.mean) / prior.sd
    return tuple(
        ParameterRow(
            name=p.name,
            unit=p.unit,
            value=float(value[k]),
            low=float(low[k]),
            high=float(high[k]),
            prior_value=float(expected[k]),
            sds_from_prior=float(away[k]),
            flags=tuple(f for f in calibration.flags if f.split()[0] == p.name),
        )
        for k, p in enumerate(PARAMETERS)
    )


def delay_rows(calibration: Calibration) -> tuple[ParameterRow, ...]:
    """Meals' delays, where this patient's halves asked for any; their prior is N(0, 17 min)."""
    late, spread = calibration.head.meal_delay_min, calibration.delay_sd_min
    if spread is None:
        return ()
    return tuple(
        ParameterRow(
            name=f"delay_{name}",
            unit="min",
            value=float(value),
            low=max(float(value - Z_80 * sd), EARLIEST_MIN),
            high=min(float(value + Z_80 * sd), LATEST_MIN),
            prior_value=0.0,
            sds_from_prior=float(value / DELAY_SD_MIN),
            flags=tuple(f for f in calibration.flags if f.split()[0] == f"delay_{name}"),
        )
        for name, value, sd in zip(DELAY_NAMES, late, spread, strict=True)
    )


def effect_rows(
    trace: Trace, calibration: Calibration, first_row: int, lessons: EffectLessons
) -> tuple[EffectRow, ...]:
    """What ASKED changes would do on the latest known days from `first_row` on; empty if none."""
    start, days = _known_stretch(trace, first_row)
    rows = []
    for change, regimen in ASKED.items():
        try:
            answer = compare(trace, calibration, (Regimen(), regimen), start, 24 * days)
        except WhatIfError:
            continue
        twin = answer.mean_difference_mg_dl
        estimate = lessons.calibrations[change].predict(np.array([twin]), 1 if twin > 0.0 else -1)
        rows.append(EffectRow(change, twin, estimate, lessons.left_out_mg_dl[change]))
    return tuple(rows)


def meals_missing_pct(trace: Trace) -> float:
    """Share of days with readings on which no meal was logged, per cent."""
    _, day = np.unique(trace.local_day, return_inverse=True)
    read = np.bincount(day, weights=np.isfinite(trace["glucose_mg_dl"])) > 0
    eaten = np.bincount(day, weights=np.nan_to_num(trace["carbs_g"])) > 0.0
    return 100.0 * float(1.0 - eaten[read].mean())


def _known_stretch(trace: Trace, first_row: int) -> tuple[int, int]:
    """First row and length in days of the latest stretch with known treatment; (first_row, 0)."""
    unknown = np.concatenate([[0], np.cumsum(~known_rows(trace))])
    for days in EFFECT_DAYS:
        rows = days * STEPS_PER_DAY
        starts = np.arange(first_row, len(trace) - rows + 1)
        whole = starts[unknown[starts + rows] == unknown[starts]]
        if len(whole):
            return int(whole[-1]), days
    return first_row, 0


def _no_card(found: str) -> Failure:
    return Failure(
        found=found,
        expected="a record with days to calibrate on and days to judge by",
        consequence="No quality card was made; the twin has not been judged and must not be used.",
        remedy="import more days, or ask about another patient",
        code=ExitCode.REFUSED,
    )
