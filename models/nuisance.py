"""What differs from meal to meal and from day to day and is no part of a head.

    r = r(theta) + J n + AR(1),    n ~ N(0, S)

n are each meal's relative error of its carbohydrate count and each day's own ln insulin
sensitivity, correlated from day to day; their sds are the patient's own. Integrated out of the
likelihood, linearised,

    r' W' [I - W J (S^-1 + J' W' W J)^-1 J' W'] W r

W whitens AR(1) residuals. So an odd meal or day costs nothing and cannot bend the head. J comes
from one tape: of each meal's or day's event, the tangent alone is carried through its hours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from scipy import sparse

from models.heads import physical
from models.inputs import Inputs
from models.meal_delay import arrivals
from models.openloop import (
    E1,
    E2,
    GAIN,
    GB,
    IG,
    IG_DAMPING,
    IP,
    KABS,
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
    by_minute_of,
    by_row_of,
    daily_multiplier,
    rates_of,
    relax,
    set_hour,
)
from models.physiology import VI_L_PER_KG
from models.tape import SLOPES, run_taped
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray

DAY_PHI = 0.5
MEAL_ACTS_ROWS = STEPS_PER_DAY
DAY_ACTS_ROWS = 3 * STEPS_PER_DAY
APART_MIN = 30
"""Food after so long a pause is another meal."""


@dataclass(frozen=True)
class Spread:
    """sds of a patient's own terms: relative of a meal's count, and of a day's ln sensitivity."""

    meal_sd: float
    day_sd: float


SPREADS = tuple(Spread(m, d) for m in (0.03, 0.1, 0.2, 0.3) for d in (0.02, 0.07, 0.15, 0.25))
"""Candidates, from nearly none to much: which one is a matter of the patient's data."""


def meals_of(inputs: Inputs) -> IntArray:
    """First minute of each meal as entered, (M,): delays neither join meals nor part them."""
    entered = inputs.entered_mg_kg_min
    eaten = np.flatnonzero((inputs.carbs_mg_kg_min if entered is None else entered) > 0.0)
    fresh = np.diff(eaten, prepend=-APART_MIN - 1) > APART_MIN
    return eaten[fresh]


def day_count(inputs: Inputs) -> int:
    """Days D, the last perhaps only begun."""
    return -(-len(inputs) // STEPS_PER_DAY)


def precision(inputs: Inputs, spread: Spread) -> FloatArray:
    """S^-1 (M + D, M + D) of the meals' and the days' own terms."""
    meals, days = len(meals_of(inputs)), np.arange(day_count(inputs))
    alike = spread.day_sd**2 * DAY_PHI ** np.abs(days[:, None] - days)
    whole = np.eye(meals + len(days)) / spread.meal_sd**2
    whole[meals:, meals:] = np.linalg.inv(alike)
    return whole


def slopes(
    theta: FloatArray, inputs: Inputs, start_mg_dl: float, places: IntArray
) -> sparse.csr_array:
    """J (N, M + D): interstitial glucose at rows `places` (N,) by each meal's and day's term."""
    values = physical(theta)
    tape = tape_of(values, inputs, start_mg_dl)
    meals = list(_arriving(inputs))
    first = np.array([a for _, a, _ in meals], dtype=np.int64)
    rows = np.append(first // STEP_MIN, np.arange(day_count(inputs)) * STEPS_PER_DAY - 144)
    moves = [_meal(values, tape, carbs, inputs.local_hour, a, b) for carbs, a, b in meals]
    moves += [_day(values, tape, inputs.local_hour, day) for day in range(day_count(inputs))]
    return _columns(np.maximum(rows, 0), moves, places)


def _arriving(inputs: Inputs) -> Iterator[tuple[FloatArray, int, int]]:
    """Of each meal: carbohydrate of each minute (T,), and the minutes between which it is its."""
    first, late = meals_of(inputs), inputs.meal_delay_min
    last = np.append(first, STEP_MIN * len(inputs))[1:]
    for a, b in zip(first.tolist(), last.tolist(), strict=True):
        if inputs.entered_mg_kg_min is None or late is None:
            yield inputs.carbs_mg_kg_min, a, b
            continue
        alone = np.zeros_like(inputs.entered_mg_kg_min)
        alone[a:b] = inputs.entered_mg_kg_min[a:b]
        arrived = arrivals(alone, inputs.local_hour, late)
        there = np.flatnonzero(arrived)
        begun = int(there[0]) if len(there) else a
        yield arrived, begun, len(arrived)


def _columns(rows: IntArray, moves: Sequence[FloatArray], places: IntArray) -> sparse.csr_array:
    """Courses from `rows` on as columns, at `places` only."""
    data, index, pointer = [], [], [0]
    for row, move in zip(rows, moves, strict=True):
        a, b = np.searchsorted(places, (row, row + len(move)))
        data.append(move[places[a:b] - row])
        index.append(np.arange(a, b))
        pointer.append(pointer[-1] + b - a)
    parts = (np.concatenate(data), np.concatenate(index), np.array(pointer))
    return sparse.csc_array(parts, shape=(len(places), len(moves))).tocsr()


def tape_of(values: FloatArray, inputs: Inputs, start_mg_dl: float) -> FloatArray:
    """The tape (T, WIDTH) of models/tape.py of one head's values (K,)."""
    by_minute, by_row = by_minute_of([inputs]), by_row_of([inputs])
    _, lines = run_taped(values[None], np.array([start_mg_dl]), by_minute, by_row, True)
    tape: FloatArray = lines[0]
    return tape


@numba.njit(cache=True, nogil=True)
def _meal(
    values: FloatArray,
    tape: FloatArray,
    carbs: FloatArray,
    local_hour: FloatArray,
    first: int,
    last: int,
) -> FloatArray:
    """What a meal of minutes first <= t < last adds to interstitial glucose if counted too low."""
    row = first // STEP_MIN
    out = np.empty(min(MEAL_ACTS_ROWS, len(local_hour) - row))
    rates, y = rates_of(values), np.zeros(len(STATES))
    v, damping = rates[0], rates[1]
    for k in range(len(out)):
        out[k] = y[IG]
        set_hour(rates, values, local_hour[row + k])
        for minute in range(STEP_MIN * (row + k), STEP_MIN * (row + k + 1)):
            inflow = v[GAIN] * carbs[minute] if first <= minute < last else 0.0
            q1 = relax(y, Q1, inflow, v[KEMPT], damping[KEMPT])
            q2 = relax(y, Q2, v[KEMPT] * q1, v[KEMPT], damping[KEMPT])
            qg = relax(y, QG, v[KEMPT] * q2, v[KABS], damping[KABS])
            glucose_minute(y, tape[minute], 0.0, v[KABS] * qg * TO_RA)
    return out


@numba.njit(cache=True, nogil=True)
def _day(values: FloatArray, tape: FloatArray, local_hour: FloatArray, day: int) -> FloatArray:
    """What a day's own ln s adds: full at its noon, linear to none at the noons beside it."""
    noon = (day + 0.5) * STEPS_PER_DAY
    row = max(int(noon) - STEPS_PER_DAY, 0)
    out = np.empty(min(DAY_ACTS_ROWS, len(local_hour) - row))
    rates, y = rates_of(values), np.zeros(len(STATES))
    v, damping = rates[0], rates[1]
    for k in range(len(out)):
        out[k] = y[IG]
        weight = max(1.0 - abs(row + k - noon) / STEPS_PER_DAY, 0.0)
        s = weight * daily_multiplier(values, local_hour[row + k], 0.0) / VI_L_PER_KG
        for minute in range(STEP_MIN * (row + k), STEP_MIN * (row + k + 1)):
            line = tape[minute]
            insulin = s * line[IP]
            x = relax(y, X, v[P2] * v[SI] * insulin, v[P2], damping[P2])
            e1 = relax(y, E1, v[KE] * insulin, v[KE], damping[KE])
            e2 = relax(y, E2, v[KE] * e1, v[KE], damping[KE])
            made = v[SG] * v[GB] - v[SE] * line[E2] > 0.0
            glucose_minute(y, line, x, -v[SE] * e2 if made else 0.0)
    return out


@numba.njit(cache=True, inline="always")
def glucose_minute(y: FloatArray, line: FloatArray, x: float, source: float) -> None:
    """The tangent of a minute of glucose, of given tangents of X and source."""
    before = y[G]
    y[G] = line[SLOPES] * before + line[SLOPES + 1] * source + line[SLOPES + 2] * x
    relax(y, IG, LAG * 0.5 * (before + y[G]), LAG, IG_DAMPING)
