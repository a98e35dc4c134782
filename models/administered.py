"""What a scenario makes of recorded doses: insulin and carbohydrate of every minute."""

from collections.abc import Iterator

import numpy as np

from models.doses import Doses
from models.inputs import (
    bites_g,
    depot_release,
    eaten_g_per_min,
)
from models.meal_delay import arrivals
from models.recorded_change import as_edited
from models.scenario import (
    Eaten,
    LongActingChange,
    Scaled,
    Scenario,
    Wave,
    refused,
)
from models.trace import STEP_MIN, FloatArray

Given = tuple[int, float, Wave]
"""Minute, units and wave of a bolus."""


def changed(doses: Doses, scenario: Scenario) -> tuple[FloatArray, FloatArray]:
    """Insulin U/min and carbohydrate g/min of each minute (T,) as the scenario has them.

    Recorded meals arrive at the head's delay; added ones as they are asked for, never before.
    """
    doses = as_edited(doses, scenario)
    insulin = (_pump(doses, scenario) + _depot(doses, scenario.therapy.long_acting)) / 60.0
    for minute, units, wave in _boluses(doses, scenario):
        _give(insulin, minute, units, wave)
    skipped = scenario.life.skipped
    carbs = eaten_g_per_min(_kept(doses, scenario)) if skipped else doses.eaten_g_per_min
    added = np.zeros_like(carbs)
    for one in scenario.life.meals:
        if one.meal.plain:
            _eat(added, one.meal.minute, one.meal.carbs_g)
    late, hour = doses.meal_delay_min, doses.local_hour
    arrived = doses.on_its_way_g_per_min + arrivals(carbs, hour, late)
    return insulin, arrived + arrivals(added, hour, np.maximum(late, 0.0))


def _pump(doses: Doses, scenario: Scenario) -> FloatArray:
    therapy, pump = scenario.therapy, doses.pump_u_per_h.copy()
    if (therapy.basal or therapy.temporary_basal) and not pump.any():
        raise refused(
            "a change of basal rate for somebody without a pump",
            "a pump's basal rates on record",
            "change long_acting instead",
        )
    for one in therapy.basal:
        pump[np.repeat(one.window.holds(doses.local_hour), STEP_MIN)] *= one.scale
    for temporary in therapy.temporary_basal:
        first = temporary.during.minute
        pump[first : first + temporary.during.minutes] *= temporary.scale
    return pump


def _depot(doses: Doses, change: LongActingChange | None) -> FloatArray:
    """U/h of long-acting insulin: today's, and what other injections from now on add or take."""
    if change is None:
        return doses.depot_u_per_h
    if not doses.long_acting_u.any():
        raise refused(
            "a change of long-acting insulin on days without an injection of it",
            "such doses on record",
            "choose other days, or change the pump's basal",
        )
    given = doses.long_acting_u * change.scale
    if change.units is not None:
        given = np.where(given > 0.0, change.units, 0.0)
    if change.at_hour is not None:
        given = _moved(given, doses.local_hour, change.at_hour)
    new = depot_release(given, (change.product or doses.product).half_life_h)
    old = depot_release(doses.long_acting_u, doses.product.half_life_h)
    released: FloatArray = np.maximum(doses.depot_u_per_h + 60.0 * (new - old), 0.0)
    return released


def _moved(given: FloatArray, local_hour: FloatArray, at_hour: float) -> FloatArray:
    """Each injection at this hour of its own day."""
    moved = np.zeros_like(given)
    for row in np.flatnonzero(given).tolist():
        shift = round((at_hour - float(local_hour[row])) * 60 / STEP_MIN)
        moved[min(max(row + shift, 0), len(moved) - 1)] += given[row]
    return moved


def _boluses(doses: Doses, scenario: Scenario) -> Iterator[Given]:
    """Every bolus: recorded ones as changed, those added, those of added meals."""
    for row in np.flatnonzero(doses.bolus_u).tolist():
        recorded = _of_meal if doses.of_meal[row] else _correction
        yield recorded(doses, scenario, row)
    for one in scenario.therapy.boluses:
        yield one.minute, one.units, one.wave
    for eaten in scenario.life.meals:
        yield eaten.meal.minute, _units_for(doses, scenario, eaten), eaten.wave


def _of_meal(doses: Doses, scenario: Scenario, row: int) -> Given:
    """A recorded meal's bolus by the scenario's ratio, timing and wave; none if it was skipped."""
    hour, minute, wave = float(doses.local_hour[row]), STEP_MIN * row, Wave()
    if _is_skipped(scenario, hour):
        return minute, 0.0, wave
    units = float(doses.bolus_u[row]) / _factor(scenario.therapy.carb_ratio, hour)
    for change in scenario.therapy.meal_boluses:
        if change.window.holds(hour):
            minute, units = max(minute + change.later_min, 0), units * change.scale
            wave = change.wave
    return minute, units, wave


def _correction(doses: Doses, scenario: Scenario, row: int) -> Given:
    """A recorded correction by the scenario's factor and target; never below none."""
    therapy, units = scenario.therapy, float(doses.bolus_u[row])
    if therapy.target is not None:
        if doses.correction_mg_dl_per_u is None:
            raise refused(
                "another target without a correction factor",
                "how far 1 U brings this patient's glucose down",
                "give the correction factor beside the scenario: --correction-factor 45",
            )
        units -= therapy.target.shift_mg_dl / doses.correction_mg_dl_per_u
    units /= _factor(therapy.correction_factor, float(doses.local_hour[row]))
    return STEP_MIN * row, max(units, 0.0), Wave()


def _units_for(doses: Doses, scenario: Scenario, eaten: Eaten) -> float:
    """The bolus of an added meal: as given, else its carbohydrate by the ratio of the hour."""
    if eaten.bolus_u is not None:
        return eaten.bolus_u
    if doses.grams_per_u is None:
        raise refused(
            "an added meal without a bolus, and no meal bolus on record to take a ratio from",
            "units for it",
            "give bolus_u, 0 for none",
        )
    hour = float(doses.local_hour[min(eaten.meal.minute // STEP_MIN, len(doses.local_hour) - 1)])
    ratio = doses.grams_per_u * _factor(scenario.therapy.carb_ratio, hour)
    return eaten.meal.carbs_g / ratio


def _factor(changes: tuple[Scaled, ...], hour: float) -> float:
    factor = 1.0
    for change in changes:
        factor *= change.scale if change.window.holds(hour) else 1.0
    if factor == 0.0:
        raise refused("a ratio or factor of 0", "above 0", "give a change such as -20%")
    return factor


def _is_skipped(scenario: Scenario, hour: float) -> bool:
    return any(bool(window.holds(hour)) for window in scenario.life.skipped)


def _kept(doses: Doses, scenario: Scenario) -> FloatArray:
    """Recorded carbohydrate, g of each row, without meals that are skipped."""
    skipped = np.any([one.holds(doses.local_hour) for one in scenario.life.skipped], axis=0)
    return np.where(skipped, 0.0, doses.carbs_g)


def _give(insulin: FloatArray, minute: int, units: float, wave: Wave) -> None:
    """Adds a bolus, U/min, in place; what falls beyond the end is not given."""
    if minute < len(insulin):
        insulin[minute] += units * wave.now
    lasts = round(60 * wave.over_h)
    if wave.now < 1.0:
        insulin[minute : minute + lasts] += units * (1.0 - wave.now) / lasts


def _eat(carbs: FloatArray, minute: int, grams: float) -> None:
    """Adds a meal eaten at the usual pace, g/min, in place."""
    bites = bites_g(grams)
    there = carbs[minute : minute + len(bites)]
    there += bites[: len(there)]
