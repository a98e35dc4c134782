"""The insulin and meals of some recorded hours as events that a scenario can change."""

from dataclasses import dataclass, field

import numpy as np

from models.inputs import (
    MU_PER_U,
    STATED_DEFAULT,
    BoolArray,
    LongActing,
    background_of,
    eaten_g_per_min,
    physiology_inputs,
    product_of,
)
from models.meal_delay import NO_DELAY, arrivals
from models.trace import STEP_MIN, FloatArray, Trace

MEAL_BOLUS_ROWS = 6
"""A bolus within half an hour of carbohydrate is that meal's; any other is a correction."""


@dataclass(frozen=True)
class Doses:
    """What was taken from a row on: U/h of each minute (T,), events of each row (n,).

    `of_meal` marks rows whose bolus belongs to a meal; `grams_per_u` is the median of recorded
    meals over their boluses, None if there is none; `correction_mg_dl_per_u` as the clinic has it.
    `meal_delay_min` (4,) is the head's, `on_its_way_g_per_min` (T,) what the record's other
    meals bring to these rows for it.
    """

    local_hour: FloatArray = field(repr=False)
    pump_u_per_h: FloatArray = field(repr=False)
    depot_u_per_h: FloatArray = field(repr=False)
    bolus_u: FloatArray = field(repr=False)
    of_meal: BoolArray = field(repr=False)
    carbs_g: FloatArray = field(repr=False)
    eaten_g_per_min: FloatArray = field(repr=False)
    long_acting_u: FloatArray = field(repr=False)
    product: LongActing
    weight_kg: float
    grams_per_u: float | None
    correction_mg_dl_per_u: float | None
    meal_delay_min: FloatArray = field(repr=False)
    on_its_way_g_per_min: FloatArray = field(repr=False)


def doses_of(
    trace: Trace,
    rows: slice,
    correction_mg_dl_per_u: float | None = None,
    meal_delay_min: FloatArray = NO_DELAY,
) -> Doses:
    """The doses of these rows of a record; insulin or meals that are not known count as none."""
    usual = background_of(trace)
    inputs = physiology_inputs(trace, usual)
    to_u_per_h = inputs.weight_kg * 60.0 / MU_PER_U
    minutes = slice(STEP_MIN * rows.start, STEP_MIN * rows.stop)
    background = inputs.background_mu_kg_min[minutes] * to_u_per_h
    pump = np.nan_to_num(trace["basal_u_per_h"][rows], nan=usual.pump_u_per_h)
    pump = np.repeat(pump, STEP_MIN)
    carbs, bolus = (np.nan_to_num(trace[name][rows]) for name in ("carbs_g", "bolus_u"))
    product = product_of(trace.long_acting_product) or STATED_DEFAULT
    return Doses(
        local_hour=trace.local_hour[rows],
        pump_u_per_h=pump,
        depot_u_per_h=np.maximum(background - pump, 0.0),
        bolus_u=bolus,
        of_meal=(sum_near(carbs) > 0.0) & (bolus > 0.0),
        carbs_g=carbs,
        eaten_g_per_min=eaten_g_per_min(carbs),
        long_acting_u=np.nan_to_num(trace["long_acting_u"][rows]),
        product=product,
        weight_kg=inputs.weight_kg,
        grams_per_u=usual_grams_per_u(trace),
        correction_mg_dl_per_u=correction_mg_dl_per_u,
        meal_delay_min=meal_delay_min,
        on_its_way_g_per_min=_on_its_way(trace, rows, meal_delay_min)
        if meal_delay_min.any()
        else np.zeros(STEP_MIN * len(carbs)),
    )


def _on_its_way(trace: Trace, rows: slice, meal_delay_min: FloatArray) -> FloatArray:
    """What meals of the whole record bring to these rows beyond these rows' own, g/min (T,)."""
    minutes = slice(STEP_MIN * rows.start, STEP_MIN * rows.stop)
    hour, entered = trace.local_hour, eaten_g_per_min(np.nan_to_num(trace["carbs_g"]))
    within = eaten_g_per_min(np.nan_to_num(trace["carbs_g"][rows]))
    whole: FloatArray = arrivals(entered, hour, meal_delay_min)[minutes]
    return whole - arrivals(within, hour[rows], meal_delay_min)


def usual_grams_per_u(trace: Trace) -> float | None:
    """Median of recorded meals over the boluses within half an hour of them; None without any."""
    carbs, bolus = (np.nan_to_num(trace[name]) for name in ("carbs_g", "bolus_u"))
    meals = np.flatnonzero(carbs > 10.0)
    units = sum_near(bolus)[meals]
    taken = units > 0.0
    return float(np.median(carbs[meals][taken] / units[taken])) if taken.any() else None


def sum_near(amounts: FloatArray) -> FloatArray:
    """Sum of `amounts` (n,) within half an hour of each row, (n,)."""
    total = np.concatenate([[0.0], np.cumsum(amounts)])
    row = np.arange(len(amounts))
    ends = np.minimum(row + MEAL_BOLUS_ROWS + 1, len(amounts))
    near: FloatArray = total[ends] - total[np.maximum(row - MEAL_BOLUS_ROWS, 0)]
    return near
