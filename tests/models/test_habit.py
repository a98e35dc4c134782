"""Days drawn from a patient's habits."""

from dataclasses import replace

import numpy as np
import pytest

import models.habit as habit
from models.calibration import Calibration, calibrate
from models.habit import habits_of, habitual_ground, whole_days
from models.sandbox import AS_RECORDED, Asked, Ground, lived
from models.scenario import Life, Scaled, Scenario, ScenarioError, Therapy
from models.trace import STEPS_PER_DAY, Trace
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

DAYS = 9
ASKED = Asked(draws=4)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(DAYS, seed=1), heads(1, seed=3, spread=0.3)[0], seed=4)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    return calibrate([trace])[0]


@pytest.fixture(scope="module")
def drawn(trace: Trace, calibration: Calibration) -> list[Ground]:
    return [habitual_ground(trace, calibration, 24, ASKED, number) for number in range(12)]


def test_the_same_number_is_the_same_day_and_another_is_another(
    trace: Trace, calibration: Calibration, drawn: list[Ground]
) -> None:
    again = habitual_ground(trace, calibration, 24, ASKED, 3)
    assert np.array_equal(again.doses.carbs_g, drawn[3].doses.carbs_g)
    assert len({tuple(np.flatnonzero(one.doses.carbs_g)) for one in drawn}) == 12


def test_meals_and_boluses_are_as_the_record_has_them(trace: Trace, drawn: list[Ground]) -> None:
    sizes = trace["carbs_g"][trace["carbs_g"] > 0.0]
    eaten = np.concatenate([one.doses.carbs_g[one.doses.carbs_g > 0.0] for one in drawn])
    assert set(eaten) <= set(sizes) and len(eaten) == 3 * 12
    missed = np.mean(trace["bolus_u"][trace["carbs_g"] > 0.0] == 0.0)
    without = np.concatenate([one.doses.bolus_u[one.doses.carbs_g > 0.0] == 0.0 for one in drawn])
    assert abs(without.mean() - missed) < 0.2
    hours = np.concatenate([one.doses.local_hour[one.doses.carbs_g > 0.0] for one in drawn])
    for hour in (7.5, 12.5, 19.0):
        assert (np.abs(hours - hour) <= 0.8).sum() == 12


def test_a_meal_keeps_its_own_bolus(drawn: list[Ground]) -> None:
    for one in drawn:
        for row in np.flatnonzero(one.doses.bolus_u):
            assert one.doses.of_meal[row] and one.doses.carbs_g[row] > 0.0
            assert 0.6 < one.doses.bolus_u[row] / (one.doses.carbs_g[row] / 10.0) < 1.4


def test_corrections_are_left_out(trace: Trace) -> None:
    bolus = trace["bolus_u"].copy()
    bolus[np.arange(DAYS) * STEPS_PER_DAY + 200] = 3.0  # at 16:40, far from meals
    habits = habits_of(replace(trace, columns={**trace.columns, "bolus_u": bolus}))
    boluses = [b for day in habits.meals for course in day for meal in course for b in meal.boluses]
    assert boluses and all(units != 3.0 for _, units in boluses)


def test_weekends_are_drawn_from_weekends(trace: Trace) -> None:
    assert habits_of(trace).weekend == tuple(
        bool(day % 7 in (2, 3)) for day in np.unique(trace.local_day)
    )
    carbs = np.where(np.isin(trace.local_day % 7, (2, 3)) & (trace["carbs_g"] > 0.0), 99.0, 0.0)
    carbs = np.where(carbs > 0.0, carbs, trace["carbs_g"])
    long = replace(trace, columns={**trace.columns, "carbs_g": carbs})
    habits = habits_of(long)
    few = habits.weekend.count(True)
    menus = [
        [meal.carbs_g for meal, _ in habit._menu(habits, True, np.random.default_rng(seed))]
        for seed in range(20)
    ]
    only = all(grams == 99.0 for menu in menus for grams in menu)
    assert only == (few >= habit.FEWEST_ALIKE)


def test_a_scenario_is_lived_on_drawn_days(drawn: list[Ground]) -> None:
    more = Scenario("more basal", therapy=Therapy(basal=(Scaled(1.3),)))
    plain, tried = lived(drawn[0], [AS_RECORDED, more])
    assert np.isfinite(plain).all() and (tried - plain).mean() < -1.0
    assert np.isnan(drawn[0].measured_mg_dl).all() and not drawn[0].left_mg_dl.any()


def test_three_days_are_three_different_ones(trace: Trace, calibration: Calibration) -> None:
    ground = habitual_ground(trace, calibration, 72, ASKED, 1)
    days = ground.doses.carbs_g.reshape(3, -1)
    assert ((days > 0.0).sum(axis=1) == 3).all()
    assert not np.array_equal(days[0], days[1])
    path = lived(ground, [Scenario("as it is", 72, life=Life())])
    assert path.shape == (1, 4, 864)


def test_a_day_that_is_not_whole_or_not_known_teaches_no_habit(trace: Trace) -> None:
    bolus = trace["bolus_u"].copy()
    bolus[2 * STEPS_PER_DAY + 5] = np.nan
    partly = replace(trace, columns={**trace.columns, "bolus_u": bolus})
    assert len(whole_days(trace)) == DAYS and len(whole_days(partly)) == DAYS - 1


def test_four_days_are_too_few(trace: Trace) -> None:
    with pytest.raises(ScenarioError, match="4 whole days"):
        habits_of(trace.rows(0, 4 * STEPS_PER_DAY))
