"""Meals and boluses of the record at another time or of another size, before a scenario acts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.doses import Doses
from models.inputs import eaten_g_per_min
from models.scenario import RecordedBolus, RecordedMeal, Scenario, refused
from models.trace import STEP_MIN, FloatArray, IntArray

DAY_MIN = 24 * 60
WHAT = {"recorded_meals": "meal", "recorded_boluses": "bolus"}


def as_edited(doses: Doses, scenario: Scenario) -> Doses:
    """The doses with the scenario's changes of single recorded meals and boluses, to five minutes.

    A bolus stays what it was recorded as, a meal's or a correction, wherever it goes. ScenarioError
    where none was recorded at the time that is named.
    """
    meals, boluses = scenario.life.recorded_meals, scenario.therapy.recorded_boluses
    if not (meals or boluses):
        return doses
    carbs, bolus, of_meal = doses.carbs_g, doses.bolus_u, doses.of_meal
    if meals:
        eaten = _places("recorded_meals", "g", carbs, meals)
        carbs = _moved(carbs, *eaten, [one.carbs_g for one in meals])
    if boluses:
        places = _places("recorded_boluses", "U", bolus, boluses)
        bolus = _moved(bolus, *places, [one.units for one in boluses])
        of_meal = _moved(of_meal.astype(np.float64), *places, [None] * len(boluses)) > 0.0
    return replace(
        doses,
        carbs_g=carbs,
        eaten_g_per_min=eaten_g_per_min(carbs) if meals else doses.eaten_g_per_min,
        bolus_u=bolus,
        of_meal=of_meal,
    )


def _places(
    key: str, unit: str, amounts: FloatArray, changes: Sequence[RecordedMeal | RecordedBolus]
) -> tuple[IntArray, IntArray]:
    """Rows of the record that are named, and those where they go."""
    what = WHAT[key]
    rows = np.array([one.minute // STEP_MIN for one in changes])
    for number, row in enumerate(rows.tolist(), 1):
        if amounts[row] > 0.0:
            continue
        there = np.flatnonzero(amounts > 0.0).tolist()
        known = ", ".join(f"{_clock(one)} ({amounts[one]:.3g} {unit})" for one in there)
        raise refused(
            f"no recorded {what} at {_clock(row)}, which scenario.{key}[{number}] would change",
            f"the time of one of that day's: {known or 'there is none'}",
            "choose the day it was recorded on (--day), and write its time as it stands there",
        )
    if len(set(rows.tolist())) < len(rows):
        raise refused(f"two changes of one recorded {what}", "one of each", "leave one out")
    return rows, np.array([one.to_minute // STEP_MIN for one in changes])


def _moved(
    amounts: FloatArray, rows: IntArray, to: IntArray, new: Sequence[float | None]
) -> FloatArray:
    """`amounts` (n,) with those of `rows` at `to` instead, of the new amount where there is one."""
    moved, before = amounts.copy(), amounts[rows]
    moved[rows] = 0.0
    for row, was, now in zip(to.tolist(), before.tolist(), new, strict=True):
        moved[row] += was if now is None else now
    return moved


def _clock(row: int) -> str:
    """`07:30`, or `07:30 of day 2`."""
    day, minute = divmod(STEP_MIN * row, DAY_MIN)
    clock = f"{minute // 60:02d}:{minute % 60:02d}"
    return f"{clock} of day {day + 1}" if day else clock
