"""The same physiology without derivatives: one fused recursion, for calibration and rollouts."""

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
GB, SG, P2, KA2, KD, KEMPT, SI, KABS, GAIN, RISK, SE, KE, COS, SIN = range(len(NAMES))
# ... and of the states, in the units of models/physiology.py.
STATES = ("Isc1", "Isc2", "Ip", "X", "e1", "e2", "Q1", "Q2", "Qg", "G", "IG")
ISC1, ISC2, IP, X, E1, E2, Q1, Q2, QG, G, IG = range(len(STATES))

LAG = 1.0 / INTERSTITIAL_LAG_MIN
IP_DAMPING = 1.0 / (1.0 + 0.5 * KE_PER_MIN)
IG_DAMPING = 1.0 / (1.0 + 0.5 * LAG)
TO_RA = BIOAVAILABILITY / VG_DL_PER_KG
HOUR_TO_PHASE = 2.0 * np.pi / 24.0


@dataclass(frozen=True)
class OpenLoop:
    """`interstitial_mg_dl` (B, n) and all `states` (B, n, len(STATES)) at each row's start."""

    interstitial_mg_dl: FloatArray
    states: FloatArray


def open_loop(
    theta: FloatArray,
    inputs: Inputs,
    start_mg_dl: float | FloatArray,
    ln_sensitivity: FloatArray | None = None,
    disturbance_mg_dl_min: FloatArray | None = None,
) -> OpenLoop:
    """What B heads `theta` (B, K) or (K,) make of one patient's inputs, from rest at `start_mg_dl`.

    The start is one number or (B,). `ln_sensitivity` and `disturbance_mg_dl_min` are (n,), shared
    by the heads, 0 if None. Row i depends on inputs of rows before i only. Equal to
    `physiology.simulate` to rounding.
    """
    values = physical(np.atleast_2d(theta))
    start = np.zeros((len(values), len(STATES)))
    start[:, [G, IG]] = np.reshape(start_mg_dl, (-1, 1))
    rest = np.zeros(len(inputs))
    ln_s = rest if ln_sensitivity is None else ln_sensitivity
    pushed = rest if disturbance_mg_dl_min is None else disturbance_mg_dl_min
    states = _replay(
        values,
        start,
        np.stack([inputs.insulin_mu_kg_min - inputs.resting_mu_kg_min, inputs.carbs_mg_kg_min]),
        np.stack([inputs.local_hour, ln_s, pushed]),
    )
    return OpenLoop(states[:, :, IG], states)


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


@numba.njit(cache=True)
def rates_of(values: FloatArray) -> FloatArray:
    """(3, K): values; 1 / (1 + value / 2), the trapezoidal divisor; `glucose_head`, then 0."""
    glucose = np.zeros_like(values)
    glucose[:4] = glucose_head(values[SG], values[GB], values[RISK])
    return np.stack((values, 1.0 / (1.0 + 0.5 * values), glucose))


@numba.njit(cache=True)
def _replay(
    values: FloatArray, start: FloatArray, by_minute: FloatArray, by_row: FloatArray
) -> FloatArray:
    """States (B, n, S); `by_minute` (2, T) insulin, carbs; `by_row` (3, n) hour, ln s, d."""
    states = np.empty((len(values), by_row.shape[1], start.shape[1]))
    for b in range(len(values)):
        rates, y = rates_of(values[b]), start[b].copy()
        for row in range(by_row.shape[1]):
            states[b, row] = y
            s = daily_multiplier(values[b], by_row[0, row], by_row[1, row])
            for minute in range(STEP_MIN * row, STEP_MIN * (row + 1)):
                due = minute - INSULIN_DELAY_MIN
                u = by_minute[0, due] if due >= 0 else 0.0
                action, source = advance_chains(y, rates, u, by_minute[1, minute], s)
                advance_glucose(y, rates, action, source + by_row[2, row])
    return states
