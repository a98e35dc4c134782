"""The same physiology without derivatives: one fused recursion, for calibration and rollouts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from models.heads import NAMES, physical
from models.inputs import Inputs
from models.physiology import (
    BIOAVAILABILITY,
    INSULIN_DELAY_MIN,
    INTERSTITIAL_LAG_MIN,
    KE_PER_MIN,
    VG_DL_PER_KG,
    VI_L_PER_KG,
)
from models.scan import glucose_head, next_glucose
from models.trace import STEP_MIN, FloatArray

# Places of the parameters in a row of values ...
GB, SG, P2, KA2, KD, KEMPT, SI, KABS, GAIN, RISK, SE, KE, COS, SIN = range(14)
BREAKFAST, LUNCH, SNACK, DINNER = MEALS = tuple(range(14, len(NAMES)))
# ... and of the states, in the units of models/physiology.py.
STATES = ("Isc1", "Isc2", "Ip", "X", "e1", "e2", "Q1", "Q2", "Qg", "G", "IG")
ISC1, ISC2, IP, X, E1, E2, Q1, Q2, QG, G, IG = range(len(STATES))

LAG = 1.0 / INTERSTITIAL_LAG_MIN
IP_DAMPING = 1.0 / (1.0 + 0.5 * KE_PER_MIN)
IG_DAMPING = 1.0 / (1.0 + 0.5 * LAG)
TO_RA = BIOAVAILABILITY / VG_DL_PER_KG
HOUR_TO_PHASE = 2.0 * np.pi / 24.0

MEAL_HOURS = np.array([8.0, 13.0, 16.5, 20.0])
"""Local hours at which breakfast, lunch, snack and dinner have kabs to themselves."""


@dataclass(frozen=True)
class OpenLoop:
    """`interstitial_mg_dl` (B, n) and all `states` (B, n, len(STATES)) at each row's start."""

    interstitial_mg_dl: FloatArray
    states: FloatArray


def open_loop(
    theta: FloatArray,
    inputs: Inputs | Sequence[Inputs],
    start_mg_dl: float | FloatArray,
    ln_sensitivity: FloatArray | None = None,
    disturbance_mg_dl_min: FloatArray | None = None,
) -> OpenLoop:
    """What B heads `theta` (B, K) or (K,) make of inputs, from rest at `start_mg_dl`, one or (B,).

    One `inputs` is shared by the heads; a sequence has one for each head, equally long, and a
    single head then meets them all. `ln_sensitivity` and `disturbance_mg_dl_min` are (n,) or
    (B, n), 0 if None. Row i depends on inputs of rows before i only. Equal to `physiology.simulate`
    to rounding.
    """
    given = [inputs] if isinstance(inputs, Inputs) else list(inputs)
    values = physical(np.atleast_2d(theta))
    states = _replay(
        values if len(values) > 1 else np.repeat(values, len(given), axis=0),
        np.reshape(np.asarray(start_mg_dl, dtype=np.float64), -1),
        by_minute_of(given),
        by_row_of(given, ln_sensitivity, disturbance_mg_dl_min),
    )
    return OpenLoop(states[:, :, IG], states)


def by_minute_of(given: Sequence[Inputs]) -> FloatArray:
    """Insulin above rest and carbohydrate, (P, 2, T)."""
    return np.stack(
        [np.stack([i.insulin_mu_kg_min - i.resting_mu_kg_min, i.carbs_mg_kg_min]) for i in given]
    )


def by_row_of(
    given: Sequence[Inputs],
    ln_sensitivity: FloatArray | None = None,
    disturbance: FloatArray | None = None,
) -> FloatArray:
    """Local hour, ln sensitivity and disturbance, (P or B, 3, n)."""
    hour = np.stack([i.local_hour for i in given])
    none = np.zeros((1, hour.shape[1]))
    ln_s = none if ln_sensitivity is None else np.atleast_2d(ln_sensitivity)
    pushed = none if disturbance is None else np.atleast_2d(disturbance)
    return np.stack(np.broadcast_arrays(hour, ln_s, pushed), axis=1)


@numba.njit(cache=True, inline="always")
def advance_chains(
    y: FloatArray, rates: FloatArray, u: float, carbs: float, s: float
) -> tuple[float, float]:
    """A minute of insulin, its actions and the gut, in place; X (1/min) and source (mg/dL/min).

    `rates` (3, K) from `rates_of`.
    """
    v, damping = rates[0], rates[1]
    isc1 = relax(y, ISC1, u, v[KD], damping[KD])
    isc2 = relax(y, ISC2, v[KD] * isc1, v[KA2], damping[KA2])
    ip = relax(y, IP, v[KA2] * isc2, KE_PER_MIN, IP_DAMPING)
    insulin = s * ip / VI_L_PER_KG
    x = relax(y, X, v[P2] * v[SI] * insulin, v[P2], damping[P2])
    e1 = relax(y, E1, v[KE] * insulin, v[KE], damping[KE])
    e2 = relax(y, E2, v[KE] * e1, v[KE], damping[KE])
    q1 = relax(y, Q1, v[GAIN] * carbs, v[KEMPT], damping[KEMPT])
    q2 = relax(y, Q2, v[KEMPT] * q1, v[KEMPT], damping[KEMPT])
    qg = relax(y, QG, v[KEMPT] * q2, v[KABS], damping[KABS])
    production = max(v[SG] * v[GB] - v[SE] * e2, 0.0)
    return x, production + v[KABS] * qg * TO_RA


@numba.njit(cache=True, inline="always")
def advance_glucose(y: FloatArray, rates: FloatArray, x: float, source: float) -> None:
    """A minute of plasma and interstitial glucose, in place."""
    before = y[G]
    y[G] = next_glucose(before, source, x, rates[2])
    relax(y, IG, LAG * 0.5 * (before + y[G]), LAG, IG_DAMPING)


@numba.njit(cache=True, inline="always")
def relax(y: FloatArray, place: int, inflow: float, rate: float, damping: float) -> float:
    """Mean over the minute of a state with y' = inflow - rate y, which moves on in place."""
    rise = (inflow - rate * y[place]) * damping
    y[place] += rise
    mean: float = y[place] - 0.5 * rise
    return mean


@numba.njit(cache=True, inline="always")
def daily_multiplier(v: FloatArray, local_hour: float, ln_sensitivity: float) -> float:
    """Multiplier of insulin's action at an hour of the local day."""
    phase = HOUR_TO_PHASE * local_hour
    multiplier: float = np.exp(v[COS] * np.cos(phase) + v[SIN] * np.sin(phase) + ln_sensitivity)
    return multiplier


@numba.njit(cache=True, inline="always")
def meal_weights(local_hour: float) -> tuple[int, float]:
    """The meal before an hour, 0 breakfast to 3 dinner, and the share of the one after it.

    Linear between MEAL_HOURS and through the night: absorption never jumps.
    """
    before = len(MEAL_HOURS) - 1
    for meal in range(len(MEAL_HOURS)):
        if local_hour >= MEAL_HOURS[meal]:
            before = meal
    if MEAL_HOURS[0] <= local_hour < MEAL_HOURS[-1]:
        past, span = local_hour - MEAL_HOURS[before], MEAL_HOURS[before + 1] - MEAL_HOURS[before]
    else:
        past = (local_hour - MEAL_HOURS[-1]) % 24.0
        span = 24.0 + MEAL_HOURS[0] - MEAL_HOURS[-1]
        before = len(MEAL_HOURS) - 1
    return before, past / span


@numba.njit(cache=True, inline="always")
def set_hour(rates: FloatArray, values: FloatArray, local_hour: float) -> None:
    """kabs of this hour of the local day into `rates` (3, K) of `rates_of`."""
    before, share = meal_weights(local_hour)
    after = (before + 1) % len(MEAL_HOURS)
    tilt = (1.0 - share) * values[BREAKFAST + before] + share * values[BREAKFAST + after]
    rates[0, KABS] = values[KABS] * np.exp(tilt)
    rates[1, KABS] = 1.0 / (1.0 + 0.5 * rates[0, KABS])


@numba.njit(cache=True)
def rates_of(values: FloatArray) -> FloatArray:
    """(3, K): values; 1 / (1 + value / 2), the trapezoidal divisor; `glucose_head`, then 0."""
    glucose = np.zeros_like(values)
    glucose[:4] = glucose_head(values[SG], values[GB], values[RISK])
    return np.stack((values, 1.0 / (1.0 + 0.5 * values), glucose))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _replay(
    values: FloatArray, start: FloatArray, by_minute: FloatArray, by_row: FloatArray
) -> FloatArray:
    """States (B, n, S) of B heads; the other arguments hold one entry for all, or one each."""
    rows = by_row.shape[2]
    states = np.empty((len(values), rows, len(STATES)))
    for b in range(len(values)):
        drive, clock = by_minute[b % len(by_minute)], by_row[b % len(by_row)]
        rates, y = rates_of(values[b]), np.zeros(len(STATES))
        y[G] = y[IG] = start[b % len(start)]
        for row in range(rows):
            states[b, row] = y
            s = daily_multiplier(values[b], clock[0, row], clock[1, row])
            set_hour(rates, values[b], clock[0, row])
            for minute in range(STEP_MIN * row, STEP_MIN * (row + 1)):
                due = minute - INSULIN_DELAY_MIN
                u = drive[0, due] if due >= 0 else 0.0
                action, source = advance_chains(y, rates, u, drive[1, minute], s)
                advance_glucose(y, rates, action, source + clock[2, row])
    return states
