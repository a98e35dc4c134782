"""From every origin, what the physiology expects of the coming hours if nothing is taken in."""

from dataclasses import dataclass

import numba
import numpy as np

from models.heads import Head, physical
from models.inputs import EATING_G_PER_MIN, MG_PER_G, Inputs
from models.meal_delay import arrivals_ahead
from models.openloop import (
    IG,
    advance_chains,
    advance_glucose,
    daily_multiplier,
    open_loop,
    rates_of,
    set_hour,
)
from models.physiology import INSULIN_DELAY_MIN
from models.trace import STEP_MIN, FloatArray, IntArray

HORIZONS_MIN = (30, 60, 120)
STRETCHES_MIN = (0, 30, 60, 120)
"""Ends of the stretches over which a disturbance is held: [0, 30), [30, 60), [60, 120) min."""

NUDGE = 1e-5
"""Step of the forward differences: of ln(sensitivity), and mg/dL/min of disturbance."""


class RolloutError(ValueError):
    """Origins or horizons that cannot be rolled out."""


@dataclass(frozen=True)
class Rollout:
    """W origins by H horizons.

    `base` (W, H) mg/dL; `d_sensitivity` (W, H) mg/dL per unit of ln(sensitivity multiplier) held
    from the origin on; `response` (W, H, 3) mg/dL per 1 mg/dL/min held over [0, 30), [30, 60) and
    [60, 120) min.
    """

    base: FloatArray
    d_sensitivity: FloatArray
    response: FloatArray


def rollout(
    head: Head,
    inputs: Inputs,
    origins: IntArray,
    horizons_min: tuple[int, ...] = HORIZONS_MIN,
    start_mg_dl: float | None = None,
) -> Rollout:
    """Interstitial glucose ahead of each origin row (W,), with its first derivatives.

    Starts from the open-loop state at the origin. No bolus and no meal of the origin's row or later
    is seen; the background rate of the last minute before it is held, and what was already under
    the skin, in the gut or on the plate keeps acting. The open loop itself starts at rest at
    `start_mg_dl`, by default Gb.
    """
    _require(inputs, origins, horizons_min)
    values = physical(head.theta)
    start = values[0] if start_mg_dl is None else start_mg_dl
    states = open_loop(head.theta, inputs, start).states[0]
    rows = np.asarray(origins, dtype=np.int64)
    ahead = _roll(
        values,
        states[rows],
        doses_ahead(inputs, rows, horizons_min[-1]),
        inputs.local_hour[rows],
        np.asarray(horizons_min, dtype=np.int64),
    )
    slopes = (ahead[:, 1:] - ahead[:, :1]) / NUDGE
    return Rollout(ahead[:, 0], slopes[:, 0], np.moveaxis(slopes[:, 1:], 1, 2))


def _require(inputs: Inputs, origins: IntArray, horizons_min: tuple[int, ...]) -> None:
    rows = np.asarray(origins)
    if rows.size and (rows.min() < 0 or rows.max() >= len(inputs)):
        raise RolloutError(
            f"origins lie between rows {rows.min()} and {rows.max()}; expected 0 to "
            f"{len(inputs) - 1}. Nothing was rolled out. Drop the origins outside the inputs."
        )
    if list(horizons_min) != sorted(set(horizons_min)) or min(horizons_min, default=0) <= 0:
        raise RolloutError(
            f"horizons are {horizons_min}; expected increasing positive minutes. Nothing was "
            "rolled out. Pass for example (30, 60, 120)."
        )


def doses_ahead(inputs: Inputs, rows: IntArray, minutes: int) -> FloatArray:
    """What acts in the minutes after each row if nothing more is given or eaten, (W, 2, M).

    Insulin above rest that reaches the subcutis and carbohydrate, a minute; as `rollout` says.
    """
    span = np.arange(minutes)
    return np.stack([_insulin_ahead(inputs, rows, span), _meals_ahead(inputs, rows, span)], axis=1)


def doses_of_row(inputs: Inputs, row: int) -> FloatArray:
    """What really acted in the five minutes of a row, (2, 5), in the form of `doses_ahead`."""
    minutes = np.arange(STEP_MIN * row, STEP_MIN * (row + 1))
    due = minutes - INSULIN_DELAY_MIN
    above = inputs.insulin_mu_kg_min[np.maximum(due, 0)] - inputs.resting_mu_kg_min
    return np.stack([np.where(due >= 0, above, 0.0), inputs.carbs_mg_kg_min[minutes]])


def _insulin_ahead(inputs: Inputs, rows: IntArray, span: IntArray) -> FloatArray:
    """Insulin above rest reaching the subcutis, (W, M): past delivery, then the background held."""
    delivered = STEP_MIN * rows[:, None] + span - INSULIN_DELAY_MIN
    held = inputs.background_mu_kg_min[np.maximum(STEP_MIN * rows - 1, 0)]
    past = inputs.insulin_mu_kg_min[np.maximum(np.minimum(delivered, STEP_MIN * rows[:, None]), 0)]
    past = np.where(delivered >= 0, past, inputs.resting_mu_kg_min)
    ahead: FloatArray = np.where(span < INSULIN_DELAY_MIN, past, held[:, None])
    return ahead - inputs.resting_mu_kg_min


def _meals_ahead(inputs: Inputs, rows: IntArray, span: IntArray) -> FloatArray:
    """What is left on the plate, eaten at its pace, and what is on its way, mg/kg/min (W, M)."""
    bite = EATING_G_PER_MIN * MG_PER_G / inputs.weight_kg
    to_eat = np.clip(inputs.uneaten_mg_kg[rows][:, None] - bite * span, 0.0, bite)
    entered, late = inputs.entered_mg_kg_min, inputs.meal_delay_min
    if entered is None or late is None:
        return to_eat
    given = zip(rows.tolist(), to_eat, strict=True)
    return np.stack(
        [arrivals_ahead(entered, inputs.local_hour, late, row, each) for row, each in given]
    )


@numba.njit(cache=True)
def _roll(
    values: FloatArray,
    states: FloatArray,
    by_minute: FloatArray,
    local_hour: FloatArray,
    horizons: IntArray,
) -> FloatArray:
    """(W, 5, H): unperturbed, then sensitivity nudged, then the disturbance of each stretch.

    `by_minute` (W, 2, M): insulin above rest and carbohydrate.
    """
    ahead = np.empty((len(states), 1 + len(STRETCHES_MIN), len(horizons)))
    rates = rates_of(values)
    chains = np.empty((by_minute.shape[2], 2))
    for w in range(len(states)):
        for variant in (1, 0):  # The unperturbed one last: its chains carry the disturbances.
            y, s = states[w].copy(), 1.0
            for minute in range(len(chains)):
                if minute % STEP_MIN == 0:
                    hour = (local_hour[w] + minute / 60.0) % 24.0
                    s = daily_multiplier(values, hour, variant * NUDGE)
                    set_hour(rates, values, hour)
                u, carbs = by_minute[w, 0, minute], by_minute[w, 1, minute]
                chains[minute] = advance_chains(y, rates, u, carbs, s)
            _glucose_ahead(states[w], rates, chains, horizons, ahead[w, variant])
        for stretch in range(len(STRETCHES_MIN) - 1):
            held = slice(STRETCHES_MIN[stretch], STRETCHES_MIN[stretch + 1])
            chains[held, 1] += NUDGE
            _glucose_ahead(states[w], rates, chains, horizons, ahead[w, 2 + stretch])
            chains[held, 1] -= NUDGE
    return ahead


@numba.njit(cache=True)
def _glucose_ahead(
    state: FloatArray, rates: FloatArray, chains: FloatArray, horizons: IntArray, ahead: FloatArray
) -> None:
    """Interstitial glucose at the horizons (H,), into `ahead`; `chains` (M, 2): X and source."""
    y, horizon = state.copy(), 0
    for minute in range(len(chains)):
        advance_glucose(y, rates, chains[minute, 0], chains[minute, 1])
        if minute + 1 == horizons[horizon]:
            ahead[horizon] = y[IG]
            horizon += 1
