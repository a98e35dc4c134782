"""When food arrives: each type of meal's delay between its entry and the stomach.

    m(t) = sum_s [(1 - f) c(s) at s + k, f c(s) at s + k + 1],   beta(s) = k + f,   0 <= f < 1

c(s) is what was entered as eaten in minute s, beta the delay of breakfast, lunch, snack and dinner,
linear between the hours of meals as kabs is. ReplayBG has such delays for each type of meal, beta ~
U(0, 60) min (Cappon et al. 2023, IEEE TBME 70(11)). Here they may be negative down to half an hour,
as meals are entered late too, and are expected at 0 with that uniform's sd: the population of
models/heads.py was learned without any. No mass is lost but for what arrives after the last minute;
what would arrive before the first arrives in it.
"""

from dataclasses import replace

import numba
import numpy as np

from models.heads import DELAYED_MEALS, Head
from models.inputs import Inputs, LongActing, physiology_inputs
from models.openloop import MEAL_HOURS, meal_weights
from models.trace import STEP_MIN, FloatArray, Trace

EARLIEST_MIN, LATEST_MIN = -30.0, 60.0
DELAY_SD_MIN = 60.0 / np.sqrt(12.0)
"""sd of U(0, 60)."""

NO_DELAY = np.zeros(DELAYED_MEALS)


def inputs_of(
    trace: Trace, head: Head, long_acting: LongActing | None = None, *, causal: bool = False
) -> Inputs:
    """What a trace gives this head's physiology: at its background, its meals at their delays.

    A negative delay puts food before its entry. Where nothing may look ahead, ask for `causal`:
    food entered late then arrives when it is entered.
    """
    inputs = physiology_inputs(trace, head.background, long_acting)
    late = head.meal_delay_min
    return delayed(inputs, np.maximum(late, 0.0) if causal else late)


def delayed(inputs: Inputs, delay_min: FloatArray) -> Inputs:
    """The inputs with meals `delay_min` (4,) after their entry, whatever delay they had before.

    The very inputs where they had none and get none.
    """
    before = inputs.entered_mg_kg_min
    if before is None and not np.any(delay_min):
        return inputs
    entered = inputs.carbs_mg_kg_min if before is None else before
    return replace(
        inputs,
        carbs_mg_kg_min=arrivals(entered, inputs.local_hour, delay_min),
        entered_mg_kg_min=entered,
        meal_delay_min=delay_min,
    )


@numba.njit(cache=True, inline="always")
def delay_at(delay_min: FloatArray, local_hour: float) -> float:
    """Delay, min, of what is entered at an hour of the local day."""
    before, share = meal_weights(local_hour)
    after = (before + 1) % len(MEAL_HOURS)
    late: float = (1.0 - share) * delay_min[before] + share * delay_min[after]
    return late


@numba.njit(cache=True, inline="always")
def _places(minute: int, late: float) -> tuple[int, int, float]:
    """Both minutes in which what is entered in a minute arrives, and the later one's share."""
    whole = int(np.floor(late))
    return max(minute + whole, 0), max(minute + whole + 1, 0), late - whole


@numba.njit(cache=True, nogil=True)
def arrivals(entered: FloatArray, local_hour: FloatArray, delay_min: FloatArray) -> FloatArray:
    """What arrives in each minute (T,) of what was entered (T,); `local_hour` (T / 5,)."""
    arrived = np.zeros_like(entered)
    for minute in range(len(entered)):
        if entered[minute] == 0.0:
            continue
        late = delay_at(delay_min, local_hour[minute // STEP_MIN])
        first, second, share = _places(minute, late)
        if first < len(arrived):
            arrived[first] += (1.0 - share) * entered[minute]
        if second < len(arrived):
            arrived[second] += share * entered[minute]
    return arrived


@numba.njit(cache=True, nogil=True)
def arrival_slopes(
    entered: FloatArray, local_hour: FloatArray, delay_min: FloatArray
) -> FloatArray:
    """Derivatives (4, T) of `arrivals` by each delay; those to the right at whole minutes."""
    slopes = np.zeros((len(delay_min), len(entered)))
    for minute in range(len(entered)):
        if entered[minute] == 0.0:
            continue
        hour = local_hour[minute // STEP_MIN]
        first, second, _ = _places(minute, delay_at(delay_min, hour))
        before, part = meal_weights(hour)
        after = (before + 1) % len(MEAL_HOURS)
        for meal, weight in ((before, 1.0 - part), (after, part)):
            if first < len(entered):
                slopes[meal, first] -= weight * entered[minute]
            if second < len(entered):
                slopes[meal, second] += weight * entered[minute]
    return slopes


@numba.njit(cache=True, nogil=True)
def arrivals_back(
    by_arrived: FloatArray, local_hour: FloatArray, delay_min: FloatArray
) -> FloatArray:
    """Adjoint (T,) of what was entered, of that of what arrives (T,)."""
    by_entered = np.zeros_like(by_arrived)
    for minute in range(len(by_arrived)):
        late = delay_at(delay_min, local_hour[minute // STEP_MIN])
        first, second, share = _places(minute, late)
        if first < len(by_arrived):
            by_entered[minute] += (1.0 - share) * by_arrived[first]
        if second < len(by_arrived):
            by_entered[minute] += share * by_arrived[second]
    return by_entered


@numba.njit(cache=True, nogil=True)
def arrivals_ahead(
    entered: FloatArray,
    local_hour: FloatArray,
    delay_min: FloatArray,
    row: int,
    to_eat: FloatArray,
) -> FloatArray:
    """What arrives in the M minutes from a row on of meals entered before it, (M,).

    `to_eat` (M,) is what of them is still on the plate, minute by minute.
    """
    ahead, now = np.zeros_like(to_eat), STEP_MIN * row
    for minute in range(max(now - int(LATEST_MIN) - 1, 0), now + len(to_eat)):
        past = minute < now
        eaten = entered[minute] if past else to_eat[minute - now]
        if eaten == 0.0:
            continue
        hour = (local_hour[row] + (minute - now) / 60.0) % 24.0
        hour = local_hour[minute // STEP_MIN] if past else hour
        first, second, share = _places(minute, delay_at(delay_min, hour))
        for place, part in ((first, 1.0 - share), (second, share)):
            if now <= place < now + len(ahead):
                ahead[place - now] += part * eaten
    return ahead
