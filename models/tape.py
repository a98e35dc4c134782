"""A run of the physiology that keeps what its derivatives need: the tape, a line a minute.

A line holds the means of the chains over the minute (Isc1 to Qg, in the order of
`openloop.STATES`), then the slopes of glucose's step by G, source and X, then those by its own
parameters Gb, SG and risk.
"""

import numba
import numpy as np

from models.openloop import (
    E1,
    E2,
    GAIN,
    GB,
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
    P2,
    Q1,
    Q2,
    QG,
    SE,
    SG,
    SI,
    STATES,
    TO_RA,
    G,
    X,
    daily_multiplier,
    rates_of,
    relax,
    set_hour,
)
from models.physiology import INSULIN_DELAY_MIN, KE_PER_MIN, VI_L_PER_KG
from models.scan import glucose_slopes
from models.trace import STEP_MIN, FloatArray

SLOPES = QG + 1
OWN = SLOPES + 3
WIDTH = OWN + 3


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run_taped(
    values: FloatArray, start: FloatArray, by_minute: FloatArray, by_row: FloatArray, taped: bool
) -> tuple[FloatArray, FloatArray]:
    """Plasma and interstitial glucose (B, n, 2), and the tape (B, T, WIDTH), empty if not taped.

    B heads' parameter values (B, K) and starts (B,); insulin above rest and carbohydrate (B, 2, T);
    local hour, ln sensitivity and disturbance (B, 3, n), as `openloop` makes them.
    """
    batch, rows = len(values), by_row.shape[2]
    out = np.empty((batch, rows, 2))
    tape = np.empty((batch, by_minute.shape[2] if taped else 0, WIDTH))
    for b in range(batch):
        rates, y, line = rates_of(values[b]), np.zeros(len(STATES)), np.zeros(WIDTH)
        hour, ln_s, pushed = by_row[b]
        y[G] = y[IG] = start[b]
        for row in range(rows):
            out[b, row, 0], out[b, row, 1] = y[G], y[IG]
            set_hour(rates, values[b], hour[row])
            s = daily_multiplier(values[b], hour[row], ln_s[row])
            for minute in range(STEP_MIN * row, STEP_MIN * (row + 1)):
                due = minute - INSULIN_DELAY_MIN
                u = by_minute[b, 0, due] if due >= 0 else 0.0
                _step(y, rates, (u, by_minute[b, 1, minute], pushed[row]), s, line)
                if taped:
                    tape[b, minute] = line
    return out, tape


@numba.njit(cache=True, inline="always")
def _step(
    y: FloatArray, rates: FloatArray, taken: tuple[float, float, float], s: float, line: FloatArray
) -> None:
    """A minute of everything, and its line of the tape."""
    v, damping = rates[0], rates[1]
    u, carbs, pushed = taken
    line[ISC1] = relax(y, ISC1, u, v[KD], damping[KD])
    line[ISC2] = relax(y, ISC2, v[KD] * line[ISC1], v[KA2], damping[KA2])
    line[IP] = relax(y, IP, v[KA2] * line[ISC2], KE_PER_MIN, IP_DAMPING)
    insulin = s * line[IP] / VI_L_PER_KG
    line[X] = relax(y, X, v[P2] * v[SI] * insulin, v[P2], damping[P2])
    line[E1] = relax(y, E1, v[KE] * insulin, v[KE], damping[KE])
    line[E2] = relax(y, E2, v[KE] * line[E1], v[KE], damping[KE])
    line[Q1] = relax(y, Q1, v[GAIN] * carbs, v[KEMPT], damping[KEMPT])
    line[Q2] = relax(y, Q2, v[KEMPT] * line[Q1], v[KEMPT], damping[KEMPT])
    line[QG] = relax(y, QG, v[KEMPT] * line[Q2], v[KABS], damping[KABS])
    made = max(v[SG] * v[GB] - v[SE] * line[E2], 0.0)
    before, source = y[G], made + v[KABS] * line[QG] * TO_RA + pushed
    y[G], slopes, own = glucose_slopes(before, source, line[X], rates[2])
    relax(y, IG, LAG * 0.5 * (before + y[G]), LAG, IG_DAMPING)
    for place in range(3):
        line[SLOPES + place] = slopes[place]
        line[OWN + place] = own[place]
