"""A question to one patient's twin: which hours, what would change, and the answer in words."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from client.card_verdict import judge
from models.calibration import Calibration, CalibrationError
from models.delay_fit import calibrate_meals
from models.glycemia import Glycemia
from models.heads import BOOK_PRIOR, NAMES, HeadPrior, physical
from models.inputs import known_rows
from models.trace import STEP_MIN, Trace
from models.whatif import Comparison, Regimen, WhatIfError, compare
from models.whatif_doubt import Doubt, doubt_of
from study.failure import ExitCode, Failure

HOURS = 24
LEAST_COVERAGE = 0.7
UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()
RECORDED = Regimen()


@dataclass(frozen=True)
class Question:
    """What would change in the 24 h from midnight of `day`, or of the latest well-recorded one."""

    regimen: Regimen
    day: date | None = None

    def __post_init__(self) -> None:
        if self.regimen == RECORDED:
            raise Failure(
                found="a regimen that changes nothing",
                expected="at least one of --basal, --bolus and --carbs",
                consequence="Nothing was compared.",
                remedy="say what should differ, for example --basal +10%",
                code=ExitCode.USAGE,
            )


@dataclass(frozen=True)
class Answer:
    """Both curves of one patient and what they rest on; `comparison.a` is what was recorded.

    `verdict` is the quality card's light in lower case, or `unjudged`; `cautions` are the card's
    warnings as sentences, beside the flags of this `calibration`.
    """

    patient: str
    start_local: datetime
    question: Question
    calibration: Calibration = field(repr=False)
    comparison: Comparison = field(repr=False)
    doubt: Doubt
    verdict: str
    cautions: tuple[str, ...]

    @property
    def sensitivity_ratio(self) -> float:
        """This twin's insulin sensitivity over the middle of the prior's."""
        middle = float(physical(BOOK_PRIOR.mean)[NAMES.index("SI")])
        return self.calibration.head.values["SI"] / middle


def scale_of(change: str) -> float:
    """1.1 of `+10%`, 0.8 of `-20%`: the factor that a change in per cent stands for."""
    match = re.fullmatch(r"([+-]\d+(?:\.\d+)?)\s?%", change.strip())
    scale = 1.0 + float(match[1]) / 100.0 if match else float("nan")
    if not 0.0 <= scale <= 2.0:
        raise Failure(
            found=f"a change of {change!r}",
            expected="a sign, a number and %, between -100% and +100%",
            consequence="Nothing was compared.",
            remedy="write for example +10% or -20%",
            code=ExitCode.USAGE,
        )
    return scale


def ask(trace: Trace, question: Question, prior: HeadPrior = BOOK_PRIOR) -> Answer:
    """The patient's twin calibrated on `trace` and asked; a Failure where it cannot answer."""
    start_row = _start_row(trace, question)
    try:
        (calibration,) = calibrate_meals([trace], prior)
        _require_identified(calibration)
        regimens = (RECORDED, question.regimen)
        comparison = compare(trace, calibration, regimens, start_row, HOURS)
        doubt = doubt_of(trace, calibration, regimens, comparison)
    except (CalibrationError, WhatIfError) as error:
        raise Failure(
            found=str(error),
            expected="a record that carries the answer",
            consequence="The question was not answered.",
            remedy="choose another day or patient; `insula twin list` shows who can be asked",
            code=ExitCode.REFUSED,
        ) from error
    start = local_time(trace, start_row)
    said = judge(trace, prior)
    return Answer(
        trace.patient, start, question, calibration, comparison, doubt, said.verdict, said.cautions
    )


def local_time(trace: Trace, row: int) -> datetime:
    """When a row begins, by the patient's own clock."""
    zone = ZoneInfo(trace.time_zone)
    return datetime.fromtimestamp(int(trace.utc_s[row]), UTC).astimezone(zone)


def well_recorded_rows(trace: Trace, hours: int = HOURS) -> list[int]:
    """Rows of local midnights before hours of known insulin and meals and 70 % of readings."""
    rows = hours * 60 // STEP_MIN
    known = np.concatenate([[0], np.cumsum(known_rows(trace))])
    read = np.concatenate([[0], np.cumsum(np.isfinite(trace["glucose_mg_dl"]))])
    least = LEAST_COVERAGE * hours * 60 / trace.sensor_period_min
    return [
        row
        for row in _midnights(trace)
        if row + rows <= len(trace)
        and known[row + rows] - known[row] == rows
        and read[row + rows] - read[row] >= least
    ]


def in_words(answer: Answer) -> str:
    """What the change does, by how much, and why: two or three sentences."""
    a, b = answer.comparison.a, answer.comparison.b
    before, after = answer.comparison.minutes_below_70
    effects = [
        f"mean glucose {_moves(a.mean_mg_dl, b.mean_mg_dl, 'mg/dL')}",
        f"time in range {_moves(a.in_range_pct, b.in_range_pct, '%')}",
        f"time below 70 mg/dL {_moves(before, after, 'minutes')}",
    ]
    return (
        f"With {_changes(answer.question.regimen)}, over these {HOURS} hours "
        f"{effects[0]}, {effects[1]} and {effects[2]}. {_because(answer)} {_doubted(answer)}"
    )


def _doubted(answer: Answer) -> str:
    mean, in_range = (
        f"{low:+.1f} to {high:+.1f}"
        for low, high in (
            answer.doubt.mean_difference_mg_dl,
            answer.doubt.time_in_range_difference_points,
        )
    )
    return (
        f"Of {answer.doubt.draws} twins that fit the record, 80 % put the change of mean glucose "
        f"at {mean} mg/dL and that of time in range at {in_range} points."
    )


def below_70_pct(summary: Glycemia) -> float:
    """Share of time below 70 mg/dL, per cent."""
    return summary.low_pct + summary.very_low_pct


def _midnights(trace: Trace) -> list[int]:
    return [int(row) for row in np.flatnonzero(trace.local_hour == 0.0)]


def _start_row(trace: Trace, question: Question) -> int:
    candidates = well_recorded_rows(trace)
    if question.day is not None:
        wanted = np.flatnonzero(trace.local_day == question.day.toordinal() - UNIX_EPOCH_DAY)
        candidates = sorted(set(candidates) & set(wanted.tolist()))
    if not candidates:
        raise _not_recorded(trace, question)
    return candidates[-1]


def _not_recorded(trace: Trace, question: Question) -> Failure:
    if not known_rows(trace).any():
        return _no_treatment(trace.patient)
    when = "any day" if question.day is None else f"{question.day}"
    return Failure(
        found=f"no {HOURS} recorded hours of {trace.patient} from midnight of {when}",
        expected=f"insulin, meals and {LEAST_COVERAGE:.0%} of the sensor's readings",
        consequence="The twin was not asked.",
        remedy="choose another --day or another patient",
        code=ExitCode.REFUSED,
    )


def _require_identified(calibration: Calibration) -> None:
    if not calibration.identified:
        raise _no_treatment(calibration.patient)


def _no_treatment(patient: str) -> Failure:
    return Failure(
        found=f"no day of {patient} with both insulin and meals on record",
        expected="a record of insulin and meals beside the sensor",
        consequence="The twin was not asked: from glucose alone, the answer to a change of "
        "treatment would be the population's and not this patient's.",
        remedy="import insulin and meal records, or ask about another patient",
        code=ExitCode.REFUSED,
    )


def _changes(regimen: Regimen) -> str:
    scales = {
        "basal insulin": regimen.basal_scale,
        "bolus insulin": regimen.bolus_scale,
        "carbohydrate": regimen.carbs_scale,
    }
    told = [
        f"{abs(100.0 * (scale - 1.0)):.3g} % {'more' if scale > 1.0 else 'less'} {what}"
        for what, scale in scales.items()
        if scale != 1.0
    ]
    return " and ".join(told)


def _moves(before: float, after: float, unit: str) -> str:
    if round(before) == round(after):
        return f"stays at {before:.0f} {unit}"
    verb = "rises" if after > before else "falls"
    return f"{verb} from {before:.0f} to {after:.0f} {unit}"


def _because(answer: Answer) -> str:
    why = _insulin_acts(answer.question.regimen)
    if carbs := answer.question.regimen.carbs_scale - 1.0:
        why.append(f"{'more' if carbs > 0.0 else 'less'} glucose comes from the gut")
    return (
        f"The reason: {', and '.join(why)}; this twin's insulin sensitivity was fitted at "
        f"{answer.sensitivity_ratio:.2g} times the population's."
    )


def _insulin_acts(regimen: Regimen) -> list[str]:
    signs = {np.sign(scale - 1.0) for scale in (regimen.basal_scale, regimen.bolus_scale)} - {0.0}
    if not signs:
        return []
    if len(signs) > 1:
        return ["the two changes of insulin pull against each other"]
    more, less = ("more", "less") if signs == {1.0} else ("less", "more")
    return [f"with {more} insulin the body takes up {more} glucose and the liver gives out {less}"]
