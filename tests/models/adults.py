"""Twins of 24 adults of the UVA/Padova worlds, for the tables of papers, and their usual bolus."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.heads import NAMES, physical
from models.inputs import EATING_G_PER_MIN, MG_PER_G, MU_PER_U
from models.life_effect import Amplitudes, population_middle
from models.lived import Modifiers, lived_paths
from models.mixed_meal import MealMake, appearance, resistance
from models.openloop import IG, STATES, G
from models.physiology import INSULIN_DELAY_MIN
from models.trace import STEP_MIN, FloatArray

LEARNED = Path(__file__).parents[2] / "simulations" / "data" / "effects_learned.json"
WEIGHT_KG, RESTING_U_PER_H = 70.0, 1.0
RESTING = RESTING_U_PER_H / 60.0 * MU_PER_U / WEIGHT_KG
ROWS_PER_HOUR = 60 // STEP_MIN
MG_DL_PER_MMOL_L = 18.016


@dataclass(frozen=True)
class Given:
    """A bolus, U for each head: a share at once, the rest over hours."""

    units: FloatArray
    now: float = 1.0
    over_h: float = 0.0


@cache
def thetas(each: int = 12) -> FloatArray:
    """Heads (2 each, K) of adults of both worlds."""
    priors = json.loads(LEARNED.read_text())["priors"]
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            rng.multivariate_normal(priors[world]["mean"], priors[world]["covariance"], each)
            for world in ("A", "B")
        ]
    )


def at(theta: FloatArray, start_mg_dl: float | None = None) -> FloatArray:
    """States (D, S) of a fasting person, at their own resting glucose or another."""
    states = np.zeros((len(theta), len(STATES)))
    resting = physical(theta)[:, NAMES.index("Gb")]
    states[:, G] = states[:, IG] = resting if start_mg_dl is None else start_mg_dl
    return states


def hours_of(hours: int, from_hour: float = 8.0) -> FloatArray:
    """Local hour of each row."""
    return (from_hour + np.arange(hours * ROWS_PER_HOUR) / ROWS_PER_HOUR) % 24.0


def live(
    theta: FloatArray,
    hours: int,
    modifiers: Modifiers,
    given: Given | None = None,
    start_mg_dl: float | None = 120.0,
    carbs_g: float = 0.0,
) -> FloatArray:
    """Glucose (D, n) of fasting people from 8:00 on, with a bolus and plain carbohydrate."""
    local_hour = hours_of(hours)
    drives = np.zeros((len(theta), 2, STEP_MIN * len(local_hour)))
    eaten = int(carbs_g / EATING_G_PER_MIN)
    drives[:, 1, :eaten] = EATING_G_PER_MIN * MG_PER_G / WEIGHT_KG
    if given is not None:
        lasts = round(60 * given.over_h)
        drives[:, 0, INSULIN_DELAY_MIN] += given.units * given.now * MU_PER_U / WEIGHT_KG
        if lasts:
            slow = given.units * (1.0 - given.now) / lasts * MU_PER_U / WEIGHT_KG
            drives[:, 0, INSULIN_DELAY_MIN : INSULIN_DELAY_MIN + lasts] += slow[:, None]
    bent, begin = modifiers.stacked(), at(theta, start_mg_dl)
    paths = [
        lived_paths(
            theta[d : d + 1],
            begin[d : d + 1],
            drives[d : d + 1],
            RESTING,
            local_hour,
            bent[d % len(bent) :][None, :1],
        )[0, 0]
        for d in range(len(theta))
    ]
    return np.stack(paths)


def eat(
    meal: MealMake, hours: int, given: Given, amplitudes: Amplitudes | None = None
) -> FloatArray:
    """Glucose (D, n) of the adults after a meal at 8:00."""
    known = population_middle() if amplitudes is None else amplitudes
    theta, rows = thetas(), hours * ROWS_PER_HOUR
    modifiers = Modifiers.none(1, rows).with_(
        rise=appearance(theta, [meal], hours_of(hours), WEIGHT_KG, known),
        action=resistance([meal], rows, known),
    )
    return live(theta, hours, modifiers, given)


@cache
def usual_bolus() -> FloatArray:
    """U for each adult that bring glucose back by the end of 5 h after 50 g of carbohydrate."""
    theta = thetas()
    low, high = np.zeros(len(theta)), np.full(len(theta), 40.0)
    middle: FloatArray = high
    fasting = live(theta, 5, Modifiers.none(1, 5 * ROWS_PER_HOUR))
    for _ in range(12):
        middle = (low + high) / 2.0
        still_up = (eat(MealMake(0, 50.0), 5, Given(middle)) - fasting)[:, 42:].mean(axis=1) > 0.0
        low, high = np.where(still_up, middle, low), np.where(still_up, high, middle)
    return middle


def bolus_for(
    target: FloatArray, meal: MealMake, hours: int, now: float, over_h: float
) -> FloatArray:
    """Multiple of the usual bolus for each adult that gives the same mean glucose, (D,)."""
    low, high = np.full(len(target), 0.5), np.full(len(target), 5.0)
    middle: FloatArray = high
    for _ in range(10):
        middle = (low + high) / 2.0
        given = Given(usual_bolus() * middle * meal.carbs_g / 50.0, now, over_h)
        too_high = eat(meal, hours, given).mean(axis=1) > target
        low, high = np.where(too_high, middle, low), np.where(too_high, high, middle)
    return middle
