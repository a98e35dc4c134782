"""What a clinic knows of a patient before any simulation, as likelihood terms of a head.

    e_CF = (ln maxfall_{0-8 h}(1 U at 200 mg/dL) - ln CF) / 0.15
    e_CR = (ln [area_{0-6 h}(1 U) / area_{0-6 h}(1 g)] - ln CR) / 0.2

maxfall is the greatest difference, mg/dL, between a course without and one with the unit; areas
are what one unit takes from, and one gram adds to, the course at rest at Gb. Both factors are
what the clinic uses after years with this patient, so each is a direct, noisy reading of the
effect of a dose. A total daily dose speaks only where a factor is not on file, by the rules of
Davidson et al. 2008 (Endocr Pract 14:1095) and the 500 rule, with the wide error of such rules.
"""

from dataclasses import dataclass, fields

import numpy as np

from models.heads import NAMES, physical
from models.inputs import EATING_G_PER_MIN, MG_PER_G, MU_PER_U, Inputs
from models.openloop import open_loop
from models.trace import STEP_MIN, FloatArray

CORRECTION_AT_MG_DL = 200.0
FALL_H, AREA_H = 8, 6
PROBE_G = 40.0
"""A gram's area is that of a meal of 40 g, over 40."""

CORRECTION_SD, RATIO_SD = 0.15, 0.2
DAILY_DOSE_CORRECTION, DAILY_DOSE_RATIO = 1700.0, 500.0
DAILY_DOSE_SD = 0.7
LEAST_RESPONSE = 1e-6
HOURLY = np.array([name.startswith(("SI_", "kabs_")) for name in NAMES])


class KnowledgeError(ValueError):
    """Clinic settings that cannot be right."""


@dataclass(frozen=True)
class ClinicKnowledge:
    """Settings on file, None where the clinic has none; the daily dose counts basal and bolus."""

    correction_factor_mg_dl_per_u: float | None = None
    carb_ratio_g_per_u: float | None = None
    total_daily_dose_u: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not (np.isfinite(value) and value > 0.0):
                raise KnowledgeError(
                    f"{each.name} is {value}; expected a positive number or None. No knowledge "
                    "was taken in. Leave out what is not on file."
                )

    @property
    def terms(self) -> tuple[tuple[int, float, float], ...]:
        """(0 correction or 1 ratio, ln of what is believed, its sd) of each thing known."""
        dose = self.total_daily_dose_u
        stated = (self.correction_factor_mg_dl_per_u, self.carb_ratio_g_per_u)
        rules = (DAILY_DOSE_CORRECTION, DAILY_DOSE_RATIO)
        known = []
        for place, (value, rule) in enumerate(zip(stated, rules, strict=True)):
            if value is not None:
                known.append((place, float(np.log(value)), (CORRECTION_SD, RATIO_SD)[place]))
            elif dose is not None:
                known.append((place, float(np.log(rule / dose)), DAILY_DOSE_SD))
        return tuple(known)


def mismatch(knowledge: ClinicKnowledge | None, theta: FloatArray, weight_kg: float) -> FloatArray:
    """How far heads `theta` (B, K) are from what is known, (B, terms), in sds."""
    terms = () if knowledge is None else knowledge.terms
    if not terms:
        return np.zeros((len(theta), 0))
    found = [np.log(FACTORS[place](theta, weight_kg)) for place, _, _ in terms]
    away = [(one - ln) / sd for one, (_, ln, sd) in zip(found, terms, strict=True)]
    return np.stack(away, axis=1)


def dose_factors(theta: FloatArray, weight_kg: float) -> FloatArray:
    """Correction factor (mg/dL/U) and carbohydrate ratio (g/U) of heads (B, K), (B, 2).

    What differs from hour to hour is left out: both are settings for any hour.
    """
    return np.stack([one(theta, weight_kg) for one in FACTORS], axis=1)


def _correction_factor(theta: FloatArray, weight_kg: float) -> FloatArray:
    """mg/dL that a unit takes off 200, (B,)."""
    flat, unit = _any_hour(theta), MU_PER_U / weight_kg
    high = np.full(len(flat), CORRECTION_AT_MG_DL)
    fall = _course(flat, high, 0.0, 0.0, weight_kg) - _course(flat, high, unit, 0.0, weight_kg)
    factor: FloatArray = np.maximum(fall.max(axis=1), LEAST_RESPONSE)
    return factor


def _carb_ratio(theta: FloatArray, weight_kg: float) -> FloatArray:
    """Grams whose area a unit takes away, (B,)."""
    flat = _any_hour(theta)
    unit, meal = MU_PER_U / weight_kg, PROBE_G * MG_PER_G / weight_kg
    rest = physical(flat)[:, NAMES.index("Gb")]
    window = slice(0, AREA_H * 60 // STEP_MIN)
    lost = rest[:, None] - _course(flat, rest, unit, 0.0, weight_kg)[:, window]
    gained = _course(flat, rest, 0.0, meal, weight_kg)[:, window] - rest[:, None]
    per_gram = gained.sum(axis=1) / PROBE_G
    ratio = lost.sum(axis=1) / np.maximum(per_gram, LEAST_RESPONSE)
    held: FloatArray = np.maximum(ratio, LEAST_RESPONSE)
    return held


FACTORS = (_correction_factor, _carb_ratio)
"""By the place that `ClinicKnowledge.terms` gives."""


def _any_hour(theta: FloatArray) -> FloatArray:
    flat = theta.copy()
    flat[:, HOURLY] = 0.0
    return flat


def _course(
    theta: FloatArray, start: FloatArray, insulin: float, carbs: float, weight_kg: float
) -> FloatArray:
    """Glucose (B, rows) over 8 h after so much insulin (mU/kg) and food (mg/kg) at rest."""
    minutes = FALL_H * 60
    delivered, eaten = np.zeros(minutes), np.zeros(minutes)
    delivered[0] = insulin
    bite = EATING_G_PER_MIN * MG_PER_G / weight_kg
    eaten[: int(PROBE_G / EATING_G_PER_MIN)] = min(bite, carbs)
    rows = minutes // STEP_MIN
    nothing = np.zeros(minutes)
    probe = Inputs(
        insulin_mu_kg_min=delivered,
        background_mu_kg_min=nothing,
        carbs_mg_kg_min=eaten,
        uneaten_mg_kg=np.zeros(rows),
        known=np.ones(rows, dtype=bool),
        local_hour=np.zeros(rows),
        resting_mu_kg_min=0.0,
        weight_kg=weight_kg,
    )
    return open_loop(theta, probe, start).interstitial_mg_dl
