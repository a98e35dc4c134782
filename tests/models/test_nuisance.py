"""Meals' and days' own terms: their courses against differences, and where they stand."""

from dataclasses import replace

import numpy as np
import pytest

from models import nuisance
from models.inputs import Inputs, physiology_inputs
from models.meal_delay import delayed
from models.nuisance import (
    DAY_PHI,
    SPREADS,
    Spread,
    day_count,
    meals_of,
    precision,
    slopes,
)
from models.openloop import open_loop
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.virtual import columns, eventful, heads, trace_of

START, NUDGE = 140.0, 1e-4
HEAD = heads(1, seed=8, spread=0.3)[0]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(4, seed=3))


def every_row(inputs: Inputs) -> FloatArray:
    dense = slopes(HEAD, inputs, START, np.arange(len(inputs))).toarray()
    found: FloatArray = np.array(dense, dtype=np.float64)
    return found


def path(inputs: Inputs, ln_s: FloatArray | None = None) -> FloatArray:
    course: FloatArray = open_loop(HEAD, inputs, START, ln_s).interstitial_mg_dl[0]
    return course


@pytest.mark.parametrize("meal", [0, 4, 11])
def test_a_meals_course_is_that_of_its_miscount(meal: int, inputs: Inputs) -> None:
    first = np.append(meals_of(inputs), len(inputs.carbs_mg_kg_min))

    def eaten(share: float) -> FloatArray:
        carbs = inputs.carbs_mg_kg_min.copy()
        carbs[first[meal] : first[meal + 1]] *= 1.0 + share
        return path(replace(inputs, carbs_mg_kg_min=carbs))

    differences = (eaten(NUDGE) - eaten(-NUDGE)) / (2.0 * NUDGE)
    found = every_row(inputs)[:, meal]
    assert np.abs(differences).max() > 5.0
    assert found == pytest.approx(differences, abs=2e-3 * np.abs(differences).max())


@pytest.mark.parametrize("meal", [0, 4, 11])
def test_a_delayed_meals_course_is_that_of_its_miscount(meal: int, inputs: Inputs) -> None:
    late = np.array([25.3, -14.2, 0.0, 40.1])
    first = np.append(meals_of(inputs), len(inputs.carbs_mg_kg_min))

    def eaten(share: float) -> FloatArray:
        carbs = inputs.carbs_mg_kg_min.copy()
        carbs[first[meal] : first[meal + 1]] *= 1.0 + share
        return path(delayed(replace(inputs, carbs_mg_kg_min=carbs), late))

    differences = (eaten(NUDGE) - eaten(-NUDGE)) / (2.0 * NUDGE)
    found = every_row(delayed(inputs, late))[:, meal]
    assert np.abs(differences).max() > 5.0
    assert found == pytest.approx(differences, abs=2e-3 * np.abs(differences).max())


def test_delays_that_bring_meals_together_leave_them_two() -> None:
    """The planted fault was met: counted as they arrive, terms and their precision differ."""
    table = columns(1)
    table["carbs_g"][[8 * 12, 8 * 12 + 9, 20 * 12]] = 30.0
    inputs = physiology_inputs(trace_of(table))
    late = delayed(inputs, np.array([60.0, -30.0, 0.0, 0.0]))
    joined = replace(late, entered_mg_kg_min=None, meal_delay_min=None)
    assert len(meals_of(inputs)) == len(meals_of(late)) == 3 > len(meals_of(joined))
    assert slopes(HEAD, late, START, np.arange(288)).shape == (288, 4)


@pytest.mark.parametrize("day", [0, 2, 3])
def test_a_days_course_is_that_of_its_sensitivity(day: int, inputs: Inputs) -> None:
    away = np.abs(np.arange(len(inputs)) / STEPS_PER_DAY - (day + 0.5))
    weight = np.maximum(1.0 - away, 0.0)
    rise = path(inputs, NUDGE * weight) - path(inputs, -NUDGE * weight)
    differences = rise / (2.0 * NUDGE)
    found = every_row(inputs)[:, len(meals_of(inputs)) + day]
    assert np.abs(differences).max() > 1.0
    assert found == pytest.approx(differences, abs=2e-3 * np.abs(differences).max())


def test_a_tape_of_another_head_is_seen(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above has teeth: slopes of a step that was never taken are far off."""
    right = nuisance.tape_of
    monkeypatch.setattr(nuisance, "tape_of", lambda values, *rest: right(values * 1.3, *rest))
    wrong = every_row(inputs)[:, 0]
    monkeypatch.undo()
    found = every_row(inputs)[:, 0]
    assert np.abs(wrong - found).max() > 0.02 * np.abs(found).max()


def test_only_rows_with_readings_are_kept(inputs: Inputs) -> None:
    places = np.flatnonzero(np.random.default_rng(1).uniform(size=len(inputs)) < 0.3)
    some = slopes(HEAD, inputs, START, places).toarray()
    assert np.array_equal(some, every_row(inputs)[places])


def test_food_within_half_an_hour_is_one_meal() -> None:
    table = columns(1)
    table["carbs_g"][[60, 63, 100, 200]] = 30.0, 10.0, 50.0, 5.0
    assert meals_of(physiology_inputs(trace_of(table))).tolist() == [300, 500, 1000]


def test_a_begun_day_counts() -> None:
    inputs = physiology_inputs(eventful(3, seed=1))
    assert day_count(inputs) == 3
    assert day_count(inputs.take(np.arange(2 * STEPS_PER_DAY + 5))) == 3


def test_meals_are_independent_and_days_are_alike(inputs: Inputs) -> None:
    covariance = np.linalg.inv(precision(inputs, Spread(meal_sd=0.2, day_sd=0.15)))
    meals = len(meals_of(inputs))
    assert covariance[:meals, :meals] == pytest.approx(0.2**2 * np.eye(meals))
    days = covariance[meals:, meals:] / 0.15**2
    assert days[0] == pytest.approx(DAY_PHI ** np.arange(4))
    assert not covariance[:meals, meals:].any()


def test_spreads_run_from_nearly_none_to_much() -> None:
    assert min(SPREADS, key=lambda s: s.meal_sd + s.day_sd) == Spread(0.03, 0.02)
    assert len(set(SPREADS)) == len(SPREADS)


def test_a_record_without_meals_has_days_only() -> None:
    table = columns(2)
    table["bolus_u"][100] = 3.0
    inputs = physiology_inputs(trace_of(table))
    assert slopes(HEAD, inputs, START, np.arange(len(inputs))).shape == (len(inputs), 2)
    assert precision(inputs, SPREADS[0]).shape == (2, 2)
