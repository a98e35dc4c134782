"""New virtual patients between the public ones of the same age group, and what a clinic prescribes.

A new patient is a geometric mean of three public patients of the group with weights w from a
Dirichlet(1/2, 1/2, 1/2). Such a mean has only sum(w^2) of the group's variance, so each constant
gets an independent log-normal jitter with the remaining 1 - sum(w^2) of it, and is then held inside
the range that the group spans. The fasting state is solved anew. Whoever the prescribed basal does
not hold in 70-250 mg/dL over 24 h without food is rejected, counted, and drawn again.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.trace import FloatArray
from simulations.padova import PadovaError, glucose_mg_dl, simulate
from simulations.padova_parameters import (
    FREE,
    GROUPS,
    PadovaPatient,
    free_constants,
    settle,
)

FASTING_RANGE_MG_DL = (70.0, 250.0)
BASAL_ERROR = 0.08
RATIO_ERROR = 0.15
CAUTION = 1.15
_PARENTS = 3
_FAST_MIN = 24 * 60
_RESPONSE_MIN = 8 * 60
_PROBE_U_PER_KG = 0.02
_PROBE_G_PER_KG = 0.3
_MOST_DRAWS = 200


@dataclass(frozen=True)
class Prescription:
    """What the clinic set: a constant basal, grams one unit covers, mg/dL one unit lowers."""

    basal_u_per_h: float
    carb_ratio_g_per_u: float
    correction_mg_dl_per_u: float


@dataclass(frozen=True)
class Rejected:
    """Who was drawn and not kept, and how far glucose went: over a fast of 24 h, or over a stay."""

    group: str
    during: Literal["fast", "stay"]
    lowest_mg_dl: float
    highest_mg_dl: float


@dataclass(frozen=True)
class Drawn:
    """One accepted patient with a prescription, and those rejected before."""

    patient: PadovaPatient
    prescription: Prescription
    rejected: tuple[Rejected, ...]


def draw_between(group: str, name: str, rng: np.random.Generator) -> PadovaPatient:
    """A patient between three public ones of `group` ("child", "adolescent", "adult"), at rest."""
    logs = np.log(free_constants(group))
    parents = rng.choice(len(logs), size=_PARENTS, replace=False)
    weights = rng.dirichlet(np.full(_PARENTS, 0.5))
    jitter = np.sqrt(1.0 - np.sum(weights**2)) * logs.std(axis=0, ddof=1)
    log = weights @ logs[parents] + jitter * rng.standard_normal(len(FREE))
    drawn = np.exp(np.clip(log, logs.min(axis=0), logs.max(axis=0)))
    free = dict(zip(FREE, map(float, drawn), strict=True))
    free["kmin"] = min(free["kmin"], free["kmax"])
    return settle(name, group, free)


def respond(patient: PadovaPatient, bolus_u: float, carbs_g: float) -> FloatArray:
    """Change of glucose (480,) in mg/dL over 8 h that a bolus and a meal at rest bring about."""
    basal = np.full((1, _RESPONSE_MIN), patient.basal_u_per_h / 60.0)
    carbs = np.zeros_like(basal)
    basal[0, 0] += bolus_u
    carbs[0, 0] = carbs_g
    change: FloatArray = _alone(patient, carbs, basal) - patient.fasting_glucose_mg_dl
    return change


def prescribe(patient: PadovaPatient, rng: np.random.Generator) -> Prescription:
    """Settings as titration leaves them: by the patient's own response, cautious, and in error.

    The correction factor is the deepest fall per unit; the carbohydrate ratio makes the rise of a
    gram and the fall of its insulin cancel in area over 8 h. Both are then set 15 % weaker, as
    clinics do for fear of lows. Errors are log-normal, 8 % for basal and 15 % for the ratios.
    """
    units, grams = _PROBE_U_PER_KG * patient.weight_kg, _PROBE_G_PER_KG * patient.weight_kg
    fall, rise = respond(patient, units, 0.0) / units, respond(patient, 0.0, grams) / grams
    basal, ratio, correction = np.exp(
        rng.standard_normal(3) * (BASAL_ERROR, RATIO_ERROR, RATIO_ERROR)
    ) * (1.0, CAUTION, CAUTION)
    return Prescription(
        basal_u_per_h=round(patient.basal_u_per_h * float(basal), 3),
        carb_ratio_g_per_u=round(float(-fall.sum() / rise.sum() * ratio), 1),
        correction_mg_dl_per_u=round(float(-fall.min() * correction), 1),
    )


def fast(patient: PadovaPatient, basal_u_per_h: float) -> FloatArray:
    """Glucose (1440,) in mg/dL over 24 h without food on one basal rate, from rest."""
    basal = np.full((1, _FAST_MIN), basal_u_per_h / 60.0)
    return _alone(patient, np.zeros_like(basal), basal)


def _alone(patient: PadovaPatient, carbs_g: FloatArray, insulin_u: FloatArray) -> FloatArray:
    glucose: FloatArray = glucose_mg_dl([patient], simulate([patient], carbs_g, insulin_u))[0]
    return glucose


def draw_patient(group: str, name: str, rng: np.random.Generator) -> Drawn:
    """A patient of `group` whom the prescribed basal holds in 70-250 mg/dL over a 24 h fast.

    Raises PadovaError for an unknown group, or when 200 draws in a row were rejected.
    """
    if group not in GROUPS:
        raise PadovaError(
            f"group {group!r} is unknown; expected one of {GROUPS}. Nobody was drawn. "
            "Name one of these groups."
        )
    rejected: list[Rejected] = []
    low, high = FASTING_RANGE_MG_DL
    while len(rejected) < _MOST_DRAWS:
        patient = draw_between(group, name, rng)
        prescription = prescribe(patient, rng)
        glucose = fast(patient, prescription.basal_u_per_h)
        lowest, highest = float(glucose.min()), float(glucose.max())
        if low <= lowest and highest <= high:
            return Drawn(patient, prescription, tuple(rejected))
        rejected.append(Rejected(group, "fast", lowest, highest))
    raise PadovaError(
        f"{_MOST_DRAWS} drawn patients of group {group!r} in a row left {low:.0f}-{high:.0f} mg/dL "
        "while fasting; expected nearly all to stay inside. Nobody was drawn. Check BASAL_ERROR."
    )
