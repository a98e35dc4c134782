import numpy as np
import pytest

from models.trace import STEPS_PER_DAY, FloatArray
from simulations.bolus_hindsight import AFTER_STEPS, PRIOR_MEALS, Hindsight, own, part_of_day
from simulations.bolus_record import Announced, Record

TARGET = 130.0


def record_of(steps: list[int], days: int = 2, sensor_mg_dl: float = 180.0) -> Record:
    """Meals of 50 g at these steps, 10 g/U and 30 mg/dL/U: each is 1.5 in size."""
    meals = Announced(np.array(steps), np.full(len(steps), 50.0))
    record = Record.blank(np.full(24, 10.0), 30.0, meals, days * STEPS_PER_DAY)
    record.sensor_mg_dl[:] = sensor_mg_dl
    record.bolus_u[steps] = 5.0
    record.given[:] = record.size(np.arange(len(steps)))
    return record


def left_of(record: Record) -> FloatArray:
    return Hindsight(record, TARGET).until(len(record.sensor_mg_dl))


def test_what_stays_high_is_left_over() -> None:
    assert left_of(record_of([84])) == pytest.approx([0.5])


def test_a_rescue_says_that_the_dose_was_too_large() -> None:
    """10 g at 3 mg/dL a gram held up 30 mg/dL of it."""
    record = record_of([84])
    record.rescue_g[84 + 20] = 10.0
    assert left_of(record) == pytest.approx([0.2])


def test_the_next_bolus_ends_what_a_meal_answers_for() -> None:
    record = record_of([84])
    record.bolus_u[84 + 40] = 2.0
    record.sensor_mg_dl[84 + 40 :] = 400.0
    assert left_of(record) == pytest.approx([0.5])
    record.bolus_u[84 + 33] = 2.0
    assert np.isnan(left_of(record)).all()


def test_a_gap_of_the_sensor_leaves_a_meal_unclear() -> None:
    record = record_of([84])
    record.sensor_mg_dl[84 + AFTER_STEPS[0] : 84 + AFTER_STEPS[1] - 5] = np.nan
    assert np.isnan(left_of(record)).all()


def test_no_meal_is_judged_before_its_hours_are_over() -> None:
    record = record_of([84])
    hindsight = Hindsight(record, TARGET)
    assert np.isnan(hindsight.until(84 + AFTER_STEPS[1] - 1)).all()
    assert hindsight.until(84 + AFTER_STEPS[1]) == pytest.approx([0.5])


def test_own_need_is_shrunk_by_so_many_meals() -> None:
    """Two meals of size 1.5 that left 0.5: 2 z y / (2 z^2 + 8 z^2)."""
    record = record_of([84, 150])
    found = own(record, Hindsight(record, TARGET), 1)
    assert found.need == pytest.approx(2 * 0.5 / (1.5 * (2 + PRIOR_MEALS)))
    assert found.mean == pytest.approx(0.4) and found.low == 0.0
    assert found.fasting == pytest.approx(0.7) and found.daily_u == pytest.approx(10.0)


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_persons_need_is_the_same_whether_their_meals_were_advised(factor: float) -> None:
    """What more of a dose took off is counted: planted without `given`, advice feeds on itself."""
    plain, advised = record_of([84, 150]), record_of([84, 150])
    advised.given *= factor
    advised.sensor_mg_dl[:] = 180.0 - 150.0 * (factor - 1.0)
    needs = [own(one, Hindsight(one, TARGET), 1).need for one in (plain, advised)]
    assert needs[0] == pytest.approx(needs[1])


def test_a_need_is_by_todays_ratio() -> None:
    """A ratio that gives a third more leaves that much less to ask for."""
    record = record_of([84, 150], sensor_mg_dl=TARGET + 50.0)
    record.carb_ratio_g_per_u = np.full(24, 7.5)
    assert own(record, Hindsight(record, TARGET), 1).need == pytest.approx(0.0, abs=1e-12)


def test_one_part_of_the_day_can_need_more_than_the_others() -> None:
    record = record_of([84, 150])
    record.sensor_mg_dl[150:] = TARGET
    by_part = own(record, Hindsight(record, TARGET), 1).by_part
    assert by_part[0] > 0.0 > by_part[1] and by_part[2] == by_part[3] == 0.0


def test_only_the_latest_two_weeks_count() -> None:
    record = record_of([84], days=20)
    assert own(record, Hindsight(record, TARGET), 14).need > 0.0
    assert own(record, Hindsight(record, TARGET), 15).need == 0.0


def test_parts_of_the_day() -> None:
    hours = np.array([4.9, 5.0, 10.4, 10.5, 16.0, 22.0])
    assert part_of_day(hours).tolist() == [3, 0, 0, 1, 2, 3]
