"""One question to a twin: signs are the physiology's, words follow numbers, refusals say why."""

from datetime import date

import numpy as np
import pytest

from client.twin_question import (
    Answer,
    Question,
    ask,
    below_70_pct,
    in_words,
    scale_of,
    well_recorded_rows,
)
from models.trace import Trace
from models.whatif import Regimen
from study.failure import ExitCode, Failure
from tests.client.recorded_person import recorded_person

pytestmark = pytest.mark.slow

MORE_BASAL = Question(Regimen(basal_scale=1.1))


@pytest.fixture(scope="module")
def person() -> Trace:
    return recorded_person()


@pytest.fixture(scope="module")
def answer(person: Trace) -> Answer:
    return ask(person, MORE_BASAL)


@pytest.mark.parametrize(
    ("change", "scale"),
    [("+10%", 1.1), ("-20%", 0.8), ("+0%", 1.0), ("-100%", 0.0), (" +12.5 % ", 1.125)],
)
def test_changes_in_per_cent(change: str, scale: float) -> None:
    assert scale_of(change) == pytest.approx(scale)


@pytest.mark.parametrize("change", ["10%", "+10", "ten", "", "+101%", "-101%", "1.1", "--5%"])
def test_a_change_that_is_not_one_is_refused(change: str) -> None:
    """Planted among them: `1.1`, which a looser reading would take for 1.1 per cent."""
    with pytest.raises(Failure, match=r"write for example \+10%") as raised:
        scale_of(change)
    assert raised.value.code is ExitCode.USAGE


def test_a_question_without_a_change_is_refused() -> None:
    with pytest.raises(Failure, match="changes nothing") as raised:
        Question(Regimen())
    assert raised.value.code is ExitCode.USAGE


def test_more_insulin_lowers_and_less_raises(person: Trace, answer: Answer) -> None:
    less = ask(person, Question(Regimen(basal_scale=0.9)))
    assert answer.comparison.mean_difference_mg_dl < -1.0
    assert less.comparison.mean_difference_mg_dl > 1.0


def test_an_answer_has_an_interval_and_says_so(answer: Answer) -> None:
    low, high = answer.doubt.mean_difference_mg_dl
    assert low < answer.comparison.mean_difference_mg_dl < high < 0.0
    words = in_words(answer)
    assert "Of 100 twins that fit the record, 80 % put the change" in words
    assert f"{low:+.1f} to {high:+.1f} mg/dL" in words


def test_an_answer_carries_the_verdict_of_the_card(person: Trace, answer: Answer) -> None:
    """Six days: calibrated on four, which the card warns of; one day cannot be judged at all."""
    assert answer.verdict == "care"
    assert any("Calibrated on 4.0 days" in caution for caution in answer.cautions)
    short = ask(person.rows(0, 288), MORE_BASAL)
    assert short.verdict == "unjudged"
    assert "could not be judged" in short.cautions[0]


def test_a_poor_twin_is_said_to_be_one(person: Trace) -> None:
    """Planted: readings that have nothing to do with the doses and meals of their day."""
    glucose = np.roll(person["glucose_mg_dl"].reshape(6, -1)[[3, 0, 5, 1, 2, 4]], 130, axis=1)
    poor = ask(with_column(person, "glucose_mg_dl", glucose.ravel()), MORE_BASAL)
    assert poor.verdict == "stop"
    assert poor.cautions[0] == "Do not use for what-if."


def test_more_carbohydrate_raises(person: Trace) -> None:
    more = ask(person, Question(Regimen(carbs_scale=1.2)))
    assert more.comparison.mean_difference_mg_dl > 1.0
    assert "more glucose comes from the gut" in in_words(more)


def test_the_latest_recorded_day_is_asked_about(person: Trace, answer: Answer) -> None:
    assert answer.start_local.strftime("%H:%M") == "00:00"
    assert answer.comparison.start_row == well_recorded_rows(person)[-1]
    assert answer.comparison.start_row + 288 <= len(person)


def test_a_day_can_be_chosen(person: Trace) -> None:
    wanted = date(2023, 11, 17)
    chosen = ask(person, Question(Regimen(bolus_scale=1.1), wanted))
    assert chosen.start_local.date() == wanted


def test_a_day_that_was_not_recorded_is_refused(person: Trace) -> None:
    with pytest.raises(Failure, match="from midnight of 2030-01-01") as raised:
        ask(person, Question(Regimen(basal_scale=1.1), date(2030, 1, 1)))
    assert raised.value.code is ExitCode.REFUSED


def test_days_with_unknown_treatment_or_few_readings_are_not_asked_about(person: Trace) -> None:
    days = well_recorded_rows(person)
    last = slice(days[-1], days[-1] + 288)
    for column in ("bolus_u", "carbs_g"):
        unknown = person[column].copy()
        unknown[last] = np.nan
        assert well_recorded_rows(with_column(person, column, unknown)) == days[:-1]
    silent = person["glucose_mg_dl"].copy()
    silent[days[-1] : days[-1] + 100] = np.nan
    assert well_recorded_rows(with_column(person, "glucose_mg_dl", silent)) == days[:-1]


def test_a_15_minute_sensor_is_not_called_sparse(person: Trace) -> None:
    glucose = person["glucose_mg_dl"].copy()
    glucose[np.arange(len(person)) % 3 > 0] = np.nan
    columns = {**person.columns, "glucose_mg_dl": glucose}
    slow = Trace(person.patient, person.time_zone, 15, person.start_utc_s, columns)
    assert well_recorded_rows(slow) == well_recorded_rows(person)


def test_a_patient_without_treatment_records_is_refused_with_the_reason(person: Trace) -> None:
    glucose_alone = Trace("cgm", "UTC", 5, 0, {"glucose_mg_dl": person["glucose_mg_dl"]})
    with pytest.raises(Failure, match="the population's and not this patient's") as raised:
        ask(glucose_alone, MORE_BASAL)
    assert raised.value.code is ExitCode.REFUSED
    assert "import insulin and meal records" in raised.value.remedy


def test_a_patient_whose_records_say_nothing_is_refused_with_the_reason(person: Trace) -> None:
    """Logged days on which nothing was ever taken identify no more than no log does."""
    nothing = with_column(person, "bolus_u", np.zeros(len(person)))
    nothing = with_column(nothing, "carbs_g", np.zeros(len(person)))
    with pytest.raises(Failure, match="both insulin and meals"):
        ask(nothing, MORE_BASAL)


def test_scaling_basal_that_is_not_on_record_is_refused(person: Trace) -> None:
    columns = {name: values for name, values in person.columns.items() if name != "basal_u_per_h"}
    without = Trace("nobasal", person.time_zone, 5, person.start_utc_s, columns)
    with pytest.raises(Failure, match="no basal insulin of nobasal") as raised:
        ask(without, MORE_BASAL)
    assert raised.value.code is ExitCode.REFUSED


def test_the_words_carry_the_numbers_and_the_reason(answer: Answer) -> None:
    words = in_words(answer)
    a, b = answer.comparison.a, answer.comparison.b
    assert words.startswith("With 10 % more basal insulin, over these 24 hours mean glucose falls")
    assert f"from {a.mean_mg_dl:.0f} to {b.mean_mg_dl:.0f} mg/dL" in words
    assert "with more insulin the body takes up more glucose and the liver gives out less" in words
    assert f"{answer.sensitivity_ratio:.2g} times the population's" in words


def test_the_words_turn_round_with_the_change(person: Trace) -> None:
    words = in_words(ask(person, Question(Regimen(bolus_scale=0.7))))
    assert words.startswith("With 30 % less bolus insulin, over these 24 hours mean glucose rises")
    assert "with less insulin the body takes up less glucose and the liver gives out more" in words


def test_opposed_changes_are_not_given_one_reason(person: Trace) -> None:
    """Planted: a reason from basal alone would say 'less insulin' of 40 % more bolus."""
    words = in_words(ask(person, Question(Regimen(basal_scale=0.95, bolus_scale=1.4))))
    assert "pull against each other" in words
    assert "5 % less basal insulin and 40 % more bolus insulin" in words


def test_what_does_not_move_is_said_to_stay(person: Trace) -> None:
    words = in_words(ask(person, Question(Regimen(basal_scale=1.0001))))
    assert "mean glucose stays at" in words


def test_below_70_counts_the_very_low_too(answer: Answer) -> None:
    minutes = answer.comparison.minutes_below_70[1]
    assert below_70_pct(answer.comparison.b) == pytest.approx(100.0 * minutes / (24 * 60))


def with_column(trace: Trace, name: str, values: np.ndarray) -> Trace:
    columns = {**trace.columns, name: values}
    return Trace(trace.patient, trace.time_zone, 5, trace.start_utc_s, columns)
