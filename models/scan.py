"""A minute of plasma glucose, and the slopes of that minute.

    G' = source - (SG + rho(G) X) G,    rho = 1 + a 10 r1 (ln(G)^r2 - ln(Gb)^r2)^2

rho applies between 60 mg/dL and Gb, keeps its value below 60 and is 1 above Gb. The power of a
logarithm twice a minute would be most of a simulation's cost, so it is read from a table of cubics,
which agree with it to 1e-11.
"""

import numba
import numpy as np

from models.trace import FloatArray

GLUCOSE_FLOOR_MG_DL = 10.0
GLUCOSE_CEILING_MG_DL = 1000.0
LEAST_HALF_CLEARANCE = -0.9
"""Below it, insulin lacks so much that glucose runs away within the minute."""

# Risk of hypoglycaemia (Kovatchev et al. 1997, as scaled by Dalla Man et al. 2014).
R1 = 1.4407
R2 = 0.8124
RISK_FLAT_BELOW_MG_DL = 60.0

TABLE_STEP_MG_DL = 0.25
TABLE_UP_TO_MG_DL = 265.0
"""Beyond the highest Gb of models/heads.py."""


def _table() -> FloatArray:
    """ln(G)^r2 and its slope times the step at each node, (nodes, 2)."""
    node = np.arange(RISK_FLAT_BELOW_MG_DL, TABLE_UP_TO_MG_DL, TABLE_STEP_MG_DL)
    slope = R2 * np.log(node) ** (R2 - 1.0) / node
    return np.stack([np.log(node) ** R2, TABLE_STEP_MG_DL * slope], axis=1)


TABLE = _table()
LAST_NODE = len(TABLE) - 2


@numba.njit(cache=True, inline="always")
def power(glucose: float) -> tuple[float, float]:
    """ln(G)^r2 and its derivative by G, at 60 mg/dL or more."""
    place = (glucose - RISK_FLAT_BELOW_MG_DL) / TABLE_STEP_MG_DL
    node = min(max(int(place), 0), LAST_NODE)
    t = place - node
    y0, d0, y1, d1 = TABLE[node, 0], TABLE[node, 1], TABLE[node + 1, 0], TABLE[node + 1, 1]
    bend, turn = 3.0 * (y1 - y0) - 2.0 * d0 - d1, 2.0 * (y0 - y1) + d0 + d1
    value = y0 + t * (d0 + t * (bend + t * turn))
    return value, (d0 + t * (2.0 * bend + 3.0 * t * turn)) / TABLE_STEP_MG_DL


@numba.njit(cache=True, inline="always")
def glucose_head(effectiveness: float, baseline: float, amplitude: float) -> FloatArray:
    """SG, Gb, a and ln(Gb)^r2, (4,)."""
    return np.array([effectiveness, baseline, amplitude, power(baseline)[0]])


@numba.njit(cache=True, inline="always")
def risk_distance(glucose: float, head: FloatArray) -> float:
    """ln(max(G, 60))^r2 - ln(Gb)^r2 where it is negative, else 0; `head` from `glucose_head`."""
    if glucose >= head[1]:
        return 0.0
    distance: float = power(max(glucose, RISK_FLAT_BELOW_MG_DL))[0] - head[3]
    return distance


@numba.njit(cache=True, inline="always")
def _rho(glucose: float, action: float, head: FloatArray) -> float:
    """1 + a 10 r1 distance^2; a lack of insulin (X < 0) is not amplified."""
    distance = risk_distance(glucose, head) if action > 0.0 else 0.0
    rho: float = 1.0 + head[2] * 10.0 * R1 * distance * distance
    return rho


@numba.njit(cache=True, inline="always")
def clearance(glucose: float, action: float, head: FloatArray) -> float:
    """SG + rho(G) X, 1/min; `head` from `glucose_head`."""
    loss: float = head[0] + _rho(glucose, action, head) * action
    return loss


@numba.njit(cache=True, inline="always")
def halfway(glucose: float, source: float, action: float, head: FloatArray) -> float:
    """G half a minute on, mg/dL, by a backward Euler step."""
    return (glucose + 0.5 * source) / (1.0 + 0.5 * clearance(glucose, action, head))


@numba.njit(cache=True, inline="always")
def next_glucose(glucose: float, source: float, action: float, head: FloatArray) -> float:
    """G a minute on, mg/dL, by a trapezoidal step with the clearance of halfway."""
    half = 0.5 * clearance(halfway(glucose, source, action, head), action, head)
    if half <= LEAST_HALF_CLEARANCE:
        return GLUCOSE_CEILING_MG_DL
    after = (glucose * (1.0 - half) + source) / (1.0 + half)
    held: float = min(max(after, GLUCOSE_FLOOR_MG_DL), GLUCOSE_CEILING_MG_DL)
    return held


@numba.njit(cache=True, inline="always")
def _bend(glucose: float, action: float, head: FloatArray) -> tuple[float, float, float, float]:
    """Clearance's slopes by G, X, Gb and the amplitude; that by SG is 1."""
    if action <= 0.0 or glucose >= head[1]:
        return 0.0, 1.0, 0.0, 0.0
    level, slope = power(max(glucose, RISK_FLAT_BELOW_MG_DL))
    distance = level - head[3]
    square = 10.0 * R1 * distance * distance
    steep = 20.0 * R1 * head[2] * distance * action
    by_glucose = steep * slope if glucose > RISK_FLAT_BELOW_MG_DL else 0.0
    return by_glucose, 1.0 + head[2] * square, -steep * power(head[1])[1], square * action


@numba.njit(cache=True, inline="always")
def glucose_slopes(
    glucose: float, source: float, action: float, head: FloatArray
) -> tuple[float, tuple[float, float, float], tuple[float, float, float]]:
    """`next_glucose`, its slopes by G, source and X, and those by Gb, SG and the amplitude."""
    after = next_glucose(glucose, source, action, head)
    if after <= GLUCOSE_FLOOR_MG_DL or after >= GLUCOSE_CEILING_MG_DL:
        return after, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    middle = halfway(glucose, source, action, head)
    g0, x0, b0, a0 = _bend(glucose, action, head)
    g1, x1, b1, a1 = _bend(middle, action, head)
    late = 1.0 / (1.0 + 0.5 * clearance(middle, action, head))
    early = 1.0 / (1.0 + 0.5 * clearance(glucose, action, head))
    by_late = -0.5 * (glucose + after) * late
    by_middle = by_late * g1
    by_early = -0.5 * early * middle * by_middle
    by_glucose = 2.0 * late - 1.0 + by_middle * early + by_early * g0
    by_source = late + 0.5 * early * by_middle
    by_action = by_late * x1 + by_early * x0
    own = (by_late * b1 + by_early * b0, by_late + by_early, by_late * a1 + by_early * a0)
    return after, (by_glucose, by_source, by_action), own
