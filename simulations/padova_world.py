"""The harder world B: the same bodies with the day-to-day life that the 2008 model leaves out.

Five things differ from world A. Insulin acts more strongly when glucose is low (Dalla Man et al.,
"The UVA/PADOVA type 1 diabetes simulator: new features", JDST 8 (2014) 26); its action has a daily
course of the patient's own phase (Hinshaw et al., Diabetes 62 (2013) 2223) and differs from day to
day (AR(1), sd 0.15 of its logarithm); the stomach empties at another pace at every meal; the liver
makes up to 5 % more glucose at dawn; and the basal is about 5 % too high, give or take 8 %.

All of it, and exercise (`moving_people`), is said by moving seven of the 32 constants every minute,
so that the equations, and with conditions that say nothing every bit of a trajectory, are those of
`padova`:

    kp1 - kp3 Ib - s kp3 (Id - Ib) = [kp1 - (1 - s) kp3 Ib] - s kp3 Id
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from models.trace import FloatArray, IntArray
from simulations.padova import (
    GLUCOSE_ROW,
    MEAL_MEMORY,
    SCRATCH_ROWS,
    VOLUME,
    advance_minute,
    compiled,
)
from simulations.padova_parameters import CONSTANTS, STATES, PadovaPatient

World = Literal["A", "B"]
WORLDS: tuple[World, ...] = ("A", "B")

DAY_MIN = 24 * 60
DAY_SD, DAY_CARRY = 0.15, 0.5
DAILY_COURSE_UP_TO = 0.25
DAWN_UP_TO, DAWN_H, DAWN_WIDTH_H = 0.05, 6.0, 1.5
EMPTYING_SD = 0.2
BASAL_BIAS, BASAL_SD = 0.05, 0.08

# Constants of the risk function (Kovatchev), as in the 2014 simulator.
R1, R2, LOWEST_RISK_MG_DL = 1.44, 0.81, 60.0

_KP1, _KP3, _IB, _VMX, _VM0, _KMAX, _KMIN = map(
    CONSTANTS.index, ("kp1", "kp3", "Ib", "Vmx", "Vm0", "kmax", "kmin")
)
_GLUCOSE_STATES = [STATES.index(name) for name in ("gp", "gt", "gsub")]


class Conditions(NamedTuple):
    """What the days do to a body: factors of its constants in each minute (n,), 1 for nothing.

    `sensitivity` multiplies insulin's action on liver and tissue, `production` the liver's output
    without insulin, `emptying` the stomach's pace, `uptake` what muscles take up
    without insulin. `low_gain` is 1 where insulin acts more strongly
    below `fasting_mg_dl` and 0 where it does not.
    """

    sensitivity: FloatArray
    production: FloatArray
    emptying: FloatArray
    uptake: FloatArray
    low_gain: float
    fasting_mg_dl: float


def calm(patient: PadovaPatient, minutes: int) -> Conditions:
    """World A: every minute is like every other."""
    ones = np.ones(minutes)
    return Conditions(ones, ones, ones, ones, 0.0, patient.fasting_glucose_mg_dl)


def lively(
    patient: PadovaPatient, days: int, meal_minutes: IntArray, rng: np.random.Generator
) -> Conditions:
    """World B for one stay from midnight; `meal_minutes` (m,) ascending, when meals begin."""
    hour = (np.arange(days * DAY_MIN) % DAY_MIN) / 60.0
    amplitude, peak_h = rng.uniform(0.0, DAILY_COURSE_UP_TO), rng.uniform(0.0, 24.0)
    daily = amplitude * np.cos(2.0 * np.pi * (hour - peak_h) / 24.0)
    dawn = rng.uniform(0.0, DAWN_UP_TO) * np.exp(-0.5 * ((hour - DAWN_H) / DAWN_WIDTH_H) ** 2)
    pace = np.append(0.0, EMPTYING_SD * rng.standard_normal(len(meal_minutes)))
    last_meal = np.searchsorted(meal_minutes, np.arange(len(hour)), side="right")
    return Conditions(
        sensitivity=np.exp(daily + _day_to_day(days, rng)),
        production=1.0 + dawn,
        emptying=np.exp(pace[last_meal]),
        uptake=np.ones(len(hour)),
        low_gain=1.0,
        fasting_mg_dl=patient.fasting_glucose_mg_dl,
    )


def _day_to_day(days: int, rng: np.random.Generator) -> FloatArray:
    """ln sensitivity (n,): AR(1) from day to day, linear from noon to noon."""
    noon = rng.standard_normal(days) * DAY_SD
    for day in range(1, days):
        noon[day] = DAY_CARRY * noon[day - 1] + math.sqrt(1.0 - DAY_CARRY**2) * noon[day]
    minutes = np.arange(days * DAY_MIN) / DAY_MIN
    between: FloatArray = np.interp(minutes, np.arange(days) + 0.5, noon)
    return between


def basal_factor(world: World, rng: np.random.Generator) -> float:
    """What a basal is multiplied with: in world B it is miscalibrated, mostly too high."""
    return 1.0 if world == "A" else float(np.exp(rng.normal(BASAL_BIAS, BASAL_SD)))


@compiled
def risk(glucose: float, conditions: Conditions) -> float:
    """Factor (1 or more) of insulin-dependent uptake at `glucose` mg/dL below the fasting level."""
    fasting = conditions.fasting_mg_dl
    if conditions.low_gain == 0.0 or glucose >= fasting:
        return 1.0
    depth = math.log(max(glucose, LOWEST_RISK_MG_DL)) ** R2 - math.log(fasting) ** R2
    factor: float = 1.0 + conditions.low_gain * 10.0 * R1 * depth * depth
    return factor


@compiled
def set_constants(
    now: FloatArray, p: FloatArray, conditions: Conditions, k: int, glucose: float
) -> None:
    """Moves the constants `now` (32,) to what `p` (32,) are in minute k at plasma `glucose`."""
    s = conditions.sensitivity[k]
    now[_KP1] = p[_KP1] * conditions.production[k] - (1.0 - s) * p[_KP3] * p[_IB]
    now[_KP3] = s * p[_KP3]
    now[_VMX] = s * risk(glucose, conditions) * p[_VMX]
    now[_VM0] = conditions.uptake[k] * p[_VM0]
    now[_KMAX] = conditions.emptying[k] * p[_KMAX]
    now[_KMIN] = conditions.emptying[k] * p[_KMIN]


@compiled
def _replay(
    x: FloatArray, p: FloatArray, conditions: Conditions, carbs_g: FloatArray, insulin_u: FloatArray
) -> FloatArray:
    now, meal, scratch = p.copy(), np.zeros(MEAL_MEMORY), np.empty((SCRATCH_ROWS, x.size))
    glucose = np.empty(carbs_g.size)
    for k in range(carbs_g.size):
        glucose[k] = x[GLUCOSE_ROW] / p[VOLUME]
        set_constants(now, p, conditions, k, glucose[k])
        advance_minute(x, now, meal, scratch, carbs_g[k], insulin_u[k])
    return glucose


def replay(
    patient: PadovaPatient,
    conditions: Conditions,
    carbs_g: FloatArray,
    insulin_u: FloatArray,
    start_mg_dl: float | None = None,
) -> FloatArray:
    """True glucose (n,) in mg/dL at the start of each minute, of what was eaten and infused (n,).

    From the fasting state, or from one with all glucose scaled to `start_mg_dl`.
    """
    state = patient.fasting_state.copy()
    if start_mg_dl is not None:
        state[_GLUCOSE_STATES] *= start_mg_dl / patient.fasting_glucose_mg_dl
    glucose: FloatArray = _replay(state, patient.constants, conditions, carbs_g, insulin_u)
    return glucose
