"""Meals with fat, protein and a glycaemic index: how their glucose appears, minute by minute.

    Q1' = g m - K Q1,  Q2' = K (Q1 - Q2),  Qg' = K Q2 - k Qg,  Ra = f k Qg / VG
    K, k = kempt, kabs x (GI / 70)^gamma / (1 + c fat)

with the patient's own g (gain), kempt and kabs of the hour; the amount that appears does not
change. Protein appears as glucose hours later, along a course of its own. All of it is linear, so
such meals are reckoned apart from a regimen's plain carbohydrate and added to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from models.heads import physical
from models.inputs import EATING_G_PER_MIN, MG_PER_G
from models.life_effect import FAT_EMPTYING, FAT_RESISTANCE, GLYCAEMIC_INDEX, PROTEIN, Amplitudes
from models.lived import Modifiers
from models.openloop import GAIN, KABS, KEMPT, TO_RA, rates_of, set_hour
from models.trace import STEP_MIN, FloatArray

USUAL_INDEX = 70.0
"""Of the meals a head was fitted on, where nobody wrote it down: mixed, bread and potatoes."""

PROTEIN_ONSET_MIN, PROTEIN_STAGE_PER_MIN, PROTEIN_STAGES = 95, 1.0 / 38.0, 4
"""Delay, and a chain of equal stages behind it, which peaks three stages' time after the onset."""
LEAST_CARBS_G, LEAST_PROTEIN_ALONE_G = 12.5, 75.0

RESISTANCE_FROM_MIN, RESISTANCE_TO_MIN, RESISTANCE_RAMP_MIN = 120, 600, 60


@dataclass(frozen=True)
class MealMake:
    """A meal of so many grams, eaten from a minute on (0 is the scenario's start)."""

    minute: int
    carbs_g: float
    fat_g: float = 0.0
    protein_g: float = 0.0
    glycaemic_index: float = USUAL_INDEX

    @property
    def plain(self) -> bool:
        """Whether the usual chain tells all of it."""
        return self.fat_g == self.protein_g == 0.0 and self.glycaemic_index == USUAL_INDEX

    @property
    def protein_counts_g(self) -> float:
        """Protein that becomes glucose: none of a small portion eaten alone."""
        enough = self.carbs_g >= LEAST_CARBS_G or self.protein_g >= LEAST_PROTEIN_ALONE_G
        return self.protein_g if enough else 0.0


def appearance(
    theta: FloatArray,
    meals: Sequence[MealMake],
    local_hour: FloatArray,
    weight_kg: float,
    amplitudes: Amplitudes,
) -> FloatArray:
    """Mean glucose appearing in each row from these meals, mg/dL/min, (D, n), in heads (D, K)."""
    values = physical(np.atleast_2d(theta))
    total = np.zeros((len(values), len(local_hour)))
    to_mg_kg = MG_PER_G / weight_kg
    for meal in meals:
        pace = _pace(meal, amplitudes)
        amount = np.array([meal.carbs_g, EATING_G_PER_MIN]) * to_mg_kg
        total += _through_gut(values, local_hour, pace, meal.minute, amount)
        made = amplitudes[PROTEIN] * meal.protein_counts_g * to_mg_kg * TO_RA
        total += made[:, None] * _protein_shape(meal.minute, len(local_hour))
    return total


def resistance(meals: Sequence[MealMake], rows: int, amplitudes: Amplitudes) -> FloatArray:
    """Multiplier (D, n) of insulin's action by the fat of meals: exp(-r fat / 50), hours later."""
    since = STEP_MIN * (np.arange(rows) + 0.5)
    dose = np.zeros(rows)
    for meal in meals:
        past = since - meal.minute
        rising = np.clip((past - RESISTANCE_FROM_MIN) / RESISTANCE_RAMP_MIN, 0.0, 1.0)
        falling = np.clip((RESISTANCE_TO_MIN - past) / RESISTANCE_RAMP_MIN, 0.0, 1.0)
        dose += meal.fat_g / 50.0 * np.minimum(rising, falling)
    multiplier: FloatArray = np.exp(-amplitudes[FAT_RESISTANCE][:, None] * dose)
    return multiplier


def differing(
    theta: FloatArray,
    amplitudes: Amplitudes,
    meal: MealMake,
    usual: MealMake,
    place: tuple[FloatArray, float],
) -> Modifiers:
    """What a recorded meal does beside the patient's `usual` one at its minute, (D, n).

    Minutes count from the first row. Its carbohydrate is in the record already, at the pace of
    usual meals: only the difference of pace, of protein and of fat's resistance is told here.
    `place`: local hours (n,) and weight, kg.
    """
    local_hour, weight_kg = place
    values = physical(np.atleast_2d(theta))
    pace = _pace(meal, amplitudes) / _pace(usual, amplitudes)
    amount = np.array([meal.carbs_g, EATING_G_PER_MIN]) * MG_PER_G / weight_kg
    if len(values) == 1:  # one head: each pace once, however many amplitudes share it
        paces, which = np.unique(np.append(pace, 1.0), return_inverse=True)
        courses = _through_gut(values, local_hour, paces, meal.minute, amount)
        gut = [courses[which[:-1]], courses[which[-1:]]]
    else:
        gut = [
            _through_gut(values, local_hour, one, meal.minute, amount) for one in (pace, np.ones(1))
        ]
    more_g = meal.protein_counts_g - usual.protein_counts_g
    made = amplitudes[PROTEIN] * more_g * MG_PER_G / weight_kg * TO_RA
    rows = len(local_hour)
    resists = resistance([meal], rows, amplitudes) / resistance([usual], rows, amplitudes)
    return Modifiers.none(1, rows).with_(
        action=resists, rise=gut[0] - gut[1] + made[:, None] * _protein_shape(meal.minute, rows)
    )


def _pace(meal: MealMake, amplitudes: Amplitudes) -> FloatArray:
    """Factor of kempt and kabs, (D,)."""
    faster = (meal.glycaemic_index / USUAL_INDEX) ** amplitudes[GLYCAEMIC_INDEX]
    paced: FloatArray = faster / (1.0 + amplitudes[FAT_EMPTYING] * meal.fat_g)
    return paced


@numba.njit(cache=True, error_model="numpy")
def _through_gut(
    values: FloatArray, local_hour: FloatArray, pace: FloatArray, minute: int, amount: FloatArray
) -> FloatArray:
    """Glucose appearing, mg/dL/min, (D, n), of `amount`: a meal and its bites, mg/kg."""
    rows = len(local_hour)
    appears = np.zeros((max(len(values), len(pace)), rows))
    meal, bite = amount
    for d in range(len(appears)):
        head, paced = values[d % len(values)], pace[d % len(pace)]
        kempt, rates = head[KEMPT] * paced, rates_of(head)
        q1 = q2 = qg = 0.0
        left = meal
        for t in range(minute, STEP_MIN * rows):
            set_hour(rates, head, local_hour[t // STEP_MIN])
            kabs = rates[0, KABS] * paced
            eaten = min(left, bite)
            left -= eaten
            rise = (head[GAIN] * eaten - kempt * q1) / (1.0 + 0.5 * kempt)
            q1 += rise
            flow = kempt * (q1 - 0.5 * rise)
            rise = (flow - kempt * q2) / (1.0 + 0.5 * kempt)
            q2 += rise
            flow = kempt * (q2 - 0.5 * rise)
            rise = (flow - kabs * qg) / (1.0 + 0.5 * kabs)
            qg += rise
            appears[d, t // STEP_MIN] += kabs * (qg - 0.5 * rise) * TO_RA / STEP_MIN
    return appears


def _protein_shape(minute: int, rows: int) -> FloatArray:
    """Share of a protein's glucose appearing a minute, mean of each row, (n,): a gamma course."""
    edges = STEP_MIN * np.arange(rows + 1) - minute - PROTEIN_ONSET_MIN
    past = np.maximum(edges, 0.0) * PROTEIN_STAGE_PER_MIN
    terms = np.array([past**stage for stage in range(PROTEIN_STAGES)])
    factorial = np.cumprod([1.0, *range(1, PROTEIN_STAGES)])
    gone = 1.0 - np.exp(-past) * (terms / factorial[:, None]).sum(axis=0)
    share: FloatArray = np.diff(gone) / STEP_MIN
    return share
