"""What happened in a patient's recorded life, each event with what it does to the rows after it.

Bouts, short nights and meals of another make are read from the record; a clinic may name others.
A meal counts by how it differs from this patient's usual meal, as the head was fitted on those.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from models.inputs import DEFAULT_WEIGHT_KG
from models.life_effect import (
    BURST,
    FAT_EMPTYING,
    FAT_RESISTANCE,
    FEVER,
    LUTEAL_PHASE,
    MENTAL_STRESS,
    MOVEMENT_ABSORPTION,
    MOVEMENT_SENSITIVITY,
    MOVEMENT_UPTAKE,
    PROTEIN,
    SHORT_SLEEP,
    Amplitudes,
    LifeEffect,
)
from models.lived import ABSORPTION, ACTION, BOOST, RISE, UPTAKE, USUAL, Modifiers
from models.meal_delay import NO_DELAY, delay_at
from models.mixed_meal import MealMake, differing
from models.movement import EXCESS_BPM, RESTING_BPM, Bout, Kind, moved
from models.scenario import Life
from models.strain import (
    STRESS_LASTS_MIN,
    STRESS_ONSET_MIN,
    Illness,
    Stretch,
    after_short_sleep,
    feverish,
    luteal,
    stressed,
)
from models.trace import STEP_MIN, STEPS_PER_DAY, BoolArray, FloatArray, Trace

BOUT_ACTS_ROWS = 2 * STEPS_PER_DAY
MEAL_ACTS_ROWS = STEPS_PER_DAY

BRISK_STEPS_PER_MIN, FAST_STEPS_PER_MIN = 100.0, 130.0
"""Walking at 3 and 6 METs, moderate and vigorous (Tudor-Locke et al. 2018, Br J Sports Med 52)."""
LEAST_EXCESS_BPM = 33.0
"""Beats above rest from which a heart rate is exercise: 30 % of a reserve of 110 (ACSM)."""
LEAST_BOUT_ROWS, MOST_BOUT_ROWS = 3, 72
SHORT_NIGHT_H, LEAST_NIGHT_H = 5.0, 2.0
LEAST_MEAL_G = 5.0

MEAL_EFFECTS = (FAT_EMPTYING, FAT_RESISTANCE, PROTEIN)
BOUT_EFFECTS = (MOVEMENT_UPTAKE, MOVEMENT_SENSITIVITY, MOVEMENT_ABSORPTION)

Bending = Callable[[FloatArray, Amplitudes], Modifiers]
Straining = Callable[[Stretch, int, Amplitudes], FloatArray]


@dataclass(frozen=True)
class Event:
    """One event: `rows` rows from `row` on of a trace are bent by it; `effects` have a part in it.

    `bends` gives the modifiers (D, rows) of heads (D, K) and amplitudes (D,) or (1,). What comes of
    food is `at_delay`: the same event with that food's arrival so many minutes after its entry, for
    delays (4,) of the types of meal; None for what no head delays.
    """

    kind: str
    row: int
    rows: int
    effects: tuple[LifeEffect, ...] = field(repr=False)
    bends: Bending = field(repr=False)
    at_delay: Callable[[FloatArray], "Event"] | None = field(default=None, repr=False)


def late_events(events: Sequence[Event], meal_delay_min: FloatArray) -> tuple[Event, ...]:
    """The events as a head with these delays (4,) has them: food acts when it arrives."""
    late = (
        one if one.at_delay is None or not meal_delay_min.any() else one.at_delay(meal_delay_min)
        for one in events
    )
    return tuple(sorted(late, key=lambda one: one.row))


def combined(
    events: Sequence[Event], theta: FloatArray, amplitudes: Amplitudes, rows: int
) -> FloatArray:
    """Modifiers (D, 6, rows) of all these events together, as `Modifiers.stacked`."""
    draws = max(len(theta), len(amplitudes))
    whole = Modifiers.none(draws, rows).stacked().copy()
    for event in events:
        there = slice(event.row, min(event.row + event.rows, rows))
        bent = event.bends(theta, amplitudes).stacked()[:, :, : there.stop - there.start]
        whole[:, MULTIPLIED, there] *= bent[:, MULTIPLIED]
        whole[:, ADDED, there] += bent[:, ADDED]
    return whole


MULTIPLIED, ADDED = [USUAL, ACTION, ABSORPTION], [BOOST, UPTAKE, RISE]
"""Places of the fields of Modifiers that multiply, and that add up."""


def recorded_events(trace: Trace) -> tuple[Event, ...]:
    """Bouts by heart rate or steps, nights of 5 h at most, and meals with fat or protein known."""
    found = [*_bouts(trace), *_short_nights(trace), *_meals(trace)]
    return tuple(sorted(found, key=lambda one: one.row))


def named_events(life: Life, trace: Trace) -> tuple[Event, ...]:
    """Events of a life whose minutes count from the trace's first row; meals are the record's."""
    found = [
        *(bout_event(one) for one in life.exercise),
        *(_stress(minute) for minute in life.stress_minutes),
        *(_strain("short_sleep", SHORT_SLEEP, one, after_short_sleep) for one in life.short_sleep),
        *(_illness(one) for one in life.illness),
        *(_strain("luteal_phase", LUTEAL_PHASE, one, luteal) for one in life.luteal),
    ]
    inside = (one for one in found if 0 <= one.row < len(trace))
    return tuple(sorted(inside, key=lambda one: one.row))


def bout_event(bout: Bout) -> Event:
    """A bout of exercise, which acts for two days."""
    row = bout.minute // STEP_MIN
    there = Bout(bout.minute - STEP_MIN * row, bout.minutes, bout.kind, bout.excess_bpm)
    effects = (*BOUT_EFFECTS, BURST) if bout.kind.burst else BOUT_EFFECTS
    return Event(
        "exercise",
        row,
        BOUT_ACTS_ROWS,
        effects,
        lambda theta, known: moved([there], BOUT_ACTS_ROWS, known),
    )


def _bouts(trace: Trace) -> Iterator[Event]:
    """Runs of a quarter of an hour or more; by heart rate where there is one, else by steps."""
    beats = trace["heart_rate_bpm"]
    if np.isfinite(beats).any():
        excess = np.nan_to_num(beats - RESTING_BPM)
        moving = excess >= LEAST_EXCESS_BPM
    else:
        cadence = np.nan_to_num(trace["steps"]) / STEP_MIN
        fast = cadence >= FAST_STEPS_PER_MIN
        excess = np.where(fast, EXCESS_BPM["vigorous"], EXCESS_BPM["moderate"])
        moving = cadence >= BRISK_STEPS_PER_MIN
    for first, last in _runs(moving):
        if last - first >= LEAST_BOUT_ROWS:
            last = min(last, first + MOST_BOUT_ROWS)
            mean = float(excess[first:last].mean())
            yield bout_event(Bout(STEP_MIN * first, STEP_MIN * (last - first), Kind.AEROBIC, mean))


def _short_nights(trace: Trace) -> Iterator[Event]:
    """Days after nights of 2 to 5 h of sleep on record, from waking on for 16 h."""
    slept = np.nan_to_num(trace["asleep"])
    night = (trace.local_s + 6 * 3600) // 86_400  # from 18:00 to 18:00
    hours = np.bincount(night - night[0], weights=slept) * STEP_MIN / 60.0
    for number in np.flatnonzero((hours >= LEAST_NIGHT_H) & (hours <= SHORT_NIGHT_H)):
        woke = int(np.flatnonzero((night - night[0] == number) & (slept > 0.0))[-1]) + 1
        stretch = Stretch(STEP_MIN * woke, 16 * 60)
        yield _strain("short_sleep", SHORT_SLEEP, stretch, after_short_sleep)


def _meals(trace: Trace) -> Iterator[Event]:
    """Meals whose fat or protein is known, beside the mean of those."""
    carbs, fat, protein = (trace[name] for name in ("carbs_g", "fat_g", "protein_g"))
    told = (np.nan_to_num(carbs) > LEAST_MEAL_G) & np.isfinite(fat + protein)
    if not told.any():
        return
    mean = [float(one[told].mean()) for one in (carbs, fat, protein)]
    hours, weight_kg = trace.local_hour, trace.weight_kg or DEFAULT_WEIGHT_KG
    for row in np.flatnonzero(told).tolist():
        meal = MealMake(0, float(carbs[row]), float(fat[row]), float(protein[row]))
        yield _meal_event(row, (meal, MealMake(0, *mean)), hours, weight_kg)


def _meal_event(
    entered: int,
    makes: tuple[MealMake, MealMake],
    hours: FloatArray,
    weight_kg: float,
    meal_delay_min: FloatArray = NO_DELAY,
) -> Event:
    """A meal of a row beside the usual one, from when it arrives, to the minute, on."""
    late = round(delay_at(meal_delay_min, float(hours[entered])))
    row, minute = divmod(max(STEP_MIN * entered + late, 0), STEP_MIN)
    row = min(row, len(hours) - 1)
    meal, usual = (replace(one, minute=minute) for one in makes)
    there = hours[row : row + MEAL_ACTS_ROWS]
    bends = partial(differing, meal=meal, usual=usual, place=(there, weight_kg))
    again = partial(_meal_event, entered, makes, hours, weight_kg)
    return Event("meal", row, len(there), MEAL_EFFECTS, bends, again)


def _stress(minute: int) -> Event:
    row = minute // STEP_MIN
    rows = (STRESS_ONSET_MIN + STRESS_LASTS_MIN) // STEP_MIN + 1

    def bends(theta: FloatArray, known: Amplitudes) -> Modifiers:
        felt = stressed(minute - STEP_MIN * row, rows, known)
        return Modifiers.none(1, rows).with_(usual=felt)

    return Event("stress", row, rows, (MENTAL_STRESS,), bends)


def _strain(kind: str, effect: LifeEffect, during: Stretch, acts: Straining) -> Event:
    row = during.minute // STEP_MIN
    rows = during.minutes // STEP_MIN + 1
    there = Stretch(during.minute - STEP_MIN * row, during.minutes)

    def bends(theta: FloatArray, known: Amplitudes) -> Modifiers:
        return Modifiers.none(1, rows).with_(action=acts(there, rows, known))

    return Event(kind, row, rows, (effect,), bends)


def _illness(illness: Illness) -> Event:
    def acts(stretch: Stretch, rows: int, known: Amplitudes) -> FloatArray:
        return feverish(Illness(stretch, illness.temperature_c), rows, known)

    return _strain("illness", FEVER, illness.during, acts)


def _runs(where: BoolArray) -> list[tuple[int, int]]:
    """First row and the row after the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
