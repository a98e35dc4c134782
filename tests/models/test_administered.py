from dataclasses import replace

import numpy as np
import pytest

from models.administered import changed
from models.doses import Doses, doses_of
from models.inputs import LongActing
from models.mixed_meal import MealMake
from models.scenario import (
    Bolus,
    Daily,
    Eaten,
    Life,
    LongActingChange,
    MealBolusChange,
    Scaled,
    Scenario,
    ScenarioError,
    Target,
    TemporaryBasal,
    Therapy,
    Wave,
)
from models.strain import Stretch
from models.trace import FloatArray, Trace
from tests.models.virtual import columns, trace_of

BREAKFAST, CORRECTION = 8 * 12, 15 * 12


@pytest.fixture
def doses() -> Doses:
    """1 U/h; 50 g and 5 U at 8:00; a correction of 2 U at 15:00."""
    table = columns(2)
    for day in (0, 288):
        table["carbs_g"][day + BREAKFAST], table["bolus_u"][day + BREAKFAST] = 50.0, 5.0
        table["bolus_u"][day + CORRECTION] = 2.0
    return doses_of(trace_of(table), slice(0, 288), correction_mg_dl_per_u=40.0)


def therapy(**parts: object) -> Scenario:
    return Scenario("tried", therapy=Therapy(**parts))  # type: ignore[arg-type]


def insulin(doses: Doses, scenario: Scenario) -> FloatArray:
    return changed(doses, scenario)[0]


def test_nothing_changed_is_what_was_recorded(doses: Doses) -> None:
    given, carbs = changed(doses, Scenario("as it was"))
    assert given.sum() == pytest.approx(24.0 + 7.0)
    assert given[5 * BREAKFAST] == pytest.approx(5.0 + 1.0 / 60.0)
    assert carbs.sum() == pytest.approx(50.0)


def test_basal_in_its_hours(doses: Doses) -> None:
    night = insulin(doses, therapy(basal=(Scaled(1.2, Daily(22.0, 6.0)),)))
    assert night.sum() == pytest.approx(31.0 + 0.2 * 8)
    assert night[5 * 60] * 60 == pytest.approx(1.2) and night[12 * 60] * 60 == pytest.approx(1.0)


def test_a_temporary_basal_for_its_stretch(doses: Doses) -> None:
    paused = insulin(doses, therapy(temporary_basal=(TemporaryBasal(0.0, Stretch(600, 90)),)))
    assert not paused[600:690].any() and paused[690] > 0.0


def test_fewer_grams_to_the_unit_are_more_units_for_meals_alone(doses: Doses) -> None:
    more = insulin(doses, therapy(carb_ratio=(Scaled(0.8, Daily(6.0, 11.0)),)))
    assert more[5 * BREAKFAST] == pytest.approx(5.0 / 0.8 + 1.0 / 60.0)
    assert more[5 * CORRECTION] == pytest.approx(2.0 + 1.0 / 60.0)


def test_the_factor_and_the_target_are_for_corrections_alone(doses: Doses) -> None:
    weaker = insulin(doses, therapy(correction_factor=(Scaled(1.25),), target=Target(-20.0)))
    assert weaker[5 * CORRECTION] == pytest.approx((2.0 + 0.5) / 1.25 + 1.0 / 60.0)
    assert weaker[5 * BREAKFAST] == pytest.approx(5.0 + 1.0 / 60.0)
    none_left = insulin(doses, therapy(target=Target(60.0)))
    assert none_left[5 * CORRECTION] == pytest.approx(0.5 + 1.0 / 60.0)


def test_a_target_needs_a_factor(doses: Doses) -> None:
    unknown = replace(doses, correction_mg_dl_per_u=None)
    with pytest.raises(ScenarioError, match="without a correction factor"):
        insulin(unknown, therapy(target=Target(10.0)))


def test_a_meal_bolus_moved_split_or_missed(doses: Doses) -> None:
    window = Daily(6.0, 11.0)
    early = insulin(doses, therapy(meal_boluses=(MealBolusChange(window, -15),)))
    assert early[5 * BREAKFAST - 15] == pytest.approx(5.0 + 1.0 / 60.0)
    split = insulin(doses, therapy(meal_boluses=(MealBolusChange(window, wave=Wave(0.4, 2.0)),)))
    assert split[5 * BREAKFAST] == pytest.approx(2.0 + 3.0 / 120.0 + 1.0 / 60.0)
    assert split.sum() == pytest.approx(31.0)
    missed = insulin(doses, therapy(meal_boluses=(MealBolusChange(window, scale=0.0),)))
    assert missed.sum() == pytest.approx(26.0)


def test_an_added_meal_is_covered_by_the_ratio_unless_units_are_given(doses: Doses) -> None:
    by_ratio = Scenario("tried", life=Life(meals=(Eaten(MealMake(1200, 30.0)),)))
    given, carbs = changed(doses, by_ratio)
    assert given[1200] == pytest.approx(3.0 + 1.0 / 60.0) and carbs.sum() == pytest.approx(80.0)
    none = Scenario("tried", life=Life(meals=(Eaten(MealMake(1200, 30.0, 10.0), 0.0),)))
    given, carbs = changed(doses, none)
    assert given.sum() == pytest.approx(31.0)
    assert carbs.sum() == pytest.approx(50.0)  # meals of another make appear by their own course
    with pytest.raises(ScenarioError, match="no meal bolus on record"):
        changed(replace(doses, grams_per_u=None), by_ratio)


def test_a_skipped_meal_has_no_bolus(doses: Doses) -> None:
    given, carbs = changed(doses, Scenario("tried", life=Life(skipped=(Daily(6.0, 11.0),))))
    assert given.sum() == pytest.approx(26.0) and not carbs.any()


def test_what_falls_beyond_the_end_is_not_given(doses: Doses) -> None:
    late = therapy(boluses=(Bolus(24 * 60 - 1, 2.0, Wave(0.5, 2.0)),))
    assert insulin(doses, late).sum() == pytest.approx(31.0 + 1.0 + 1.0 / 120.0)


def test_a_ratio_of_nothing_is_refused(doses: Doses) -> None:
    with pytest.raises(ScenarioError, match="a ratio or factor of 0"):
        insulin(doses, therapy(carb_ratio=(Scaled(0.0),)))


@pytest.fixture
def injections() -> Doses:
    """24 U of degludec at 8:20 each day, no pump."""
    table = columns(8, long_acting_u=np.zeros(8 * 288), basal_u_per_h=np.zeros(8 * 288))
    table["long_acting_u"][100::288] = 24.0
    trace = Trace("p", "UTC", 5, trace_of(table).start_utc_s, table, 70.0, "Tresiba")
    return doses_of(trace, slice(5 * 288, 8 * 288))


def test_a_larger_injection_builds_up_by_its_half_life(injections: Doses) -> None:
    scenario = Scenario("tried", 72, Therapy(long_acting=LongActingChange(1.25)))
    more = insulin(injections, scenario) - insulin(injections, Scenario("as it was", 72))
    assert not more[:500].any()
    day = [more[500 + 1440 * n : 500 + 1440 * (n + 1)].sum() for n in range(2)]
    assert day[0] == pytest.approx(6.0 * (1.0 - 0.5 ** (24.0 / 25.0)), rel=0.01)
    assert day[0] < day[1] < 6.0


def test_injections_moved_to_another_hour_and_product(injections: Doses) -> None:
    as_it_was = insulin(injections, Scenario("as it was", 72))
    moved = insulin(
        injections, Scenario("tried", 72, Therapy(long_acting=LongActingChange(at_hour=20.0)))
    )
    assert (moved - as_it_was)[500 : 20 * 60].max() < 0.0
    quick = LongActingChange(product=LongActing.NPH, units=20.0)
    swift = insulin(injections, Scenario("tried", 72, Therapy(long_acting=quick)))
    assert swift[510] > as_it_was[510]


def test_a_pump_s_basal_cannot_be_changed_where_there_is_none(injections: Doses) -> None:
    with pytest.raises(ScenarioError, match="without a pump"):
        insulin(injections, Scenario("tried", 72, Therapy(basal=(Scaled(1.1),))))
