"""Virtual patients of our own minimal model: the population that the public start may learn from.

Heads are drawn from the book prior, life from simple habits. These people differ from those of
UVA/Padova in every equation, so that a study on the latter is not a study on its own teachers.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from models.heads import BOOK_PRIOR, LATENT, THETA_HIGH, THETA_LOW, Head
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.trace import STEPS_PER_DAY, FloatArray, Trace

# Meals of a day: hour, its sd, carbs (g), their ln sd, chance.
MEALS = (
    (7.5, 0.8, 45.0, 0.35, 0.92),
    (10.5, 0.8, 18.0, 0.4, 0.3),
    (13.0, 0.8, 65.0, 0.35, 0.95),
    (16.5, 0.8, 18.0, 0.4, 0.35),
    (19.5, 0.9, 75.0, 0.35, 0.96),
    (22.3, 0.7, 15.0, 0.4, 0.2),
)
COUNTING_SD = 0.2
CHANCE_MISSED, CHANCE_LATE = 0.06, 0.12
BASAL_U_PER_H = (0.4, 1.4)
MEAN_RANGE_MG_DL = (90.0, 230.0)
LOWEST_MG_DL = 30.0
DAY_SENSITIVITY_SD = 0.13
DISTURBANCE_SD_MG_DL_MIN = (0.3, 1.0)
DISTURBANCE_MEMORY_MIN = (25.0, 120.0)


@dataclass(frozen=True)
class MinimalPatient:
    """What the patient's files would show, and the head that made them."""

    trace: Trace
    head: Head


def draw_patients(
    count: int, days: int, random: np.random.Generator, centre: FloatArray | None = None
) -> list[MinimalPatient]:
    """`count` patients with `days` days each, around `centre` (K,) in prior sds (0 if None).

    Draws with an impossible life are thrown away: mean glucose outside 90-230 mg/dL, any below 30.
    """
    middle = np.zeros(len(BOOK_PRIOR.mean)) if centre is None else centre
    kept: list[MinimalPatient] = []
    while len(kept) < count:
        basal = float(random.uniform(*BASAL_U_PER_H))
        patient = _live(f"minimal-{len(kept)}", _draw_head(random, middle), basal, days, random)
        glucose = patient.trace["glucose_mg_dl"]
        if glucose.min() > LOWEST_MG_DL and _within(glucose.mean(), MEAN_RANGE_MG_DL):
            kept.append(patient)
    return kept


def _draw_head(random: np.random.Generator, middle: FloatArray) -> Head:
    """A head within two and a half prior standard deviations of the book."""
    z = np.clip(middle + random.normal(size=len(middle)), -2.5, 2.5)
    theta = np.clip(BOOK_PRIOR.mean + BOOK_PRIOR.sd * z, THETA_LOW, THETA_HIGH)
    return Head(theta, np.zeros(LATENT), 0.97, 4.0)


def _live(
    name: str, head: Head, basal_u_per_h: float, days: int, random: np.random.Generator
) -> MinimalPatient:
    eaten, dosed = _plan(days, carb_ratio_g_per_u(head), random)
    rows = days * STEPS_PER_DAY
    truth = _record(name, basal_u_per_h, dosed, eaten)
    glucose = open_loop(
        head.theta,
        physiology_inputs(truth),
        head.values["Gb"],
        ln_sensitivity=_day_sensitivity(days, random),
        disturbance_mg_dl_min=_disturbance(rows, random),
    ).interstitial_mg_dl[0]
    counted = eaten * np.clip(random.normal(1.0, COUNTING_SD, rows), 0.4, 1.7)
    seen = {**truth.columns, "glucose_mg_dl": glucose, "carbs_g": counted}
    return MinimalPatient(replace(truth, columns=seen), head)


def carb_ratio_g_per_u(head: Head) -> float:
    """Grams that one unit covers: ratio of the areas under both effects over six hours, 2 to 60."""
    insulin, meal = _six_hour_area(head, 1.0, 0.0), _six_hour_area(head, 0.0, 1.0)
    return float(np.clip(-insulin / max(meal, 1e-6), 2.0, 60.0))


def _six_hour_area(head: Head, bolus_u: float, carbs_g: float) -> float:
    """Area between the path after one event and the resting level, mg/dL x 5 min."""
    event = np.zeros(STEPS_PER_DAY // 4)
    event[0] = 1.0
    inputs = physiology_inputs(_record("probe", 1.0, bolus_u * event, carbs_g * event))
    path = open_loop(head.theta, inputs, head.values["Gb"]).interstitial_mg_dl[0]
    return float((path - path[0]).sum())


def _record(name: str, basal_u_per_h: float, bolus_u: FloatArray, carbs_g: FloatArray) -> Trace:
    """A trace of known inputs, glucose still to come."""
    columns = {
        "glucose_mg_dl": np.full(len(bolus_u), np.nan),
        "basal_u_per_h": np.full(len(bolus_u), basal_u_per_h),
        "bolus_u": bolus_u,
        "carbs_g": carbs_g,
    }
    return Trace(name, "UTC", 5, 0, columns)


def _plan(
    days: int, carb_ratio: float, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Carbs eaten (g) and boluses (U) on the 5-minute grid."""
    rows = days * STEPS_PER_DAY
    eaten, dosed = np.zeros(rows), np.zeros(rows)
    for day in range(days):
        for hour, hour_sd, carbs, ln_sd, chance in MEALS:
            row = day * STEPS_PER_DAY + int(12 * random.normal(hour, hour_sd))
            grams = carbs * np.exp(random.normal(0.0, ln_sd))
            late = int(random.integers(3, 13)) if random.random() < CHANCE_LATE else 0
            if random.random() > chance or not 0 <= row < rows - 13:
                continue
            eaten[row] += grams
            if random.random() > CHANCE_MISSED:
                counted = grams * np.clip(random.normal(1.0, COUNTING_SD), 0.4, 1.7)
                dosed[row + late] += round(counted / carb_ratio, 1)
    return eaten, dosed


def _day_sensitivity(days: int, random: np.random.Generator) -> FloatArray:
    """ln of the sensitivity multiplier per row, a straight line between days, (n,)."""
    daily = random.normal(0.0, DAY_SENSITIVITY_SD, days + 1)
    return np.interp(np.arange(days * STEPS_PER_DAY) / STEPS_PER_DAY, np.arange(days + 1), daily)


def _disturbance(rows: int, random: np.random.Generator) -> FloatArray:
    """Ornstein-Uhlenbeck disturbance of dG/dt, mg/dL/min, (n,)."""
    memory = np.exp(-5.0 / random.uniform(*DISTURBANCE_MEMORY_MIN))
    white = random.uniform(*DISTURBANCE_SD_MG_DL_MIN) * random.normal(size=rows)
    noise: FloatArray = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], white)
    return noise


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
