"""A virtual person's days: the model patient, what its owner sees on the sensor, and what they do.

Each minute the person eats what was planned and boluses for what they counted; every five minutes
they may look at the sensor and correct a high, treat a low, or run a temporary basal. They decide
on the sensor's reading, never on true glucose, and cannot act on a reading that is missing.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray
from simulations.behaviour import DAY_MIN, Bolus, Habits, Meals, draw_habits, plan_meals
from simulations.cgm_error import HIGHEST_MG_DL, LOWEST_MG_DL, SensorError, sensor_error
from simulations.padova import (
    GLUCOSE_ROW,
    MEAL_MEMORY,
    SCRATCH_ROWS,
    VOLUME,
    PadovaError,
    advance_minute,
    compiled,
)
from simulations.padova_parameters import PadovaPatient
from simulations.padova_population import Prescription, Rejected, draw_patient
from simulations.padova_world import (
    Conditions,
    World,
    basal_factor,
    calm,
    lively,
    set_constants,
)

BOLUS_STEP_U = 0.05
SURVIVED_ABOVE_MG_DL = 20.0
_MOST_STAYS = 20
TARGET_MG_DL = 120.0
CORRECT_ABOVE_MG_DL = 150.0
CUT_BELOW_MG_DL = 85.0
LOOK_ABOVE_MG_DL = 210.0
RESCUE_BELOW_MG_DL = 70.0
LOWER_BASAL_BELOW_MG_DL = 80.0
INSULIN_ACTS_MIN = 180
FELT_BELOW_MG_DL = 54.0
RESCUE_PAUSE_MIN = 15
RESCUE_G_PER_KG = 0.3
WAKES_H, SLEEPS_H = 7.0, 23.0
_ASLEEP_ATTENTION = 0.15
_LONG_AGO_MIN = -10_000.0
_CHANCES = 5
FOLLOWING, LAST_BOLUS, LAST_RESCUE, TEMPORARY_UNTIL, FACTOR, READING = range(6)


class Person(NamedTuple):
    """One person's settings and ways as the compiled loop takes them."""

    basal_u_per_h: float
    carb_ratio_g_per_u: float
    correction_mg_dl_per_u: float
    rescue_g: float
    attention: float
    temporary_basal_share: float


class Plate(NamedTuple):
    """Planned meals as arrays (m,): minute, true and counted grams, Bolus, delay in minutes."""

    minute: IntArray
    carbs_g: FloatArray
    counted_g: FloatArray
    bolus: IntArray
    delay_min: IntArray


class Life(NamedTuple):
    """What happened. Minutes (n,): rescue_g, bolus_u. Five-minute steps (n / 5,): the others.

    `glucose_mg_dl` is true; `sensor_mg_dl` is what was read, NaN in gaps; `basal_u_per_h` was run.
    """

    glucose_mg_dl: FloatArray
    sensor_mg_dl: FloatArray
    basal_u_per_h: FloatArray
    bolus_u: FloatArray
    rescue_g: FloatArray


@dataclass(frozen=True)
class VirtualPatient:
    """A person of a virtual clinic: what the clinic has on file, and the truth behind it."""

    identifier: str
    patient: PadovaPatient
    prescription: Prescription
    habits: Habits
    meals: Meals
    conditions: Conditions
    life: Life
    rescue_logged: npt.NDArray[np.bool_]
    first_minute: int
    rejected: tuple[Rejected, ...]

    @property
    def carbs_g(self) -> FloatArray:
        """Carbohydrate put on the plate in each minute, the truth, (n,)."""
        grams = self.life.rescue_g.copy()
        np.add.at(grams, self.meals.minute, self.meals.carbs_g)
        return grams

    @property
    def insulin_u(self) -> FloatArray:
        """Insulin infused in each minute, basal and bolus together, (n,)."""
        return self.life.bolus_u + np.repeat(self.life.basal_u_per_h, STEP_MIN) / 60.0


@compiled
def _read(glucose: float, gain: float, offset: float) -> float:
    reading = gain * glucose + offset
    if np.isnan(reading):
        return reading
    return min(max(reading, LOWEST_MG_DL), HIGHEST_MG_DL)


@compiled
def _meal_dose(person: Person, counted_g: float, reading: float, may_correct: bool) -> float:
    """Units for a meal: what its grams need, more when high and nothing acts yet, less when low."""
    dose = counted_g / person.carb_ratio_g_per_u
    if (reading > CORRECT_ABOVE_MG_DL and may_correct) or reading < CUT_BELOW_MG_DL:
        dose += (reading - TARGET_MG_DL) / person.correction_mg_dl_per_u
    return max(dose, 0.0)


@compiled
def _low_share(reading: float, glucose: float, notices: float) -> float:
    """Probability of treating a low in these five minutes: seen on the sensor, or felt without."""
    if glucose < FELT_BELOW_MG_DL:
        return 0.7
    return 0.5 * notices if reading < RESCUE_BELOW_MG_DL else 0.0


@compiled
def _temporary_factor(person: Person, reading: float, chance: FloatArray) -> float:
    """Factor of a temporary basal that starts now, or 1: lowered on a low, or planned ahead."""
    if reading < LOWER_BASAL_BELOW_MG_DL and chance[2] < 0.15 * person.attention:
        return 0.0 if chance[3] < 0.5 else 0.5
    if chance[2] > 1.0 - person.temporary_basal_share:
        return (0.5, 0.7, 1.3, 1.5)[int(4.0 * chance[3])]
    return 1.0


@compiled
def _look(
    k: int, memory: FloatArray, person: Person, glucose: float, chance: FloatArray
) -> tuple[float, float]:
    """Grams of rescue and units of correction that come of a look at the sensor in minute k.

    It also starts and ends temporary basals, in `memory`.
    """
    reading, hour = memory[READING], (k % DAY_MIN) / 60.0
    awake = WAKES_H <= hour < SLEEPS_H
    notices = person.attention if awake else _ASLEEP_ATTENTION
    rescue_g, dose = 0.0, 0.0
    treats = chance[0] < _low_share(reading, glucose, notices)
    if treats and k - memory[LAST_RESCUE] > RESCUE_PAUSE_MIN:
        rescue_g, memory[LAST_RESCUE] = person.rescue_g, k
    idle = awake and k - memory[LAST_BOLUS] > INSULIN_ACTS_MIN
    if reading > LOOK_ABOVE_MG_DL and idle and chance[1] < 0.08 * person.attention:
        dose = (reading - TARGET_MG_DL) / person.correction_mg_dl_per_u
    if k >= memory[TEMPORARY_UNTIL]:
        memory[FACTOR] = _temporary_factor(person, reading, chance)
        if memory[FACTOR] != 1.0:
            memory[TEMPORARY_UNTIL] = k + 30 * (1 + int(6.0 * chance[4]))
    return rescue_g, dose


@compiled
def _sit_down(
    k: int, memory: FloatArray, person: Person, plate: Plate, late_g: FloatArray
) -> tuple[float, float]:
    """Grams eaten and units given for the meals planned for minute k; late boluses are noted."""
    food_g, dose = 0.0, 0.0
    may_correct = k - memory[LAST_BOLUS] > INSULIN_ACTS_MIN
    i = int(memory[FOLLOWING])
    while i < plate.minute.size and plate.minute[i] == k:
        food_g += plate.carbs_g[i]
        later = k + plate.delay_min[i]
        if plate.bolus[i] == Bolus.WITH_MEAL:
            dose += _meal_dose(person, plate.counted_g[i], memory[READING], may_correct)
        elif plate.bolus[i] == Bolus.LATE and later < late_g.size:
            late_g[later] += plate.counted_g[i]
        i += 1
    memory[FOLLOWING] = i
    if late_g[k] > 0.0:
        dose += _meal_dose(person, late_g[k], memory[READING], False)
    return food_g, dose


class Running(NamedTuple):
    """A stay as it stands: the body's state, meals in it, the person's memory, late boluses due."""

    state: FloatArray
    meal: FloatArray
    memory: FloatArray
    late_g: FloatArray


@compiled
def _live(
    running: Running,
    p: FloatArray,
    conditions: Conditions,
    ways: Person,
    by_hour: FloatArray,
    plate: Plate,
    dice: tuple[FloatArray, FloatArray],
    span: tuple[int, int],
) -> Life:
    """The loop over the minutes of steps `span`. `by_hour` (24, 3): basal, ratio and factor.

    `dice`: errors (2, steps), gain and offset, and chances (steps, 5).
    """
    x, meal, memory, late_g = running
    error, chances = dice
    first, last = span
    steps = last - first
    glucose, sensor, basal = np.empty(steps), np.empty(steps), np.empty(steps)
    bolus, rescue = np.zeros(steps * STEP_MIN), np.zeros(steps * STEP_MIN)
    now, scratch = p.copy(), np.empty((SCRATCH_ROWS, x.size))
    for k in range(first * STEP_MIN, last * STEP_MIN):
        correction, step, minute = 0.0, k // STEP_MIN, k - first * STEP_MIN
        rate, ratio, factor = by_hour[(k % DAY_MIN) // 60]
        person = Person(rate, ratio, factor, ways[3], ways[4], ways[5])
        if k % STEP_MIN == 0:
            glucose[step - first] = x[GLUCOSE_ROW] / p[VOLUME]
            memory[READING] = _read(glucose[step - first], error[0, step], error[1, step])
            sensor[step - first] = memory[READING]
            look = _look(k, memory, person, glucose[step - first], chances[step])
            rescue[minute], correction = look
            basal[step - first] = memory[FACTOR] * person.basal_u_per_h
        food_g, dose = _sit_down(k, memory, person, plate, late_g)
        bolus[minute] = BOLUS_STEP_U * round((dose + correction) / BOLUS_STEP_U)
        if bolus[minute] > 0.0:
            memory[LAST_BOLUS] = k
        insulin_u = bolus[minute] + basal[step - first] / 60.0
        set_constants(now, p, conditions, k, x[GLUCOSE_ROW] / p[VOLUME])
        advance_minute(x, now, meal, scratch, food_g + rescue[minute], insulin_u)
    return Life(glucose, sensor, basal, bolus, rescue)


@dataclass(frozen=True)
class Stay:
    """A stay that can be lived piece by piece, on other settings in each piece."""

    patient: PadovaPatient
    ways: Person
    plate: Plate
    dice: tuple[FloatArray, FloatArray]
    conditions: Conditions
    running: Running

    def reading(self, step: int) -> float:
        """What the sensor reads as a step begins that is next to be lived, mg/dL; NaN in a gap."""
        glucose = self.running.state[GLUCOSE_ROW] / self.patient.constants[VOLUME]
        gain, offset = self.dice[0][:, step]
        return float(_read(glucose, gain, offset))

    def lived(self, by_hour: FloatArray, span: tuple[int, int]) -> Life:
        """Steps `span` on settings (24, 3) by hour: basal U/h, g/U, mg/dL/U; spans follow on."""
        body = (self.running, self.patient.constants, self.conditions)
        return _live(*body, self.ways, by_hour, self.plate, self.dice, span)


def begin(
    patient: PadovaPatient,
    person: Person,
    meals: Meals,
    sensor: SensorError,
    rng: np.random.Generator,
    conditions: Conditions | None = None,
) -> Stay:
    """The stay of one person, from rest at midnight, as long as `sensor` has steps.

    `conditions` are what the days do to the body; nothing, as in world A, if None.
    """
    plate = Plate(meals.minute, meals.carbs_g, meals.counted_g, meals.bolus, meals.delay_min)
    error = np.stack([sensor.gain, sensor.offset_mg_dl])
    chances = rng.random((error.shape[1], _CHANCES))
    minutes = error.shape[1] * STEP_MIN
    running = Running(
        patient.fasting_state.copy(),
        np.zeros(MEAL_MEMORY),
        np.array([0.0, _LONG_AGO_MIN, _LONG_AGO_MIN, 0.0, 1.0, np.nan]),
        np.zeros(minutes),
    )
    today = calm(patient, minutes) if conditions is None else conditions
    return Stay(patient, person, plate, (error, chances), today, running)


def all_day(person: Person) -> FloatArray:
    """A person's settings (24, 3), the same at every hour."""
    settings = (person.basal_u_per_h, person.carb_ratio_g_per_u, person.correction_mg_dl_per_u)
    return np.tile(np.array(settings), (24, 1))


def live(
    patient: PadovaPatient,
    person: Person,
    meals: Meals,
    sensor: SensorError,
    rng: np.random.Generator,
    conditions: Conditions | None = None,
) -> Life:
    """The whole stay that `begin` begins, on the person's settings all the time."""
    stay = begin(patient, person, meals, sensor, rng, conditions)
    return stay.lived(all_day(person), (0, len(sensor.gain)))


def settings(patient: PadovaPatient, prescription: Prescription, habits: Habits) -> Person:
    """Prescription and habits in the form of the loop; a rescue is 0.3 g/kg, 5 g at a time."""
    return Person(
        basal_u_per_h=prescription.basal_u_per_h,
        carb_ratio_g_per_u=prescription.carb_ratio_g_per_u,
        correction_mg_dl_per_u=prescription.correction_mg_dl_per_u,
        rescue_g=float(np.clip(5 * round(RESCUE_G_PER_KG * patient.weight_kg / 5), 5, 20)),
        attention=habits.attention,
        temporary_basal_share=habits.temporary_basals_per_week / 7.0 / STEPS_PER_DAY,
    )


def virtual_patient(
    identifier: str,
    group: str,
    days: int,
    first_weekday: int,
    seed: np.random.SeedSequence,
    world: World = "A",
) -> VirtualPatient:
    """One person of `group` and `days` of their life; the same arguments give the same person.

    The 2008 model has no counter-regulation, and where glucose reaches zero it stays there. A stay
    below 20 mg/dL is therefore rejected, body and all, and drawn again. Raises PadovaError when
    that happens 20 times in a row.
    """
    rejected: tuple[Rejected, ...] = ()
    for attempt in seed.spawn(_MOST_STAYS):
        stay = _stay(identifier, group, days, first_weekday, attempt, world)
        glucose = stay.life.glucose_mg_dl
        rejected += stay.rejected
        if glucose.min() >= SURVIVED_ABOVE_MG_DL:
            return replace(stay, rejected=rejected)
        rejected += (Rejected(group, "stay", float(glucose.min()), float(glucose.max())),)
    raise PadovaError(
        f"{_MOST_STAYS} stays of {days} days in group {group!r} in a row fell below "
        f"{SURVIVED_ABOVE_MG_DL:.0f} mg/dL; expected hardly any to. Nobody was drawn. "
        "Ask for fewer days."
    )


def _stay(
    identifier: str,
    group: str,
    days: int,
    first_weekday: int,
    seed: np.random.SeedSequence,
    world: World,
) -> VirtualPatient:
    """One draw. Body, habits, meals, sensor, decisions and days use separate streams of `seed`."""
    body, ways, kitchen, skin, chance, air = map(np.random.default_rng, seed.spawn(6))
    drawn = draw_patient(group, identifier, body)
    habits = draw_habits(group, ways)
    meals = plan_meals(habits, days, first_weekday, kitchen)
    prescription = _in_world(world, drawn.prescription, air)
    person = settings(drawn.patient, prescription, habits)
    conditions = (
        lively(drawn.patient, days, meals.minute, air)
        if world == "B"
        else calm(drawn.patient, days * DAY_MIN)
    )
    life = live(drawn.patient, person, meals, sensor_error(days, skin), chance, conditions)
    logged = chance.random(life.rescue_g.size) < habits.logs_rescue_share
    return VirtualPatient(
        identifier=identifier,
        patient=drawn.patient,
        prescription=prescription,
        habits=habits,
        meals=meals,
        conditions=conditions,
        life=life,
        rescue_logged=(life.rescue_g > 0.0) & logged,
        first_minute=int(ways.integers(STEP_MIN)),
        rejected=drawn.rejected,
    )


def _in_world(world: World, prescription: Prescription, rng: np.random.Generator) -> Prescription:
    basal = prescription.basal_u_per_h * basal_factor(world, rng)
    return replace(prescription, basal_u_per_h=basal)
