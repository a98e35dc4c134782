from dataclasses import replace

import numpy as np
import pytest

from models.trace import STEPS_PER_DAY
from simulations.bolus_advisor import DIMENSION, Advisor, Desk
from simulations.bolus_hindsight import Hindsight
from simulations.bolus_people import Care, Days, advice_of, lessons_of, teacher
from simulations.living import all_day
from simulations.titration_people import RUN_IN_DAYS, Recruit, live_under, recruit
from simulations.titration_rules import guideline

pytestmark = pytest.mark.slow

TARGET, OFF = 130.0, 0.25


@pytest.fixture(scope="module")
def who() -> Recruit:
    return recruit(3, "B", 77, 14, OFF)


def lived(who: Recruit, care: Care) -> Days:
    days = Days(who, care, TARGET)
    days.live()
    return days


def test_without_advice_a_life_is_that_of_the_trial_of_doses(who: Recruit) -> None:
    found = lived(who, Care()).glucose_mg_dl[RUN_IN_DAYS * STEPS_PER_DAY :]
    assert np.array_equal(found, live_under(None, who, 7).glucose_mg_dl)


def test_under_the_guideline_alone_too(who: Recruit) -> None:
    found = lived(who, Care(rule=guideline)).glucose_mg_dl[RUN_IN_DAYS * STEPS_PER_DAY :]
    assert np.array_equal(found, live_under(guideline, who, 7).glucose_mg_dl)


def test_advice_of_one_changes_nothing(who: Recruit) -> None:
    """A life stopped at every meal is the same life."""
    silent = advice_of(Advisor(np.zeros(DIMENSION), 0.5, 1.6))
    assert np.array_equal(lived(who, Care(silent)).glucose_mg_dl, lived(who, Care()).glucose_mg_dl)


def test_the_run_in_is_never_advised_and_later_meals_get_what_was_advised(who: Recruit) -> None:
    days, plain = lived(who, Care(lambda desk, meal: 2.0)), lived(who, Care())
    when, first = days.record.meals.step, RUN_IN_DAYS * STEPS_PER_DAY
    assert (days.factors[when < first] == 1.0).all() and (days.factors[when >= first] == 2.0).all()
    assert np.array_equal(days.glucose_mg_dl[:first], plain.glucose_mg_dl[:first])
    start = int(when[when >= first][0])
    units = days.record.meals.counted_g[when >= first][0] / days.pump.carb_ratio_g_per_u[0]
    more = days.record.bolus_u[start] - plain.record.bolus_u[start]
    assert more == pytest.approx(units, abs=0.051)
    size = days.desk.size(int(np.flatnonzero(when >= first)[0]))
    assert days.record.given[when >= first][0] == pytest.approx(2.0 * size)


def test_what_was_eaten_and_true_glucose_are_not_seen(who: Recruit) -> None:
    """Advice sees the sensor: another sensor with the same body is advised otherwise at once."""
    seen: list[float] = []

    def note(desk: Desk, meal: int) -> float:
        seen.append(float(desk.record.sensor_mg_dl[desk.record.meals.step[meal]]))
        return 1.0

    days = lived(who, Care(note))
    when = days.record.meals.step
    rows = when[when >= RUN_IN_DAYS * STEPS_PER_DAY]
    sensor = np.concatenate([life.sensor_mg_dl for life in days.lives])
    assert np.array_equal(seen, sensor[rows])
    assert np.abs(np.array(seen) - days.glucose_mg_dl[rows]).min() > 0.0


def test_lessons_are_what_advice_will_see(who: Recruit) -> None:
    """The same person, taught from and advised: phi of each meal is the same to the bit.

    Planted: lessons that read the whole record at each meal differ, as hindsight runs ahead.
    """
    life = replace(who, days=28)
    lessons, served = lessons_of(life, TARGET), []

    def note(desk: Desk, meal: int) -> float:
        served.append(desk.seen(meal)[0])
        return 1.0

    days = lived(life, Care(note))
    when = days.record.meals.step
    asked = when >= RUN_IN_DAYS * STEPS_PER_DAY
    clear = np.isfinite(Hindsight(days.record, TARGET).until(28 * STEPS_PER_DAY))[asked]
    assert np.array_equal(np.array(served)[clear], lessons.seen)
    assert len(lessons.left) > 20


def test_a_teacher_never_falls_below_what_the_model_bears() -> None:
    who = teacher(0, "B", (5,), 21, OFF, "child")
    one = who.cast()
    life = one.begin().lived(all_day(one.person), (0, 21 * STEPS_PER_DAY))
    assert life.glucose_mg_dl.min() >= 20.0 and one.patient.group == "child"
    assert teacher(0, "B", (5,), 21, OFF, "child") == who
