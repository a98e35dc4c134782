"""What a virtual person means to eat, counts, forgets and writes down, day after day.

Everything here is planned before glucose is known; what depends on glucose is in `living`. Sizes
and habits are ours, set so that a virtual clinic looks like the published ones: about 180 g of
carbohydrate a day in adults, about one main meal in twelve without its bolus, one in eight late.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from models.trace import FloatArray, IntArray

DAY_MIN = 24 * 60
COUNTING_SD = 0.20
_SMALLEST_MEAL_G = 4.0
_APPETITE = {"child": 0.7, "adolescent": 1.0, "adult": 1.0}


class Bolus(IntEnum):
    """When the bolus of a meal is given."""

    WITH_MEAL = 0
    LATE = 1
    MISSED = 2


@dataclass(frozen=True)
class Course:
    """One meal of the day over the population: its clock, size, how often, and at weekends."""

    label: str
    minute_of_day: float
    carbs_g: float
    share_of_days: float
    weekend_delay_min: float


COURSES = (
    Course("Breakfast", 7.3 * 60, 42.0, 0.93, 80.0),
    Course("Snack", 10.3 * 60, 15.0, 0.25, 40.0),
    Course("Lunch", 12.6 * 60, 58.0, 0.96, 30.0),
    Course("Snack", 15.8 * 60, 18.0, 0.45, 15.0),
    Course("Dinner", 18.8 * 60, 65.0, 0.98, 25.0),
    Course("Snack", 21.4 * 60, 15.0, 0.25, 20.0),
)
WEEKEND_APPETITE = 1.12


@dataclass(frozen=True)
class Habits:
    """One person's ways. Shares are probabilities per meal or per occasion."""

    appetite: float
    clock_shift_min: float
    clock_sd_min: float
    weekend_stretch: float
    snack_stretch: float
    missed_share: float
    late_share: float
    counting_bias: float
    logs_missed_share: float
    logs_rescue_share: float
    attention: float
    temporary_basals_per_week: float


@dataclass(frozen=True)
class Meals:
    """Planned meals in order of time, (m,) each: minute of the stay, true and counted grams.

    `bolus` is a Bolus; `delay_min` applies to late ones; `logged` says whether a record is kept.
    """

    minute: IntArray
    carbs_g: FloatArray
    counted_g: FloatArray
    bolus: IntArray
    delay_min: IntArray
    logged: npt.NDArray[np.bool_]
    course: IntArray


def draw_habits(group: str, rng: np.random.Generator) -> Habits:
    """Habits of one person of `group`; adolescents miss twice as many boluses as others."""
    careless = 2.0 if group == "adolescent" else 1.0
    return Habits(
        appetite=_APPETITE[group] * float(np.exp(0.2 * rng.standard_normal())),
        clock_shift_min=float(rng.normal(0.0, 30.0)),
        clock_sd_min=float(rng.uniform(15.0, 50.0)),
        weekend_stretch=float(rng.uniform(0.4, 1.6)),
        snack_stretch=float(rng.uniform(0.3, 1.7)),
        missed_share=careless * float(rng.beta(2.0, 23.0)),
        late_share=float(rng.beta(2.0, 14.0)),
        counting_bias=0.93 * float(np.exp(0.08 * rng.standard_normal())),
        logs_missed_share=float(rng.uniform(0.2, 0.8)),
        logs_rescue_share=float(rng.uniform(0.3, 0.9)),
        attention=float(rng.uniform(0.3, 1.0)),
        temporary_basals_per_week=float(rng.uniform(0.0, 2.5)),
    )


def weekend(days: int, first_weekday: int) -> npt.NDArray[np.bool_]:
    """True (days,) on Saturdays and Sundays; `first_weekday` counts from Monday = 0."""
    return (np.arange(days) + first_weekday) % 7 >= 5


def plan_meals(habits: Habits, days: int, first_weekday: int, rng: np.random.Generator) -> Meals:
    """The meals of a stay of `days` from midnight, true and as the person counts them."""
    when, grams, course = _table(habits, weekend(days, first_weekday), rng)
    order = np.argsort(when, kind="stable")
    when, grams, course = when[order], grams[order], course[order]
    size = len(when)
    error = np.clip(1.0 + COUNTING_SD * rng.standard_normal(size), 0.4, 1.8)
    chance = rng.random(size)
    missed = chance < habits.missed_share
    late = ~missed & (chance < habits.missed_share + habits.late_share)
    return Meals(
        minute=when,
        carbs_g=grams,
        counted_g=np.maximum(1.0, np.round(grams * habits.counting_bias * error)),
        bolus=np.where(missed, Bolus.MISSED, np.where(late, Bolus.LATE, Bolus.WITH_MEAL)),
        delay_min=rng.integers(15, 61, size),
        logged=~missed | (rng.random(size) < habits.logs_missed_share),
        course=course,
    )


def _table(
    habits: Habits, at_weekend: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[IntArray, FloatArray, IntArray]:
    """Minute, grams and course of every meal eaten, in order of course and day."""
    days = len(at_weekend)
    midnight = DAY_MIN * np.arange(days)
    parts: list[tuple[IntArray, FloatArray, IntArray]] = []
    for index, course in enumerate(COURSES):
        share = course.share_of_days
        share *= habits.snack_stretch if course.label == "Snack" else 1.0
        eaten = rng.random(days) < share
        delay = course.weekend_delay_min * habits.weekend_stretch * at_weekend
        clock = course.minute_of_day + habits.clock_shift_min + delay
        clock += habits.clock_sd_min * rng.standard_normal(days)
        grams = course.carbs_g * habits.appetite * np.where(at_weekend, WEEKEND_APPETITE, 1.0)
        grams = np.maximum(_SMALLEST_MEAL_G, grams * np.exp(0.28 * rng.standard_normal(days)))
        minute = midnight + np.clip(clock, 0, DAY_MIN - 1).astype(np.int64)
        parts.append((minute[eaten], grams[eaten], np.full(int(eaten.sum()), index)))
    when, carbs, courses = zip(*parts, strict=True)
    return np.concatenate(when), np.concatenate(carbs), np.concatenate(courses)
