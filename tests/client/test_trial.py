from datetime import date

import numpy as np
import pytest

from client.trial import BLOCK_H, Trial, as_dict, start_rows, try_out
from models.movement import Bout, Kind
from models.outcome import MEASURES
from models.sandbox import Asked
from models.scenario import Daily, Life, LongActingChange, Scaled, Scenario, Therapy
from models.trace import STEPS_PER_DAY, Trace
from study.failure import ExitCode, Failure
from tests.client.recorded_person import recorded_person
from tests.models.virtual import columns, trace_of

pytestmark = pytest.mark.slow

MORE_AT_BREAKFAST = Scenario(
    "a stronger breakfast ratio", therapy=Therapy(carb_ratio=(Scaled(0.8, Daily(5.0, 11.0)),))
)
FEW = Asked(draws=8)


@pytest.fixture(scope="module")
def person() -> Trace:
    return recorded_person()


@pytest.fixture(scope="module")
def trial(person: Trace) -> Trial:
    return try_out(person, MORE_AT_BREAKFAST, asked=FEW)


def test_more_insulin_for_breakfast_acts_in_the_morning(trial: Trial) -> None:
    assert trial.outcome.shifts["mean"].high < 0.0
    assert int(np.argmin(trial.by_hour_mg_dl)) * BLOCK_H in (9, 12)
    assert trial.by_hour_mg_dl[0] == pytest.approx(0.0, abs=0.5)


def test_every_recorded_day_is_lived_again(trial: Trial) -> None:
    assert len(trial.starts) == 6
    assert all(start.hour == 0 for start in trial.starts)


def test_plain_values_hold_every_measure_and_agree_with_themselves(trial: Trial) -> None:
    plain = as_dict(trial)
    measures = plain["measures"]
    assert isinstance(measures, dict) and set(measures) == set(MEASURES)
    for one in measures.values():
        assert one["low"] <= one["change"] <= one["high"]
    in_range, low, high = (
        measures[name]["before"] for name in ("time_in_range", "time_below_70", "time_above_180")
    )
    assert in_range + low + high == pytest.approx(100.0, abs=0.5)


def test_the_same_question_has_the_same_answer(person: Trace, trial: Trial) -> None:
    assert as_dict(try_out(person, MORE_AT_BREAKFAST, asked=FEW)) == as_dict(trial)


def test_stretches_do_not_overlap_and_the_latest_come_last(person: Trace) -> None:
    two_days = start_rows(person, 48, None)
    assert np.diff(two_days).tolist() == [2 * STEPS_PER_DAY] * 2
    assert two_days[-1] + 2 * STEPS_PER_DAY == len(person)


def test_one_day_alone(person: Trace) -> None:
    (row,) = start_rows(person, 24, date(2023, 11, 16))
    assert row == 2 * STEPS_PER_DAY


def test_a_day_that_is_not_on_record(person: Trace) -> None:
    with pytest.raises(Failure, match="2024-01-01") as raised:
        start_rows(person, 24, date(2024, 1, 1))
    assert raised.value.code is ExitCode.REFUSED


def test_a_question_that_the_record_cannot_bear(person: Trace) -> None:
    injections = Scenario("s", therapy=Therapy(long_acting=LongActingChange(1.1)))
    with pytest.raises(Failure, match="without an injection of it") as raised:
        try_out(person, injections, asked=FEW)
    assert raised.value.code is ExitCode.REFUSED


def test_somebody_without_treatment_on_record() -> None:
    table = columns(6)
    del table["bolus_u"], table["carbs_g"]
    with pytest.raises(Failure, match="no 24 well-recorded hours"):
        try_out(trace_of(table), MORE_AT_BREAKFAST, asked=FEW)


def test_how_strongly_a_person_answers_to_exercise_is_part_of_the_doubt(person: Trace) -> None:
    ride = Scenario("a ride", life=Life(exercise=(Bout(17 * 60, 60, Kind.AEROBIC, 55.0),)))
    shift = try_out(person, ride, asked=FEW).outcome.shifts["mean"]
    assert shift.high < 0.0 and shift.high - shift.low > 2.0
