"""The UVA/Padova 2008 model of type 1 diabetes as simglucose runs it, for many patients at once.

Equations: Dalla Man, Rizza, Cobelli, "Meal simulation model of the glucose-insulin system", IEEE
Trans. Biomed. Eng. 54 (2007) 1740, with the subcutaneous insulin of Kovatchev et al. 2009, in the
form of simglucose 0.2.11 (`T1DPatient.model`), which is the reference in the tests. Simglucose
integrates with an adaptive dopri5 in Python at 10 s a patient-day; fixed Runge-Kutta steps,
compiled, cost about 1 ms and differ by less than 0.001 mg/dL. Half-minute steps do while nothing
is eaten. In a minute with a bite the stomach's emptying runs through its whole range as long as the
meal is small: a sixteenth of a minute is needed (with halves the golden days differ by 0.07 mg/dL).
"""

import math
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import numpy as np
from numba import njit

from models.trace import FloatArray
from simulations.padova_parameters import CONSTANTS, PMOL_PER_U, STATES, PadovaPatient

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")

EATING_G_PER_MIN = 5.0
STEPS_AT_REST = 2
STEPS_EATING = 16

SIZE = len(STATES)
MEAL_MEMORY = 5
PLANNED_G, STOMACH_AT_START_MG, EATEN_G, LAST_BITE_G, EATING = range(MEAL_MEMORY)
SCRATCH_ROWS = 5
GLUCOSE_ROW = STATES.index("gsub")
WEIGHT = CONSTANTS.index("BW")
VOLUME = CONSTANTS.index("Vg")


class PadovaError(ValueError):
    """Inputs that virtual patients cannot be run with."""


def compiled(function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """The same function, compiled by numba on its first call; it releases the interpreter lock."""
    machine_code: Callable[Inputs, Output] = njit(cache=True, nogil=True, error_model="numpy")(
        function
    )
    return machine_code


@compiled
def _derivatives(
    x: FloatArray, p: FloatArray, bite_mg: float, infused: float, meal_mg: float, dx: FloatArray
) -> None:
    """Rates of change (13,) per minute, into `dx`.

    x: q1, q2 stomach solid and liquid, q gut (mg); gp, gt plasma and tissue glucose (mg/kg);
    ip, il plasma and liver insulin (pmol/kg); X, I1, Id insulin action (pmol/L); s1, s2 insulin
    under the skin (pmol/kg); gs glucose under the skin (mg/kg). `bite_mg` is mg/min eaten,
    `infused` pmol/kg/min, `meal_mg` the size of this meal so far plus what it found in the stomach.
    """
    (bw, kabs, kmax, kmin, b, d, _, vi, vmx, km0, k2, k1, p2u, m1, m2, m4, m30) = p[:17]
    (ib, ki, kp1, kp2, kp3, f, ke1, ke2, fsnc, vm0, kd, ksc, ka1, ka2, _) = p[17:]
    q1, q2, q, gp, gt, ip, action, i1, i_delayed, il, s1, s2, gs = x

    emptying = kmax
    if meal_mg > 0.0:
        alpha, beta = 2.5 / (meal_mg * (1.0 - b)), 2.5 / (meal_mg * d)
        full = math.tanh(alpha * (q1 + q2 - b * meal_mg))
        nearly_empty = math.tanh(beta * (q1 + q2 - d * meal_mg))
        emptying = kmin + 0.5 * (kmax - kmin) * (full - nearly_empty + 2.0)
    dx[0] = bite_mg - kmax * q1
    dx[1] = kmax * q1 - emptying * q2
    dx[2] = emptying * q2 - kabs * q
    appearance = f * kabs * q / bw

    produced = max(kp1 - kp2 * gp - kp3 * i_delayed, 0.0)
    excreted = ke1 * max(gp - ke2, 0.0)
    used = (vm0 + vmx * action) * gt / (km0 + gt)
    dx[3] = produced + appearance - fsnc - excreted - k1 * gp + k2 * gt if gp >= 0.0 else 0.0
    dx[4] = k1 * gp - used - k2 * gt if gt >= 0.0 else 0.0

    insulin = ip / vi
    dx[5] = m1 * il + ka1 * s1 + ka2 * s2 - (m2 + m4) * ip if ip >= 0.0 else 0.0
    dx[6] = p2u * (insulin - ib - action)
    dx[7] = ki * (insulin - i1)
    dx[8] = ki * (i1 - i_delayed)
    dx[9] = m2 * ip - (m1 + m30) * il if il >= 0.0 else 0.0
    dx[10] = infused - (ka1 + kd) * s1 if s1 >= 0.0 else 0.0
    dx[11] = kd * s1 - ka2 * s2 if s2 >= 0.0 else 0.0
    dx[12] = ksc * (gp - gs) if gs >= 0.0 else 0.0


@compiled
def _bite(meal: FloatArray, announced_g: float, in_stomach_mg: float) -> float:
    """Grams eaten in this minute; `meal` (5,) remembers what is planned and what this meal was.

    A person eats what was announced at 5 g/min. The emptying of the stomach depends on the size of
    the meal, which is counted from the first bite until one minute passes without a bite.
    """
    meal[PLANNED_G] += announced_g
    bite_g = min(EATING_G_PER_MIN, float(meal[PLANNED_G]))
    meal[PLANNED_G] -= bite_g
    if bite_g > 0.0 and meal[LAST_BITE_G] <= 0.0:
        meal[STOMACH_AT_START_MG] = in_stomach_mg
        meal[EATEN_G] = 0.0
        meal[EATING] = 1.0
    if meal[EATING] > 0.0:
        meal[EATEN_G] += bite_g
    if bite_g <= 0.0:
        meal[EATING] = 0.0
    meal[LAST_BITE_G] = bite_g
    return bite_g


@compiled
def advance_minute(
    x: FloatArray,
    p: FloatArray,
    meal: FloatArray,
    scratch: FloatArray,
    announced_g: float,
    insulin_u: float,
) -> None:
    """Moves the state `x` (13,) and `meal` (5,) one minute on, by the classical Runge-Kutta method.

    `announced_g` of carbohydrate join the plate, `insulin_u` are infused during this minute (basal
    and bolus together). `p` (32,) are the constants; `scratch` (5, 13) is overwritten.
    """
    bite_mg = 1000.0 * _bite(meal, announced_g, x[0] + x[1])
    meal_mg = meal[STOMACH_AT_START_MG] + 1000.0 * meal[EATEN_G]
    infused = insulin_u * PMOL_PER_U / p[WEIGHT]
    f1, f2, f3, f4, y = scratch
    steps = STEPS_EATING if bite_mg > 0.0 else STEPS_AT_REST
    h = 1.0 / steps
    for _ in range(steps):
        _derivatives(x, p, bite_mg, infused, meal_mg, f1)
        for i in range(SIZE):
            y[i] = x[i] + 0.5 * h * f1[i]
        _derivatives(y, p, bite_mg, infused, meal_mg, f2)
        for i in range(SIZE):
            y[i] = x[i] + 0.5 * h * f2[i]
        _derivatives(y, p, bite_mg, infused, meal_mg, f3)
        for i in range(SIZE):
            y[i] = x[i] + h * f3[i]
        _derivatives(y, p, bite_mg, infused, meal_mg, f4)
        for i in range(SIZE):
            x[i] += h / 6.0 * (f1[i] + 2.0 * f2[i] + 2.0 * f3[i] + f4[i])


@compiled
def _trajectories(
    states: FloatArray, constants: FloatArray, carbs_g: FloatArray, insulin_u: FloatArray
) -> FloatArray:
    patients, minutes = carbs_g.shape
    path = np.empty((patients, minutes, states.shape[1]))
    scratch = np.empty((SCRATCH_ROWS, states.shape[1]))
    for i in range(patients):
        x, meal = states[i].copy(), np.zeros(MEAL_MEMORY)
        for k in range(minutes):
            advance_minute(x, constants[i], meal, scratch, carbs_g[i, k], insulin_u[i, k])
            path[i, k] = x
    return path


def simulate(
    patients: Sequence[PadovaPatient], carbs_g: FloatArray, insulin_u: FloatArray
) -> FloatArray:
    """States (P, n, 13) after each minute, from each patient's fasting state before the first.

    `carbs_g` (P, n) is what is put on the plate in a minute, `insulin_u` (P, n) U infused in it.
    Raises PadovaError when the shapes differ or an input is negative or not finite.
    """
    carbs_g, insulin_u = (np.ascontiguousarray(a, dtype=np.float64) for a in (carbs_g, insulin_u))
    expected = (len(patients), carbs_g.shape[-1])
    if carbs_g.shape != expected or insulin_u.shape != expected:
        raise PadovaError(
            f"carbs have shape {carbs_g.shape} and insulin {insulin_u.shape}; expected (patients, "
            f"minutes) with {len(patients)} patients. Nothing was simulated. Reshape the inputs."
        )
    if not (np.all(carbs_g >= 0.0) and np.all(insulin_u >= 0.0)):
        raise PadovaError(
            "carbs or insulin hold a negative or unknown amount; expected 0 or more in every "
            "minute. Nothing was simulated. Put 0 where nothing was eaten or infused."
        )
    states = np.array([patient.fasting_state for patient in patients])
    constants = np.array([patient.constants for patient in patients])
    return _trajectories(states, constants, carbs_g, insulin_u)


def glucose_mg_dl(patients: Sequence[PadovaPatient], path: FloatArray) -> FloatArray:
    """Subcutaneous glucose (P, n) in mg/dL, what a sensor without error reads, of states `path`."""
    volumes = np.array([patient.constants[VOLUME] for patient in patients])
    glucose: FloatArray = path[..., GLUCOSE_ROW] / volumes[:, None]
    return glucose
