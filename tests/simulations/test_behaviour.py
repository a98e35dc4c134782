"""Meals as planned, counted, forgotten and logged, over many virtual people."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from simulations.behaviour import (
    COURSES,
    DAY_MIN,
    Bolus,
    Habits,
    Meals,
    draw_habits,
    plan_meals,
    weekend,
)

YEAR = 364


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def habits() -> Habits:
    return replace(
        draw_habits("adult", rng(0)),
        missed_share=0.10,
        late_share=0.15,
        counting_bias=1.0,
        logs_missed_share=0.4,
        clock_shift_min=0.0,
        weekend_stretch=1.0,
    )


@pytest.fixture(scope="module")
def year(habits: Habits) -> Meals:
    return plan_meals(habits, YEAR, 0, rng(1))


def courses(meals: Meals, label: str) -> npt.NDArray[np.bool_]:
    wanted = [index for index, course in enumerate(COURSES) if course.label == label]
    return np.isin(meals.course, wanted)


def at_weekend(meals: Meals) -> npt.NDArray[np.bool_]:
    return weekend(YEAR, 0)[meals.minute // DAY_MIN]


def test_weekends_are_saturday_and_sunday() -> None:
    assert weekend(9, 0).tolist() == [False] * 5 + [True] * 2 + [False] * 2
    assert weekend(3, 5).tolist() == [True, True, False]


def test_meals_come_in_order_and_within_the_stay(year: Meals) -> None:
    assert np.all(np.diff(year.minute) >= 0)
    assert year.minute.min() >= 0
    assert year.minute.max() < YEAR * DAY_MIN
    assert year.carbs_g.min() >= 4.0


def test_what_is_counted_is_not_what_is_eaten(year: Meals) -> None:
    assert np.mean(year.counted_g == year.carbs_g) < 0.01
    large = year.carbs_g > 30.0
    error = year.counted_g[large] / year.carbs_g[large] - 1.0
    assert error.std() == pytest.approx(0.20, abs=0.02)
    assert abs(error.mean()) < 0.02
    assert np.array_equal(year.counted_g, np.round(year.counted_g))


def test_boluses_are_missed_and_late_at_the_person_s_shares(year: Meals) -> None:
    assert np.mean(year.bolus == Bolus.MISSED) == pytest.approx(0.10, abs=0.025)
    assert np.mean(year.bolus == Bolus.LATE) == pytest.approx(0.15, abs=0.03)
    assert 15 <= year.delay_min.min() <= year.delay_min.max() <= 60


def test_only_meals_without_a_bolus_go_unlogged(year: Meals) -> None:
    missed = year.bolus == Bolus.MISSED
    assert year.logged[~missed].all()
    assert year.logged[missed].mean() == pytest.approx(0.4, abs=0.12)


def test_breakfast_is_later_and_meals_larger_at_weekends(year: Meals) -> None:
    breakfast, free = courses(year, "Breakfast"), at_weekend(year)
    clock = year.minute % DAY_MIN
    later = clock[breakfast & free].mean() - clock[breakfast & ~free].mean()
    assert later == pytest.approx(80.0, abs=15.0)
    dinner = courses(year, "Dinner")
    larger = year.carbs_g[dinner & free].mean() / year.carbs_g[dinner & ~free].mean()
    assert larger == pytest.approx(1.12, abs=0.09)


def test_without_weekends_there_is_no_such_difference(habits: Habits) -> None:
    meals = plan_meals(replace(habits, weekend_stretch=0.0), YEAR, 0, rng(1))
    breakfast, free = courses(meals, "Breakfast"), at_weekend(meals)
    clock = meals.minute % DAY_MIN
    assert abs(clock[breakfast & free].mean() - clock[breakfast & ~free].mean()) < 15.0


def test_main_meals_are_nearly_daily_and_snacks_are_not(year: Meals) -> None:
    assert courses(year, "Dinner").sum() / YEAR == pytest.approx(0.98, abs=0.02)
    assert 0.1 < courses(year, "Snack").sum() / YEAR < 1.8


def test_adolescents_miss_more_boluses_and_children_eat_less() -> None:
    people = {
        group: [draw_habits(group, rng(seed)) for seed in range(300)]
        for group in ("child", "adolescent", "adult")
    }
    missed = {group: np.mean([p.missed_share for p in them]) for group, them in people.items()}
    appetite = {group: np.mean([p.appetite for p in them]) for group, them in people.items()}
    assert missed["adolescent"] == pytest.approx(2.0 * missed["adult"])
    assert 0.05 < missed["child"] < 0.12
    assert appetite["child"] < 0.8 * appetite["adult"]


def test_the_same_seed_plans_the_same_meals(habits: Habits) -> None:
    first, again, other = (plan_meals(habits, 20, 0, rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.minute, again.minute)
    assert np.array_equal(first.counted_g, again.counted_g)
    assert not np.array_equal(first.carbs_g[:20], other.carbs_g[:20])
