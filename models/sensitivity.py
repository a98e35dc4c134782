"""The physiology with its derivatives carried along: what Levenberg-Marquardt needs, in one pass.

Every state y carries dy/dv for each parameter v that reaches it, one lane each. The chains are
linear, so their lanes relax as the states do; glucose takes the slopes of its step. Lanes stand in
the order in which the chains meet their parameters, so each chain carries a stretch of them only:
all derivatives together cost about four runs, where differences would cost one per parameter.
"""

import numba
import numpy as np

from models.heads import IS_LOG, THETA_HIGH, THETA_LOW, physical
from models.inputs import Inputs
from models.openloop import (
    COS,
    E1,
    E2,
    GAIN,
    GB,
    HOUR_TO_PHASE,
    IG,
    IG_DAMPING,
    IP,
    IP_DAMPING,
    ISC1,
    ISC2,
    KA2,
    KABS,
    KD,
    KE,
    KEMPT,
    LAG,
    MEALS,
    P2,
    Q1,
    Q2,
    QG,
    RISK,
    SE,
    SG,
    SI,
    SIN,
    STATES,
    TO_RA,
    G,
    X,
    daily_multiplier,
    meal_weights,
    rates_of,
    relax,
    set_hour,
)
from models.physiology import INSULIN_DELAY_MIN, KE_PER_MIN, VI_L_PER_KG
from models.scan import glucose_slopes
from models.trace import STEP_MIN, FloatArray

ORDER = np.array([KD, KA2, COS, SIN, P2, SI, KE, SE, KEMPT, GAIN, KABS, *MEALS, GB, SG, RISK])
L_KD, L_KA2, L_COS, L_SIN, L_P2, L_SI, L_KE, L_SE, L_KEMPT, L_GAIN, L_KABS, L_MEALS = range(12)
L_GB, L_SG, L_RISK = range(L_MEALS + len(MEALS), len(ORDER))
LANES = len(ORDER)
# Rows of means beside the states': insulin's action, glucose's source, glucose's own parameters.
INSULIN, SOURCE, OWN = range(len(STATES), len(STATES) + 3)


def sensitivities(
    theta: FloatArray, inputs: Inputs, start_mg_dl: float
) -> tuple[FloatArray, FloatArray]:
    """Interstitial glucose (n,) of one head `theta` (K,), and its derivatives by theta (n, K)."""
    values = physical(theta)
    insulin = inputs.insulin_mu_kg_min - inputs.resting_mu_kg_min
    by_minute = np.stack([insulin, inputs.carbs_mg_kg_min])
    glucose, lanes = _carry(values, start_mg_dl, by_minute, inputs.local_hour)
    by_theta = np.empty_like(lanes)
    by_theta[:, ORDER] = lanes
    inside = (theta > THETA_LOW) & (theta < THETA_HIGH)
    return glucose, by_theta * np.where(IS_LOG, values, 1.0) * inside


@numba.njit(cache=True, inline="always")
def _lanes(
    dots: FloatArray,
    means: FloatArray,
    flow: tuple[int, int],
    law: tuple[float, float, float],
    stretch: tuple[int, int],
) -> None:
    """`relax` of a stretch of lanes of state flow[1], fed by means of flow[0].

    `law` has the gain of the inflow, the state's rate and its divisor's inverse.
    """
    source, place = flow
    gain, rate, damping = law
    for lane in range(stretch[0], stretch[1]):
        rise = (gain * means[source, lane] - rate * dots[place, lane]) * damping
        dots[place, lane] += rise
        means[place, lane] = dots[place, lane] - 0.5 * rise


@numba.njit(cache=True, inline="always")
def _own(
    dots: FloatArray, means: FloatArray, place: int, lane: int, inflow: float, damping: float
) -> None:
    """What a state's own parameter adds to its lane."""
    dots[place, lane] += inflow * damping
    means[place, lane] += 0.5 * inflow * damping


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _carry(
    values: FloatArray, start: float, by_minute: FloatArray, local_hour: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Interstitial glucose (n,) and its lanes (n, LANES), by the parameters' values."""
    rows = len(local_hour)
    glucose, out = np.empty(rows), np.empty((rows, LANES))
    y, means = np.zeros(len(STATES)), np.zeros((OWN + 1, LANES))
    dots, rates = np.zeros((len(STATES), LANES)), rates_of(values)
    y[G] = y[IG] = start
    for row in range(rows):
        glucose[row], out[row] = y[IG], dots[IG]
        hour = _hour(values, rates, local_hour[row])
        for minute in range(STEP_MIN * row, STEP_MIN * (row + 1)):
            due = minute - INSULIN_DELAY_MIN
            u = by_minute[0, due] if due >= 0 else 0.0
            x, made = _insulin_minute(y, dots, means, rates, u, hour)
            ra = _gut_minute(y, dots, means, rates, by_minute[1, minute], hour)
            _glucose_minute(y, dots, means, rates[2], x, made + ra)
    return glucose, out


@numba.njit(cache=True)
def _hour(values: FloatArray, rates: FloatArray, local_hour: float) -> FloatArray:
    """s, its logarithm's slopes by cos and sin, kabs' slopes by its mean and by each meal's."""
    set_hour(rates, values, local_hour)
    phase = HOUR_TO_PHASE * local_hour
    hour = np.zeros(4 + len(MEALS))
    hour[0] = daily_multiplier(values, local_hour, 0.0)
    hour[1], hour[2] = np.cos(phase), np.sin(phase)
    before, share = meal_weights(local_hour)
    hour[3] = rates[0, KABS] / values[KABS]
    hour[4 + before] = rates[0, KABS] * (1.0 - share)
    hour[4 + (before + 1) % len(MEALS)] = rates[0, KABS] * share
    return hour


@numba.njit(cache=True, error_model="numpy")
def _insulin_minute(
    y: FloatArray, dots: FloatArray, means: FloatArray, rates: FloatArray, u: float, h: FloatArray
) -> tuple[float, float]:
    """A minute of insulin and its actions: X (1/min), and glucose made at rest (mg/dL/min)."""
    v, damping = rates[0], rates[1]
    isc1 = relax(y, ISC1, u, v[KD], damping[KD])
    _lanes(dots, means, (ISC1, ISC1), (0.0, v[KD], damping[KD]), (L_KD, L_KD + 1))
    _own(dots, means, ISC1, L_KD, -isc1, damping[KD])
    isc2 = relax(y, ISC2, v[KD] * isc1, v[KA2], damping[KA2])
    _lanes(dots, means, (ISC1, ISC2), (v[KD], v[KA2], damping[KA2]), (L_KD, L_COS))
    _own(dots, means, ISC2, L_KD, isc1, damping[KA2])
    _own(dots, means, ISC2, L_KA2, -isc2, damping[KA2])
    ip = relax(y, IP, v[KA2] * isc2, KE_PER_MIN, IP_DAMPING)
    _lanes(dots, means, (ISC2, IP), (v[KA2], KE_PER_MIN, IP_DAMPING), (L_KD, L_COS))
    _own(dots, means, IP, L_KA2, isc2, IP_DAMPING)
    insulin = h[0] * ip / VI_L_PER_KG
    for lane in range(L_KD, L_COS):
        means[INSULIN, lane] = h[0] / VI_L_PER_KG * means[IP, lane]
    for lane in range(L_COS, L_P2):
        means[INSULIN, lane] = h[lane - 1] * insulin
    x = relax(y, X, v[P2] * v[SI] * insulin, v[P2], damping[P2])
    _lanes(dots, means, (INSULIN, X), (v[P2] * v[SI], v[P2], damping[P2]), (L_KD, L_KE))
    _own(dots, means, X, L_P2, v[SI] * insulin - x, damping[P2])
    _own(dots, means, X, L_SI, v[P2] * insulin, damping[P2])
    e1 = relax(y, E1, v[KE] * insulin, v[KE], damping[KE])
    _lanes(dots, means, (INSULIN, E1), (v[KE], v[KE], damping[KE]), (L_KD, L_SE))
    _own(dots, means, E1, L_KE, insulin - e1, damping[KE])
    e2 = relax(y, E2, v[KE] * e1, v[KE], damping[KE])
    _lanes(dots, means, (E1, E2), (v[KE], v[KE], damping[KE]), (L_KD, L_SE))
    _own(dots, means, E2, L_KE, e1 - e2, damping[KE])
    production = v[SG] * v[GB] - v[SE] * e2
    made = 1.0 if production > 0.0 else 0.0
    for lane in range(L_KD, L_SE):
        means[SOURCE, lane] = -made * v[SE] * means[E2, lane]
    means[SOURCE, L_SE] = -made * e2
    means[SOURCE, L_GB], means[SOURCE, L_SG] = made * v[SG], made * v[GB]
    return x, made * production


@numba.njit(cache=True, error_model="numpy")
def _gut_minute(
    y: FloatArray, dots: FloatArray, means: FloatArray, rates: FloatArray, m: float, h: FloatArray
) -> float:
    """A minute of the gut: Ra, mg/dL/min, its lanes in means[SOURCE]."""
    v, damping = rates[0], rates[1]
    q1 = relax(y, Q1, v[GAIN] * m, v[KEMPT], damping[KEMPT])
    _lanes(dots, means, (Q1, Q1), (0.0, v[KEMPT], damping[KEMPT]), (L_KEMPT, L_KABS))
    _own(dots, means, Q1, L_KEMPT, -q1, damping[KEMPT])
    _own(dots, means, Q1, L_GAIN, m, damping[KEMPT])
    q2 = relax(y, Q2, v[KEMPT] * q1, v[KEMPT], damping[KEMPT])
    _lanes(dots, means, (Q1, Q2), (v[KEMPT], v[KEMPT], damping[KEMPT]), (L_KEMPT, L_KABS))
    _own(dots, means, Q2, L_KEMPT, q1 - q2, damping[KEMPT])
    qg = relax(y, QG, v[KEMPT] * q2, v[KABS], damping[KABS])
    _lanes(dots, means, (Q2, QG), (v[KEMPT], v[KABS], damping[KABS]), (L_KEMPT, L_GB))
    _own(dots, means, QG, L_KEMPT, q2, damping[KABS])
    to_ra = v[KABS] * TO_RA
    for lane in range(L_KABS, L_GB):
        slope = h[3 + lane - L_KABS]
        _own(dots, means, QG, lane, -qg * slope, damping[KABS])
        means[SOURCE, lane] = to_ra * means[QG, lane] + TO_RA * qg * slope
    for lane in range(L_KEMPT, L_KABS):
        means[SOURCE, lane] = to_ra * means[QG, lane]
    ra: float = to_ra * qg
    return ra


@numba.njit(cache=True, error_model="numpy")
def _glucose_minute(
    y: FloatArray, dots: FloatArray, means: FloatArray, head: FloatArray, x: float, source: float
) -> None:
    """A minute of plasma and interstitial glucose."""
    before = y[G]
    y[G], (by_before, by_source, by_x), own = glucose_slopes(before, source, x, head)
    relax(y, IG, LAG * 0.5 * (before + y[G]), LAG, IG_DAMPING)
    for place in range(len(own)):
        means[OWN, L_GB + place] = own[place]
    for lane in range(LANES):
        dot = by_before * dots[G, lane] + by_source * means[SOURCE, lane]
        dot += by_x * means[X, lane] + means[OWN, lane]
        inflow = LAG * 0.5 * (dots[G, lane] + dot)
        dots[G, lane] = dot
        dots[IG, lane] += (inflow - LAG * dots[IG, lane]) * IG_DAMPING
