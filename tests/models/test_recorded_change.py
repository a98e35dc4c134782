"""Single recorded meals and boluses at another time or of another size, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from models import administered
from models.administered import changed
from models.doses import Doses, doses_of
from models.recorded_change import as_edited
from models.scenario import (
    Daily,
    Life,
    RecordedBolus,
    RecordedMeal,
    Scaled,
    Scenario,
    ScenarioError,
    Therapy,
)
from models.scenario_terms import scenario_of
from tests.models.virtual import columns, trace_of

BREAKFAST, LUNCH, CORRECTION = 8 * 12, 12 * 12, 15 * 12
LATE = np.array([20.0, 20.0, 20.0, 20.0])


@pytest.fixture
def doses() -> Doses:
    """1 U/h; 50 g and 5 U at 8:00; 30 g at noon; a correction of 2 U at 15:00."""
    table = columns(1)
    table["carbs_g"][BREAKFAST], table["bolus_u"][BREAKFAST] = 50.0, 5.0
    table["carbs_g"][LUNCH] = 30.0
    table["bolus_u"][CORRECTION] = 2.0
    return doses_of(trace_of(table), slice(0, 288))


def scenario(**parts: object) -> Scenario:
    return scenario_of({"name": "tried", **parts})


def test_a_meal_that_is_moved_is_eaten_then_and_only_then(doses: Doses) -> None:
    later = scenario(recorded_meals=[{"at": "08:00", "to": "09:30"}])
    insulin, carbs = changed(doses, later)
    was_insulin, was = changed(doses, scenario())
    assert np.array_equal(insulin, was_insulin)
    assert carbs.sum() == pytest.approx(80.0) == was.sum()
    assert np.array_equal(carbs[570:580], was[480:490]) and not carbs[480:570].any()
    assert np.array_equal(carbs[720:], was[720:])


def test_a_meal_of_another_size_or_none(doses: Doses) -> None:
    larger = scenario(recorded_meals=[{"at": "08:00", "carbs_g": "80 g"}])
    assert changed(doses, larger)[1].sum() == pytest.approx(110.0)
    none = scenario(recorded_meals=[{"at": "08:00", "carbs_g": 0}])
    assert changed(doses, none)[1].sum() == pytest.approx(30.0)


def test_a_bolus_that_is_moved_stays_a_meals(doses: Doses) -> None:
    """Three hours from its meal it still follows the meals' ratio, and a correction does not."""
    moved = replace(
        scenario(recorded_boluses=[{"at": "08:00", "to": "11:00", "units": "4 U"}]),
    )
    more = replace(moved, therapy=replace(moved.therapy, carb_ratio=(Scaled(0.8, Daily()),)))
    given, ratio = changed(doses, moved)[0], changed(doses, more)[0]
    assert given[480] == pytest.approx(1.0 / 60.0)
    assert given[660] == pytest.approx(4.0 + 1.0 / 60.0)
    assert ratio[660] == pytest.approx(5.0 + 1.0 / 60.0)
    assert ratio[900] == pytest.approx(2.0 + 1.0 / 60.0)


def test_two_that_change_places_lose_nothing(doses: Doses) -> None:
    """Each is taken away before any is put down."""
    swapped = scenario(
        recorded_meals=[{"at": "08:00", "to": "12:00"}, {"at": "12:00", "to": "08:00"}]
    )
    found = as_edited(doses, swapped)
    assert found.carbs_g[BREAKFAST] == 30.0 and found.carbs_g[LUNCH] == 50.0


def test_what_is_put_where_something_is_adds_up(doses: Doses) -> None:
    found = as_edited(doses, scenario(recorded_meals=[{"at": "08:00", "to": "12:00"}]))
    assert found.carbs_g[LUNCH] == 80.0 and found.carbs_g[BREAKFAST] == 0.0


def test_a_moved_meal_arrives_at_the_heads_delay(doses: Doses) -> None:
    slow = replace(doses, meal_delay_min=LATE)
    moved = changed(slow, scenario(recorded_meals=[{"at": "08:00", "to": "09:30"}]))[1]
    assert np.flatnonzero(moved)[0] == 570 + 20


def test_a_change_of_nothing_is_what_was_recorded(doses: Doses) -> None:
    same = scenario(recorded_meals=[{"at": "08:00"}], recorded_boluses=[{"at": "15:00"}])
    for one, other in zip(changed(doses, same), changed(doses, scenario()), strict=True):
        assert np.array_equal(one, other)
    assert as_edited(doses, scenario()) is doses


def test_the_edit_counts_and_would_be_missed(doses: Doses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: doses that are not edited before the scenario acts."""
    monkeypatch.setattr(administered, "as_edited", lambda doses, scenario: doses)
    with pytest.raises(AssertionError):
        test_a_meal_that_is_moved_is_eaten_then_and_only_then(doses)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"recorded_meals": [{"at": "08:05"}]}, r"no recorded meal at 08:05, .*meals\[1\]"),
        ({"recorded_meals": [{"at": "08:05"}]}, r"08:00 \(50 g\), 12:00 \(30 g\)"),
        ({"recorded_boluses": [{"at": "12:00"}]}, r"no recorded bolus .* 15:00 \(2 U\)"),
        ({"recorded_meals": [{"at": "08:00"}, {"at": "08:00", "to": "9:00"}]}, "two changes"),
    ],
)
def test_what_was_not_recorded_cannot_be_changed(
    doses: Doses, parts: dict[str, object], found: str
) -> None:
    with pytest.raises(ScenarioError, match=found):
        changed(doses, scenario(**parts))


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"recorded_meals": [{"at": "08:00", "carbs_g": 2000}]}, "2000 g"),
        ({"recorded_boluses": [{"at": "08:00", "units": "100 U"}]}, "100 U"),
        ({"recorded_boluses": [{"at": "08:00", "to": "09:00", "to_day": 2}]}, "within it"),
        ({"recorded_boluses": [{"at": "08:00", "to_day": 2}]}, "no to at"),
        ({"recorded_meals": [{"at": "08:00", "fat_g": 3}]}, "fat_g"),
        ({"recorded_meals": [{"to": "08:00"}]}, "no at at"),
    ],
)
def test_what_no_file_may_hold(part: dict[str, object], found: str) -> None:
    with pytest.raises(ScenarioError, match=found):
        scenario(**part)


def test_days_are_told_apart_and_a_day_is_kept() -> None:
    parts = [{"at": "08:00", "day": 2, "to": "09:00"}]
    read = scenario(hours=72, recorded_meals=parts, recorded_boluses=parts)
    assert read.life.recorded_meals == (RecordedMeal(1440 + 480, 1440 + 540),)
    assert read.therapy.recorded_boluses == (RecordedBolus(1440 + 480, 1440 + 540),)
    assert Life() != read.life and Therapy() != read.therapy
    (over,) = scenario(
        hours=48, recorded_meals=[{"at": "23:00", "to": "01:00", "to_day": 2}]
    ).life.recorded_meals
    assert over.to_minute == 1440 + 60
