"""The physiology of models/physiology.py under life: strain, movement and meals of another make.

    X' = -p2 (X - s SI I* / VI),  e1' = kE (s I* / VI - e1),  I* = m (Ip + Ipb) - Ipb
    G' = -(SG + c + rho(G) A) G + max(SG Gb - SE e2, 0) + Ra + d,  A = X + k (X + Xb)
    ka2 x q on Isc2 and on the resting supply that stands in it

m multiplies the whole of insulin's action, the resting supply's included (Ipb = u_b / ke, and
Xb = SI Ipb / VI), with the body's usual delays; k does so at once; c (1/min) takes glucose up
without insulin; d (mg/dL/min) adds it. With m = q = 1 and k = c = d = 0 this is the physiology
itself, and a test holds it to that.
"""

from dataclasses import dataclass, replace

import numba
import numpy as np

from models.heads import physical
from models.openloop import (
    E1,
    E2,
    GAIN,
    GB,
    IG,
    IP,
    IP_DAMPING,
    ISC1,
    ISC2,
    KA2,
    KABS,
    KD,
    KE,
    KEMPT,
    P2,
    Q1,
    Q2,
    QG,
    SE,
    SG,
    SI,
    TO_RA,
    X,
    advance_glucose,
    daily_multiplier,
    rates_of,
    relax,
    set_hour,
)
from models.physiology import KE_PER_MIN, VI_L_PER_KG
from models.trace import STEP_MIN, FloatArray


@dataclass(frozen=True)
class Modifiers:
    """How life bends each 5-minute row, all (D, n): draws of amplitudes by rows.

    `usual` multiplies the action of insulin above the resting supply, `action` all of it, `boost`
    adds a share of it at once, `uptake` is 1/min, `absorption` multiplies ka2, `rise` is mg/dL/min.
    """

    usual: FloatArray
    action: FloatArray
    boost: FloatArray
    uptake: FloatArray
    absorption: FloatArray
    rise: FloatArray

    @classmethod
    def none(cls, draws: int, rows: int) -> "Modifiers":
        """Life as it was."""
        one, zero = np.ones((draws, rows)), np.zeros((draws, rows))
        return cls(one, one, zero, zero, one, zero)

    def with_(self, **changed: FloatArray) -> "Modifiers":
        """These with some replaced."""
        return replace(self, **changed)

    def stacked(self) -> FloatArray:
        """(D, 6, n) in the order of the fields."""
        each = (self.usual, self.action, self.boost, self.uptake, self.absorption, self.rise)
        return np.stack(np.broadcast_arrays(*each), axis=1)


USUAL, ACTION, BOOST, UPTAKE, ABSORPTION, RISE = range(6)


def lived_paths(
    theta: FloatArray,
    begin: FloatArray,
    drives: FloatArray,
    resting_mu_kg_min: float,
    local_hour: FloatArray,
    modifiers: FloatArray,
) -> FloatArray:
    """Interstitial glucose (R, D, n) at each row's start, of R regimens in D heads.

    `theta` (D, K); `begin` (D, S) states at the first row; `drives` (R, 2, T) insulin above rest,
    already delayed on its way under the skin, and carbohydrate; `local_hour` (n,); `modifiers`
    (R or 1, D or 1, 6, n).
    """
    return _live(
        physical(np.atleast_2d(theta)), begin, drives, resting_mu_kg_min, local_hour, modifiers
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _live(
    values: FloatArray,
    begin: FloatArray,
    drives: FloatArray,
    resting: float,
    local_hour: FloatArray,
    modifiers: FloatArray,
) -> FloatArray:
    regimens, draws, rows = len(drives), len(values), len(local_hour)
    glucose, first = np.empty((regimens, draws, rows)), np.empty((rows, begin.shape[1]))
    apart = np.array([_parts_at(drives, modifiers, r) for r in range(regimens)])
    for d in range(draws):
        usual_rates = rates_of(values[d])
        for r in range(regimens):
            bent = modifiers[r % modifiers.shape[0], d % modifiers.shape[1]]
            rates, y, since = usual_rates.copy(), begin[d].copy(), 0
            if r > 0 and apart[r] > 0:
                since = min(apart[r], rows - 1)
                glucose[r, d, :since], y = glucose[0, d, :since], first[since].copy()
            for row in range(since, rows):
                glucose[r, d, row] = y[IG]
                if r == 0:
                    first[row] = y
                five = drives[r, :, STEP_MIN * row : STEP_MIN * (row + 1)]
                advance_row(y, rates, values[d], five, local_hour[row], resting, bent[:, row])
    return glucose


@numba.njit(cache=True)
def _parts_at(drives: FloatArray, modifiers: FloatArray, regimen: int) -> int:
    """The row in which a regimen first differs from the first one; 0 where life bends each."""
    if modifiers.shape[0] > 1:
        return 0
    minute, minutes = 0, drives.shape[2]
    while minute < minutes and np.all(drives[regimen, :, minute] == drives[0, :, minute]):
        minute += 1
    return minute // STEP_MIN


@numba.njit(cache=True, inline="always")
def advance_row(
    y: FloatArray,
    rates: FloatArray,
    values: FloatArray,
    drive: FloatArray,
    local_hour: float,
    resting: float,
    bent: FloatArray,
) -> None:
    """Five minutes of states `y` in place under `drive` (2, 5) and modifiers `bent` (6,).

    `values` (K,) and `rates` (3, K) are the head's, the latter of `rates_of`.
    """
    s = daily_multiplier(values, local_hour, 0.0)
    set_hour(rates, values, local_hour)
    _set_life(rates, values, bent)
    for minute in range(STEP_MIN):
        x, source = _advance(y, rates, drive[0, minute], drive[1, minute], s, resting, bent)
        advance_glucose(y, rates, x, source + bent[RISE])


@numba.njit(cache=True, inline="always")
def _set_life(rates: FloatArray, values: FloatArray, bent: FloatArray) -> None:
    """ka2 and the clearance without insulin of this row into `rates` (3, K)."""
    ka2 = values[KA2] * bent[ABSORPTION]
    rates[0, KA2], rates[1, KA2] = ka2, 1.0 / (1.0 + 0.5 * ka2)
    rates[2, 0] = values[SG] + bent[UPTAKE]


@numba.njit(cache=True, inline="always")
def _advance(
    y: FloatArray,
    rates: FloatArray,
    u: float,
    carbs: float,
    s: float,
    resting: float,
    bent: FloatArray,
) -> tuple[float, float]:
    """A minute of all but glucose, in place; insulin's action A and the source of glucose."""
    v, damping = rates[0], rates[1]
    surge = (bent[ABSORPTION] - 1.0) * resting
    isc1 = relax(y, ISC1, u, v[KD], damping[KD])
    isc2 = relax(y, ISC2, v[KD] * isc1 - surge, v[KA2], damping[KA2])
    ip = relax(y, IP, v[KA2] * isc2 + surge, KE_PER_MIN, IP_DAMPING)
    supply = resting / KE_PER_MIN
    excess = ip * bent[USUAL] if ip > 0.0 else ip
    insulin = s * (bent[ACTION] * (excess + supply) - supply) / VI_L_PER_KG
    x = relax(y, X, v[P2] * v[SI] * insulin, v[P2], damping[P2])
    e1 = relax(y, E1, v[KE] * insulin, v[KE], damping[KE])
    e2 = relax(y, E2, v[KE] * e1, v[KE], damping[KE])
    q1 = relax(y, Q1, v[GAIN] * carbs, v[KEMPT], damping[KEMPT])
    q2 = relax(y, Q2, v[KEMPT] * q1, v[KEMPT], damping[KEMPT])
    qg = relax(y, QG, v[KEMPT] * q2, v[KABS], damping[KABS])
    whole = max(x + v[SI] * supply / VI_L_PER_KG, 0.0)
    production = max(v[SG] * v[GB] - v[SE] * e2, 0.0)
    return x + bent[BOOST] * whole, production + v[KABS] * qg * TO_RA
