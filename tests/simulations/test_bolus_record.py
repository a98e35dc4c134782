from dataclasses import replace

import numpy as np
import pytest

from models.trace import STEPS_PER_DAY
from simulations.behaviour import Bolus, Meals
from simulations.bolus_record import Announced, Record, announced
from simulations.living import Life


@pytest.fixture
def meals() -> Meals:
    """Breakfast, a late lunch's bolus in the step of a snack, a missed dinner."""
    return Meals(
        minute=np.array([420, 720, 756, 1100]),
        carbs_g=np.array([40.0, 60.0, 15.0, 70.0]),
        counted_g=np.array([50.0, 55.0, 10.0, 80.0]),
        bolus=np.array([Bolus.WITH_MEAL, Bolus.LATE, Bolus.WITH_MEAL, Bolus.MISSED]),
        delay_min=np.array([0, 37, 0, 0]),
        logged=np.ones(4, dtype=bool),
        course=np.zeros(4, dtype=np.int64),
    )


def test_a_late_bolus_is_announced_when_given_and_a_missed_one_never(meals: Meals) -> None:
    found = announced(meals, STEPS_PER_DAY)
    assert found.step.tolist() == [84, 151]
    assert found.counted_g.tolist() == [50.0, 65.0]


def test_what_is_beyond_the_stay_is_not_announced(meals: Meals) -> None:
    assert announced(meals, 100).step.tolist() == [84]


def test_true_grams_are_not_on_file(meals: Meals) -> None:
    """Planted: counted_g read from carbs_g; then what was eaten would show."""
    other = announced(replace(meals, carbs_g=3.0 * meals.carbs_g), STEPS_PER_DAY)
    assert np.array_equal(other.counted_g, announced(meals, STEPS_PER_DAY).counted_g)


def test_a_size_is_by_the_ratio_of_its_hour() -> None:
    """60 g by 10 g/U are 6 U, which take off 180 mg/dL at 30 a unit; by 20 g/U half of it."""
    ratio = np.full(24, 10.0)
    ratio[12:] = 20.0
    meals = Announced(np.array([84, 150]), np.array([60.0, 60.0]))
    record = Record.blank(ratio, 30.0, meals, STEPS_PER_DAY)
    assert record.size(np.array([0, 1])) == pytest.approx([1.8, 0.9])
    assert record.hour == pytest.approx([7.0, 12.5])


def test_a_piece_of_life_is_filed_where_it_belongs() -> None:
    record = Record.blank(np.full(24, 10.0), 30.0, Announced(np.array([0]), np.ones(1)), 6)
    minutes = np.zeros(10)
    minutes[[0, 3, 7]] = 1.0
    true, seen = np.full(2, 300.0), np.array([110.0, np.nan])
    record.add(2, Life(true, seen, np.full(2, 1.2), minutes, 5.0 * minutes))
    assert record.bolus_u.tolist() == [0.0, 0.0, 2.0, 1.0, 0.0, 0.0]
    assert record.rescue_g.tolist() == [0.0, 0.0, 10.0, 5.0, 0.0, 0.0]
    assert record.basal_u == pytest.approx([0.0, 0.0, 0.1, 0.1, 0.0, 0.0])
    assert record.sensor_mg_dl[2] == 110.0 and np.isnan(np.delete(record.sensor_mg_dl, 2)).all()
