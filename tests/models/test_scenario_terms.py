from typing import Any

import pytest

from models.inputs import LongActing
from models.movement import Kind
from models.scenario import Daily, RecordedBolus, RecordedMeal, Scenario, ScenarioError, Wave
from models.scenario_terms import scenario_of
from models.strain import Stretch

EVERYTHING: dict[str, Any] = {
    "name": "everything",
    "hours": 72,
    "basal": [{"from": "22:00", "to": "06:00", "change": "-10%"}],
    "temporary_basal": [{"at": "14:00", "day": 2, "hours": 2.5, "change": "-50%"}],
    "carb_ratio": {"from": "06:00", "to": "11:00", "change": "-20%"},
    "correction_factor": [{"change": "+10%"}],
    "target": {"from_mg_dl": 120, "to_mg_dl": "110 mg/dL"},
    "meal_boluses": [
        {"from": "06:00", "to": "11:00", "later_min": -15, "now": "30%", "over_h": 2.4},
        {"from": "18:00", "to": "22:00", "missed": True},
    ],
    "boluses": [{"at": "12:30", "units": "4 U"}],
    "long_acting": {"change": "+5%", "product": "Tresiba", "at": "08:00"},
    "meals": [
        {
            "at": "19:30",
            "day": 3,
            "carbs_g": "80 g",
            "fat_g": 40,
            "protein_g": 30,
            "glycaemic_index": 55,
            "bolus_u": 6,
        }
    ],
    "recorded_meals": [{"at": "07:30", "to": "08:15", "carbs_g": "60 g"}],
    "recorded_boluses": [{"at": "23:30", "day": 2, "to": "00:15", "to_day": 3, "units": 4}],
    "skipped": [{"from": "06:00", "to": "10:00"}],
    "exercise": [
        {"at": "17:00", "minutes": 45, "kind": "aerobic", "heart_rate_bpm": 140},
        {"at": "07:00", "minutes": 20, "kind": "Interval", "intensity": "vigorous"},
    ],
    "stress": [{"at": "09:00"}],
    "short_sleep": [{"day": 2}],
    "illness": [{"at": "00:00", "hours": 48, "temperature_c": 38.6}],
    "luteal_phase": [{"at": "00:00", "hours": 72}],
}


def plain(**parts: Any) -> dict[str, Any]:
    return {"name": "tried"} | parts


def test_every_key_is_read() -> None:
    read = scenario_of(EVERYTHING)
    therapy, life = read.therapy, read.life
    assert (read.name, read.hours) == ("everything", 72)
    assert therapy.basal[0].scale == pytest.approx(0.9)
    assert therapy.basal[0].window == Daily(22.0, 6.0)
    assert therapy.temporary_basal[0].during == Stretch(1440 + 840, 150)
    assert therapy.carb_ratio[0].scale == pytest.approx(0.8)
    assert therapy.correction_factor[0].window == Daily()
    assert therapy.target is not None and therapy.target.shift_mg_dl == -10.0
    assert (
        therapy.meal_boluses[0].wave == Wave(0.3, 2.4) and therapy.meal_boluses[0].later_min == -15
    )
    assert therapy.meal_boluses[1].scale == 0.0
    assert therapy.boluses[0].units == 4.0 and therapy.boluses[0].minute == 750
    assert therapy.long_acting is not None
    assert therapy.long_acting.product is LongActing.DEGLUDEC and therapy.long_acting.at_hour == 8.0
    meal = life.meals[0]
    assert (meal.meal.minute, meal.meal.carbs_g, meal.bolus_u) == (2 * 1440 + 1170, 80.0, 6.0)
    assert life.exercise[0].excess_bpm == 60.0 and life.exercise[1].kind is Kind.INTERVAL
    assert life.stress_minutes == (540,)
    assert life.short_sleep[0].minute == 1440 + 420
    assert life.illness[0].temperature_c == 38.6
    assert life.luteal[0].minutes == 72 * 60
    assert life.recorded_meals == (RecordedMeal(450, 495, 60.0),)
    assert therapy.recorded_boluses == (RecordedBolus(1440 + 1410, 2 * 1440 + 15, 4.0),)


def test_a_name_is_enough() -> None:
    assert scenario_of(plain()) == Scenario("tried")


def test_yaml_reads_a_bare_time_as_a_number_and_it_is_still_a_time() -> None:
    assert scenario_of(plain(boluses=[{"at": 750, "units": 1}])).therapy.boluses[0].minute == 750


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"bolus": []}, "bolus at scenario"),
        ({"boluses": [{"at": "12:00", "units": 1, "unit": "mU"}]}, r"scenario.boluses\[1\]"),
        ({"boluses": [{"at": "12:00", "units": "4000 mU"}]}, "1 U is 1,000 mU"),
        ({"boluses": [{"at": "12:00", "units": "4 mg"}]}, "expected a number of U"),
        ({"boluses": [{"at": "12:00", "units": True}]}, "expected a number of U"),
        ({"boluses": [{"at": "12:00", "units": 100}]}, r"boluses\[1\].*a bolus of 100 U"),
        ({"boluses": [{"at": "25:00", "units": 1}]}, "a time of day"),
        ({"boluses": [{"at": "12:75", "units": 1}]}, "a time of day"),
        ({"boluses": [{"at": "12:00", "day": 4, "units": 1}]}, "expected 1, 2 or 3"),
        ({"boluses": [{"units": 1}]}, "no at at"),
        ({"boluses": "4 U at noon"}, "expected a list"),
        ({"boluses": ["4 U"]}, "names and values"),
        ({"basal": [{"change": "10%"}]}, "a sign, a number and %"),
        ({"basal": [{"change": 1.1}]}, "a sign, a number and %"),
        ({"meals": [{"at": "19:00", "carbs_g": 2000}]}, "a carbohydrate of 2000 g"),
        ({"meals": [{"at": "19:00", "carbs_g": "80 oz"}]}, "expected a number of g"),
        ({"long_acting": {"product": "Metformin"}}, "the insulin 'Metformin'"),
        ({"long_acting": {"product": "Humalog Mix 25"}}, "a long-acting one"),
        ({"exercise": [{"at": "17:00", "minutes": 30, "kind": "chess"}]}, "of kind chess"),
        (
            {"exercise": [{"at": "17:00", "minutes": 30, "kind": "aerobic", "intensity": "mad"}]},
            "an intensity 'mad'",
        ),
        ({"illness": [{"at": "00:00", "hours": 24, "temperature_c": 101}]}, "101"),
        ({"meal_boluses": [{"missed": "yes"}]}, "true or false"),
        ({"meal_boluses": [{"now": 0.3, "over_h": 2}]}, "per cent"),
        ({"hours": "two days"}, "a number of h"),
        ({"name": 7}, "expected text"),
    ],
)
def test_what_cannot_be_taken_is_named(parts: dict[str, Any], found: str) -> None:
    with pytest.raises(ScenarioError, match=found):
        scenario_of(plain(**parts))


@pytest.mark.parametrize("nothing", [None, [], "a scenario", 7, {1: 2}])
def test_what_is_no_scenario_at_all(nothing: object) -> None:
    with pytest.raises(ScenarioError, match="names and values"):
        scenario_of(nothing)


@pytest.mark.parametrize("hours", [float("nan"), float("inf"), 1e308, 10**400, "9" * 400])
def test_a_number_without_end_is_refused(hours: object) -> None:
    """A file may hold `.inf`, which no whole number of hours is; so may what a page sends."""
    with pytest.raises(ScenarioError, match="number of h"):
        scenario_of(plain(hours=hours))
