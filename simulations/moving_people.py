"""Virtual people who exercise: what a bout truly does to them, otherwise than the twin has it.

    Vm0 x (1 + b Y),  Y' = (dHR - Y) / 8 min        insulin's action x (1 + a L), liver's too
    L' = dHR in the bout, and L decays with a time constant of 4 to 14 h of the person's own

Form: Dalla Man, Breton, Cobelli, "Physical activity into the meal glucose-insulin model of type 1
diabetes", JDST 3 (2009) 56: uptake without insulin at once, insulin's action for hours. It sits in
tissue with Michaelis-Menten uptake, where the twin's is a share of glucose. Sizes differ from
person to person as models/life_effect.py supposes, around middles at which half an hour of aerobic
exercise takes 18 mg/dL off (T1DEXI); each bout differs from the next by 40 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from models.life_effect import MOVEMENT_SENSITIVITY, MOVEMENT_UPTAKE
from models.movement import EXCESS_BPM, Bout, Kind
from models.trace import FloatArray
from simulations.behaviour import DAY_MIN
from simulations.padova_world import Conditions

UPTAKE_PER_BPM, ACTION_PER_BEAT = 0.08, 2.2e-4
PULSE_MIN = 8.0
LASTS_MIN = (240.0, 840.0)
BOUT_SD = 0.4
BOUTS_A_WEEK = 3.5
FROM_H, TO_H = 15.0, 20.0
MINUTES = (30, 45, 60)


@dataclass(frozen=True)
class Mover:
    """How strongly exercise acts in one person, and for how long its after-effect lasts."""

    uptake_per_bpm: float
    action_per_beat: float
    lasts_min: float


def draw_mover(rng: np.random.Generator) -> Mover:
    """One person's; spread between people as in models/life_effect.py."""
    return Mover(
        UPTAKE_PER_BPM * float(np.exp(MOVEMENT_UPTAKE.spread * rng.standard_normal())),
        ACTION_PER_BEAT * float(np.exp(MOVEMENT_SENSITIVITY.spread * rng.standard_normal())),
        float(np.exp(rng.uniform(*np.log(LASTS_MIN)))),
    )


def plan_bouts(days: int, rng: np.random.Generator) -> tuple[Bout, ...]:
    """Bouts of some weeks: at most one a day, in the afternoon or evening."""
    return tuple(
        Bout(
            minute=day * DAY_MIN + int(60 * rng.uniform(FROM_H, TO_H)),
            minutes=int(rng.choice(MINUTES)),
            kind=Kind.AEROBIC,
            excess_bpm=float(rng.choice(list(EXCESS_BPM.values()))),
        )
        for day in range(days)
        if rng.random() < BOUTS_A_WEEK / 7.0
    )


def bout_factors(count: int, rng: np.random.Generator) -> FloatArray:
    """How much stronger each bout acts than this person's usual, (count,)."""
    factors: FloatArray = np.exp(BOUT_SD * rng.standard_normal(count))
    return factors


def exercised(
    conditions: Conditions, mover: Mover, bouts: Sequence[Bout], factors: FloatArray
) -> Conditions:
    """The same days with these bouts in them."""
    minutes = len(conditions.uptake)
    beats = np.zeros(minutes)
    for bout, factor in zip(bouts, factors, strict=True):
        beats[bout.minute : bout.minute + bout.minutes] = factor * bout.excess_bpm
    pulse, lasting = _courses(beats, mover.lasts_min)
    return conditions._replace(
        sensitivity=conditions.sensitivity * (1.0 + mover.action_per_beat * lasting),
        uptake=conditions.uptake * (1.0 + mover.uptake_per_bpm * pulse),
    )


@njit(cache=True)
def _courses(beats: FloatArray, lasts_min: float) -> tuple[FloatArray, FloatArray]:
    """Y and L of each minute (n,) from beats above rest (n,)."""
    pulse, lasting = np.zeros(len(beats)), np.zeros(len(beats))
    y = z = 0.0
    for minute in range(len(beats)):
        y += (beats[minute] - y) / PULSE_MIN
        z += beats[minute] - z / lasts_min
        pulse[minute], lasting[minute] = y, z
    return pulse, lasting
