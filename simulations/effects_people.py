"""People of the study of effects: 17 days in world A or B, and the same days on other doses.

The record is that of EFFECTS: whatever is eaten is logged, meals with a counting error of 20 %,
rescues as they are; boluses are missed, late, or corrections and basals are lowered for a while
(`behaviour`, `living`); the sensor has the correlated noise of `cgm_error` without drift or gaps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from models.knowledge import ClinicKnowledge
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, Trace
from simulations.behaviour import DAY_MIN, Bolus, Meals, draw_habits, plan_meals
from simulations.cgm_error import NOISE_SD_MG_DL, SensorError, autoregressive
from simulations.living import (
    SURVIVED_ABOVE_MG_DL,
    Life,
    Person,
    Stay,
    all_day,
    begin,
    settings,
)
from simulations.padova import PadovaError
from simulations.padova_parameters import PadovaPatient
from simulations.padova_population import Prescription, draw_patient
from simulations.padova_world import (
    Conditions,
    World,
    basal_factor,
    calm,
    lively,
    replay,
)

TRAINING_DAYS = 14
COMING_DAYS = 3
CHANGED_BY = 0.2
CORRECTION_ERROR, RATIO_ERROR = 0.15, 0.2
CAUTION = 1.15
"""A clinic's carbohydrate ratio in use is this much weaker than what cancels a meal in area."""

_MOST_STAYS = 20
_HIGH_MG_DL = 200.0
_CORRECTION_MIN, _RATIO_MIN, _MEAL_G = 8 * 60, 6 * 60, 40.0
_START_UTC_S = 1_704_672_000  # Monday 8 January 2024, midnight.


class Treatment(StrEnum):
    """Which dose is changed."""

    BASAL = "basal"
    BOLUS = "bolus"
    CARB_RATIO = "carb_ratio"


@dataclass(frozen=True)
class Change:
    """One treatment made `factor` of what it was; a larger carbohydrate ratio is less insulin."""

    treatment: Treatment
    factor: float

    @property
    def sign(self) -> int:
        """Sign of the change of glucose."""
        less = (self.factor < 1.0) != (self.treatment is Treatment.CARB_RATIO)
        return 1 if less else -1

    @property
    def label(self) -> str:
        """For example basal-20%."""
        return f"{self.treatment}{100.0 * (self.factor - 1.0):+.0f}%"


CHANGES = tuple(Change(t, f) for t in Treatment for f in (1.0 - CHANGED_BY, 1.0 + CHANGED_BY))


@dataclass(frozen=True)
class Doses:
    """Basal in U/h per five minutes (n / 5,) and boluses in U per minute (n,)."""

    basal_u_per_h: FloatArray
    bolus_u: FloatArray

    @property
    def insulin_u(self) -> FloatArray:
        """All insulin in each minute, (n,)."""
        return self.bolus_u + np.repeat(self.basal_u_per_h, STEP_MIN) / 60.0


@dataclass(frozen=True)
class Subject:
    """One person, what the clinic knows and has on file, and the truth for evaluators."""

    identifier: str
    patient: PadovaPatient = field(repr=False)
    conditions: Conditions = field(repr=False)
    prescription: Prescription
    knowledge: ClinicKnowledge
    meals: Meals = field(repr=False)
    life: Life = field(repr=False)

    @property
    def doses(self) -> Doses:
        """What was given."""
        return Doses(self.life.basal_u_per_h, self.life.bolus_u)

    def trace(self, doses: Doses | None = None, true_carbs: bool = False) -> Trace:
        """The record with counted (or true) carbohydrate, as given or as if on other `doses`."""
        given = self.doses if doses is None else doses
        columns = {
            "glucose_mg_dl": self.life.sensor_mg_dl,
            "basal_u_per_h": given.basal_u_per_h,
            "bolus_u": _per_row(given.bolus_u),
            "carbs_g": _per_row(self.eaten_g if true_carbs else self.counted_g),
        }
        weight_kg = self.patient.weight_kg
        return Trace(self.identifier, "UTC", STEP_MIN, _START_UTC_S, columns, weight_kg)

    @property
    def eaten_g(self) -> FloatArray:
        """Carbohydrate eaten in each minute, the truth, (n,)."""
        return _with_meals(self.life.rescue_g, self.meals, self.meals.carbs_g)

    @property
    def counted_g(self) -> FloatArray:
        """Carbohydrate as it was logged in each minute, (n,)."""
        return _with_meals(self.life.rescue_g, self.meals, self.meals.counted_g)

    def changed(self, change: Change, first_day: int) -> Doses:
        """The doses with `change` from midnight of `first_day` on; food and rescues stay."""
        basal, bolus = self.life.basal_u_per_h.copy(), self.life.bolus_u.copy()
        row, minute = first_day * STEPS_PER_DAY, first_day * DAY_MIN
        if change.treatment is Treatment.BASAL:
            basal[row:] *= change.factor
        elif change.treatment is Treatment.BOLUS:
            bolus[minute:] *= change.factor
        else:
            more = (1.0 / change.factor - 1.0) * self.for_meals_u
            bolus[minute:] = np.maximum(bolus + more, 0.0)[minute:]
        return Doses(basal, bolus)

    @property
    def for_meals_u(self) -> FloatArray:
        """What the carbohydrate ratio put into the boluses that were given, U per minute (n,)."""
        given = self.meals.bolus != Bolus.MISSED
        late = np.where(self.meals.bolus == Bolus.LATE, self.meals.delay_min, 0)
        minute = self.meals.minute + late
        given &= minute < len(self.life.bolus_u)
        units = np.zeros_like(self.life.bolus_u)
        ratio = self.prescription.carb_ratio_g_per_u
        np.add.at(units, minute[given], self.meals.counted_g[given] / ratio)
        return np.where(self.life.bolus_u > 0.0, units, 0.0)

    def lived(self, doses: Doses) -> FloatArray:
        """True glucose (n / 5,) in mg/dL on these doses: the world really run, food as it was."""
        glucose = replay(self.patient, self.conditions, self.eaten_g, doses.insulin_u)
        return glucose[::STEP_MIN]


def _with_meals(rescue_g: FloatArray, meals: Meals, grams: FloatArray) -> FloatArray:
    plates = rescue_g.copy()
    np.add.at(plates, meals.minute, grams)
    return plates


def _per_row(per_minute: FloatArray) -> FloatArray:
    rows: FloatArray = per_minute.reshape(-1, STEP_MIN).sum(axis=1)
    return rows


def clinic_knowledge(
    patient: PadovaPatient, low_gain: float, rng: np.random.Generator
) -> ClinicKnowledge:
    """Correction factor and carbohydrate ratio as a clinic that titrated knows them, with error.

    The factor is the deepest fall within 8 h of 1 U at 200 mg/dL, in error by 15 %; the ratio the
    grams whose area over 6 h one unit cancels, in error by 20 %. The daily dose is on the pump.
    """
    basal_u = np.full(_CORRECTION_MIN, patient.basal_u_per_h / 60.0)
    unit, nothing = basal_u.copy(), np.zeros(_CORRECTION_MIN)
    unit[0] += 1.0
    meal = nothing.copy()
    meal[0] = _MEAL_G
    ones = np.ones(_CORRECTION_MIN)
    usual = Conditions(ones, ones, ones, ones, low_gain, patient.fasting_glucose_mg_dl)

    def after(carbs: FloatArray, insulin: FloatArray, start: float | None = None) -> FloatArray:
        return replay(patient, usual, carbs, insulin, start)

    high = after(nothing, basal_u, _HIGH_MG_DL) - after(nothing, unit, _HIGH_MG_DL)
    resting = after(nothing, basal_u)
    fall = (resting - after(nothing, unit))[:_RATIO_MIN].sum()
    rise = (after(meal, basal_u) - resting)[:_RATIO_MIN].sum() / _MEAL_G
    error = np.exp(rng.standard_normal(2) * (CORRECTION_ERROR, RATIO_ERROR))
    return ClinicKnowledge(
        correction_factor_mg_dl_per_u=float(high.max() * error[0]),
        carb_ratio_g_per_u=float(fall / rise * error[1]),
    )


def subject(
    identifier: str,
    patient: PadovaPatient,
    world: World,
    seed: np.random.SeedSequence,
    days: int = TRAINING_DAYS + COMING_DAYS,
    bent: Callable[[Conditions], Conditions] = lambda conditions: conditions,
    off: float = 0.0,
) -> Subject:
    """One person of the study living `days`, `bent` by what else they do.

    Stays below 20 mg/dL are drawn again, as in `living`.

    `off` is the sd of ln of how far basal and carbohydrate ratio are set amiss, each on its own.
    Raises PadovaError when that happens 20 times in a row.
    """
    for attempt in seed.spawn(_MOST_STAYS):
        found = _stay(identifier, cast(patient, world, attempt, days, off, bent), days)
        if found.life.glucose_mg_dl.min() >= SURVIVED_ABOVE_MG_DL:
            return found
    raise PadovaError(
        f"{_MOST_STAYS} stays of {identifier} in world {world} in a row fell below "
        f"{SURVIVED_ABOVE_MG_DL:.0f} mg/dL; expected hardly any to. Nobody was studied. "
        "Ask for another seed."
    )


@dataclass(frozen=True)
class Cast:
    """A person before anything is lived: body, days, settings, meals, ways, sensor and chance."""

    patient: PadovaPatient = field(repr=False)
    conditions: Conditions = field(repr=False)
    prescription: Prescription
    knowledge: ClinicKnowledge
    meals: Meals = field(repr=False)
    person: Person
    sensor: SensorError = field(repr=False)
    chance: np.random.Generator = field(repr=False)

    def begin(self) -> Stay:
        """The stay, from its first midnight."""
        return begin(
            self.patient, self.person, self.meals, self.sensor, self.chance, self.conditions
        )


def cast(
    patient: PadovaPatient,
    world: World,
    seed: np.random.SeedSequence,
    days: int,
    off: float = 0.0,
    bent: Callable[[Conditions], Conditions] = lambda conditions: conditions,
) -> Cast:
    """One attempt at a person of the study; `off` and `bent` as for `subject`."""
    ways, kitchen, skin, chance, air, file = map(np.random.default_rng, seed.spawn(6))
    honest = replace(draw_habits("adult", ways), counting_bias=1.0)
    honest = replace(honest, appetite=honest.appetite * _APPETITE.get(patient.group, 1.0))
    meals = plan_meals(honest, days, 0, kitchen)
    conditions = (
        lively(patient, days, meals.minute, air) if world == "B" else calm(patient, days * DAY_MIN)
    )
    conditions = bent(conditions)
    known = clinic_knowledge(patient, conditions.low_gain, file)
    prescription = _prescription(patient, known, basal_factor(world, air))
    prescription = _amiss(prescription, off, file)
    person = settings(patient, prescription, honest)
    sensor = _sensor(days, skin)
    return Cast(patient, conditions, prescription, known, meals, person, sensor, chance)


def _stay(identifier: str, who: Cast, days: int) -> Subject:
    life = who.begin().lived(all_day(who.person), (0, days * STEPS_PER_DAY))
    daily_u = (life.bolus_u.sum() + life.basal_u_per_h.sum() * STEP_MIN / 60.0) / days
    known = replace(who.knowledge, total_daily_dose_u=float(daily_u))
    return Subject(
        identifier, who.patient, who.conditions, who.prescription, known, who.meals, life
    )


_APPETITE = {"child": 0.7}


def _prescription(
    patient: PadovaPatient, known: ClinicKnowledge, basal_factor: float
) -> Prescription:
    factor, ratio = known.correction_factor_mg_dl_per_u, known.carb_ratio_g_per_u
    if factor is None or ratio is None:
        raise PadovaError(
            f"the clinic of {patient.name} knows {known}; expected a correction factor and a "
            "carbohydrate ratio. Nobody was studied. Use clinic_knowledge."
        )
    return Prescription(patient.basal_u_per_h * basal_factor, CAUTION * ratio, CAUTION * factor)


def _amiss(prescription: Prescription, off: float, rng: np.random.Generator) -> Prescription:
    """Basal and carbohydrate ratio set amiss by factors exp(N(0, off^2)), each its own."""
    basal, ratio = np.exp(off * rng.standard_normal(2))
    return replace(
        prescription,
        basal_u_per_h=float(basal * prescription.basal_u_per_h),
        carb_ratio_g_per_u=float(ratio * prescription.carb_ratio_g_per_u),
    )


def _sensor(days: int, rng: np.random.Generator) -> SensorError:
    noise = autoregressive(NOISE_SD_MG_DL * rng.standard_normal(days * STEPS_PER_DAY))
    return SensorError(np.ones_like(noise), noise)


def drawn_subject(
    group: str,
    number: int,
    world: World,
    seed: int,
    days: int = TRAINING_DAYS + COMING_DAYS,
    off: float = 0.0,
) -> Subject:
    """Person `number` of a drawn population; depends on `seed` and `number` alone."""
    body, stay = np.random.SeedSequence([seed, number]).spawn(2)
    identifier = f"{group}-{number}"
    drawn = draw_patient(group, identifier, np.random.default_rng(body))
    return subject(identifier, drawn.patient, world, stay, days, off=off)
