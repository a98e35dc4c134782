"""Truth and twin side by side: paired, common noise, in windows that mean what they say."""

from dataclasses import replace

import numpy as np
import pytest

from models.glycemia import glycemia
from models.heads import NAMES
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.effects_people import CHANGES, Change, Treatment
from simulations.effects_twin import (
    COMING_ROWS,
    QUESTIONS,
    TRAINING_ROWS,
    Answer,
    Question,
    Window,
    answer,
    case,
    forecast,
    truth,
)
from tests.simulations.effect_cases import book_case, book_head, someone

pytestmark = pytest.mark.slow

LESS_BASAL = Change(Treatment.BASAL, 0.8)
ROWS = TRAINING_ROWS + COMING_ROWS


def in_range_points(after: FloatArray, before: FloatArray) -> float:
    return glycemia(after).in_range_pct - glycemia(before).in_range_pct


def made_up(measured: FloatArray, record: FloatArray, phi: float = 0.0) -> Answer:
    """An answer whose every difference is 30 mg/dL."""
    differences: dict[Question, FloatArray] = {
        q: np.full(TRAINING_ROWS if q[0] is Window.TYPICAL else COMING_ROWS, 30.0)
        for q in QUESTIONS
    }
    return Answer(record, measured, differences, phi)


def test_windows_are_the_training_days_and_the_three_after() -> None:
    assert Window.TYPICAL.rows == slice(0, 14 * 288) and Window.TYPICAL.first_day == 0
    assert Window.COMING.rows == slice(14 * 288, 17 * 288) and Window.COMING.first_day == 14
    assert len(QUESTIONS) == 2 * len(CHANGES) == 12


@pytest.mark.parametrize("window", list(Window))
def test_the_truth_is_the_world_run_on_the_changed_doses(window: Window) -> None:
    who = someone()
    changed = who.lived(who.changed(LESS_BASAL, window.first_day))[window.rows]
    before = who.life.glucose_mg_dl[window.rows]
    effect = truth(who)[window, LESS_BASAL]
    assert effect.mean_mg_dl == pytest.approx(changed.mean() - before.mean())
    assert effect.in_range_points == pytest.approx(in_range_points(changed, before))


def test_the_answer_covers_every_question_with_as_many_rows_as_its_window() -> None:
    reply = book_case().answer
    for window, change in QUESTIONS:
        difference = reply.differences[window, change]
        assert len(difference) == len(reply.record_mg_dl[window.rows])
        assert reply.mean_mg_dl((window, change)) * change.sign > 0.0


def test_a_coming_change_is_not_felt_before_it_begins() -> None:
    difference = book_case().answer.differences[Window.COMING, LESS_BASAL]
    assert difference[0] == 0.0
    assert difference[-STEPS_PER_DAY:].mean() > difference[:12].mean() + 1.0


def test_a_twin_without_insulin_action_says_that_nothing_changes() -> None:
    who, twin = someone(), book_head(someone())
    theta = twin.head.theta.copy()
    theta[[NAMES.index(name) for name in ("SI", "SE")]] = -50.0
    deaf = replace(twin, head=replace(twin.head, theta=theta))
    assert abs(answer(who, deaf).mean_mg_dl((Window.COMING, LESS_BASAL))) < 2.0
    assert answer(who, twin).mean_mg_dl((Window.COMING, LESS_BASAL)) > 5.0


def test_the_answer_never_sees_readings_of_the_coming_days() -> None:
    who, twin = someone(), book_head(someone())
    sensor = who.life.sensor_mg_dl.copy()
    sensor[TRAINING_ROWS:] = 400.0
    planted = replace(who, life=who.life._replace(sensor_mg_dl=sensor))
    ours, theirs = answer(who, twin), answer(planted, twin)
    for question in QUESTIONS:
        assert ours.mean_mg_dl(question) == theirs.mean_mg_dl(question)
        assert ours.in_range_points(question) == theirs.in_range_points(question)


def test_unrest_is_of_the_training_days_alone() -> None:
    record = np.full(ROWS, 120.0)
    measured = record + np.tile([7.0, -7.0], ROWS // 2)
    planted = measured.copy()
    planted[TRAINING_ROWS:] = 400.0
    assert made_up(measured, record).unrest_mg_dl == pytest.approx(7.0)
    assert made_up(planted, record).unrest_mg_dl == pytest.approx(7.0)


def test_true_carbohydrate_is_shown_only_when_asked_for() -> None:
    who, twin = someone(), book_head(someone())
    counted, true = answer(who, twin), answer(who, twin, true_carbs=True)
    assert not np.array_equal(counted.record_mg_dl, true.record_mg_dl)


def test_on_typical_days_the_difference_is_laid_over_the_readings() -> None:
    measured = np.tile([100.0, 170.0], ROWS // 2)
    reply = made_up(measured, np.full(ROWS, 500.0))
    question = (Window.TYPICAL, LESS_BASAL)
    assert reply.in_range_points(question) == pytest.approx(-50.0)
    assert reply.in_range_points(question, scale=0.1) == 0.0
    assert reply.in_range_points(question, scale=-2.0) == pytest.approx(-50.0)


def test_on_coming_days_it_is_laid_over_forecasts_with_training_residuals() -> None:
    record = np.full(ROWS, 120.0)
    measured = record.copy()
    measured[:TRAINING_ROWS:2] += 40.0
    reply = made_up(measured, record)
    question = (Window.COMING, LESS_BASAL)
    assert reply.in_range_points(question) == pytest.approx(-50.0)
    calm = made_up(record, record)
    assert calm.in_range_points(question) == 0.0


def test_forecasts_are_scored_against_the_sensor() -> None:
    measured, record = np.full(ROWS, 100.0), np.full(ROWS, 110.0)
    measured[TRAINING_ROWS + STEPS_PER_DAY :] = 200.0
    scores = forecast(made_up(measured, record))
    assert scores.twin_24h_pct == pytest.approx((10.0 + 45.0 + 45.0) / 3.0, abs=0.2)
    assert scores.twin_72h_pct == pytest.approx((10.0 + 45.0 + 45.0) / 3.0, abs=0.2)
    assert scores.no_change_24h_pct == pytest.approx((0.0 + 50.0 + 0.0) / 3.0)
    assert scores.no_change_72h_pct == pytest.approx((0.0 + 50.0 + 50.0) / 3.0)
    assert scores.constant_24h_pct == pytest.approx((0.0 + 50.0 + 50.0) / 3.0)


def test_the_last_residual_fades_into_the_forecast() -> None:
    measured, record = np.full(ROWS, 100.0), np.full(ROWS, 110.0)
    fading = forecast(made_up(measured, record, phi=0.97))
    assert fading.twin_24h_pct < forecast(made_up(measured, record)).twin_24h_pct
    kept = forecast(made_up(measured, record, phi=1.0))
    assert kept.twin_72h_pct == pytest.approx(0.0)


def test_a_case_holds_truth_answer_and_features() -> None:
    one = book_case()
    question = (Window.COMING, LESS_BASAL)
    twin, thumb, unrest = one.features_mg_dl(question)
    assert unrest == one.answer.unrest_mg_dl > 0.0
    assert twin == one.answer.mean_mg_dl(question)
    assert thumb > 0.0
    assert one.forecast == forecast(one.answer)


def test_cases_repeat_bit_for_bit() -> None:
    again = case(someone(), book_head(someone()))
    assert again.truth == book_case().truth
    assert again.forecast == book_case().forecast
