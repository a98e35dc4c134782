"""A patient's recorded days lived again under scenarios: glucose of every draw of the twin.

The draws of the ensemble replay the record up to the first midnight, each in its own state; then
every scenario runs from there. What separates the sensor from a draw's replay of the record as it
was is added to all scenarios alike: a scenario that changes nothing returns the measured curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.administered import changed
from models.calibration import Calibration
from models.doses import Doses, doses_of
from models.ensemble import posterior
from models.inputs import MG_PER_G, MU_PER_U, Inputs
from models.life_effect import POPULATION, Amplitudes, Belief
from models.lived import Modifiers, lived_paths
from models.meal_delay import delay_at, inputs_of
from models.mixed_meal import MealMake, appearance, resistance
from models.movement import moved
from models.openloop import open_loop
from models.physiology import INSULIN_DELAY_MIN
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.scenario import Scenario, refused
from models.strain import after_short_sleep, feverish, luteal, stressed
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, Trace
from models.whatif import residual_of

SETTLING_ROWS = 3 * STEPS_PER_DAY
AS_RECORDED = Scenario("as recorded")


@dataclass(frozen=True)
class Ground:
    """The hours from a midnight of the record on, as D draws of the twin stand before them.

    `thetas` (D, K), `begin` (D, S) states at the first row, `left_mg_dl` (D, n) what the sensor
    read beyond each draw's replay, `earlier` the insulin (mU/kg/min above rest) on its way in.
    """

    patient: str
    start_row: int
    thetas: FloatArray = field(repr=False)
    begin: FloatArray = field(repr=False)
    doses: Doses = field(repr=False)
    resting_mu_kg_min: float
    earlier: FloatArray = field(repr=False)
    left_mg_dl: FloatArray = field(repr=False)
    measured_mg_dl: FloatArray = field(repr=False)
    amplitudes: Amplitudes = field(repr=False)

    def __len__(self) -> int:
        return len(self.measured_mg_dl)


@dataclass(frozen=True)
class Asked:
    """How a ground is laid: draws, their seed, the clinic's factor, and how
    strongly life acts in this person."""

    draws: int = 32
    seed: int = 0
    correction_mg_dl_per_u: float | None = None
    effects: Belief = field(default=POPULATION, repr=False)


def ground_of(
    trace: Trace, calibration: Calibration, start_row: int, hours: int, asked: Asked = Asked()
) -> Ground:
    """The ground under `hours` from `start_row` on; ScenarioError if the record cannot bear it."""
    rows = slice(start_row, start_row + hours * 60 // STEP_MIN)
    inputs = inputs_of(trace, calibration.head)
    _require(calibration, inputs, rows)
    thetas = posterior(calibration, asked.draws, asked.seed)
    settled, begin = _settled(trace, inputs, thetas, start_row)
    ground = Ground(
        patient=calibration.patient,
        start_row=start_row,
        thetas=thetas,
        begin=begin,
        doses=doses_of(trace, rows, asked.correction_mg_dl_per_u, calibration.head.meal_delay_min),
        resting_mu_kg_min=inputs.resting_mu_kg_min,
        earlier=settled,
        left_mg_dl=np.zeros((len(thetas), rows.stop - rows.start)),
        measured_mg_dl=trace["glucose_mg_dl"][rows],
        amplitudes=asked.effects.draws(len(thetas), asked.seed),
    )
    as_it_was = _paths(ground, [replace(AS_RECORDED, hours=hours)])[0]
    left = np.stack([residual_of(ground.measured_mg_dl, path) for path in as_it_was])
    return replace(ground, left_mg_dl=left)


def lived(ground: Ground, scenarios: Sequence[Scenario]) -> FloatArray:
    """Glucose every 5 minutes, mg/dL, (R, D, n): each scenario in each draw."""
    return np.maximum(_paths(ground, scenarios) + ground.left_mg_dl, GLUCOSE_FLOOR_MG_DL)


def _paths(ground: Ground, scenarios: Sequence[Scenario]) -> FloatArray:
    drives = np.empty((len(scenarios), 2, STEP_MIN * len(ground)))
    for drive, one in zip(drives, scenarios, strict=True):
        _fill(drive, ground, one)
    bent = [bent_by(ground, one) for one in scenarios]
    if all(one is None for one in bent):
        stacked = Modifiers.none(1, len(ground)).stacked()[None]
    else:
        none = Modifiers.none(len(ground.thetas), len(ground))
        stacked = np.stack([(none if one is None else one).stacked() for one in bent])
    return lived_paths(
        ground.thetas,
        ground.begin,
        drives,
        ground.resting_mu_kg_min,
        ground.doses.local_hour,
        stacked,
    )


def _fill(drive: FloatArray, ground: Ground, scenario: Scenario) -> None:
    """Insulin above rest as it arrives after the skin's delay, and carbohydrate, into (2, T)."""
    insulin, carbs = changed(ground.doses, scenario)
    drive[0, :INSULIN_DELAY_MIN] = ground.earlier
    arrives = insulin[:-INSULIN_DELAY_MIN] * (MU_PER_U / ground.doses.weight_kg)
    drive[0, INSULIN_DELAY_MIN:] = arrives - ground.resting_mu_kg_min
    drive[1] = carbs * (MG_PER_G / ground.doses.weight_kg)


def bent_by(ground: Ground, scenario: Scenario) -> Modifiers | None:
    """What a scenario's life does to each row of each draw; None where it does nothing."""
    life, rows, known = scenario.life, len(ground), ground.amplitudes
    meals = [_late(ground.doses, one.meal) for one in life.meals if not one.meal.plain]
    strains = [
        *(after_short_sleep(one, rows, known) for one in life.short_sleep),
        *(feverish(one, rows, known) for one in life.illness),
        *(luteal(one, rows, known) for one in life.luteal),
    ]
    if not (meals or strains or life.exercise or life.stress_minutes):
        return None
    bent = moved(life.exercise, rows, known)
    action = resistance(meals, rows, known)
    for strain in strains:
        action = action * strain
    usual = np.ones_like(action)
    for minute in life.stress_minutes:
        usual = usual * stressed(minute, rows, known)
    appearing = appearance(
        ground.thetas, meals, ground.doses.local_hour, ground.doses.weight_kg, known
    )
    return bent.with_(usual=usual, action=action, rise=bent.rise + appearing)


def _late(doses: Doses, meal: MealMake) -> MealMake:
    """A meal of another make at the head's delay, to the minute."""
    hour = float(doses.local_hour[min(meal.minute // STEP_MIN, len(doses.local_hour) - 1)])
    late = max(delay_at(doses.meal_delay_min, hour), 0.0)
    return replace(meal, minute=meal.minute + round(late))


def _settled(
    trace: Trace, inputs: Inputs, thetas: FloatArray, start_row: int
) -> tuple[FloatArray, FloatArray]:
    """Insulin of the last minutes before the start, (8,), and each draw's states then, (D, S)."""
    first = max(start_row - SETTLING_ROWS, 0)
    before = inputs.take(np.arange(first, start_row + 1))
    read = np.flatnonzero(np.isfinite(trace["glucose_mg_dl"]))
    start_mg_dl = float(trace["glucose_mg_dl"][read[np.argmin(np.abs(read - first))]])
    states = open_loop(thetas, before, start_mg_dl).states[:, -1]
    minute = STEP_MIN * start_row
    insulin = inputs.insulin_mu_kg_min - inputs.resting_mu_kg_min
    earlier = np.zeros(INSULIN_DELAY_MIN)
    there = insulin[max(minute - INSULIN_DELAY_MIN, 0) : minute]
    earlier[len(earlier) - len(there) :] = there
    return earlier, np.ascontiguousarray(states)


def _require(calibration: Calibration, inputs: Inputs, rows: slice) -> None:
    if not calibration.identified:
        raise refused(
            f"a twin of {calibration.patient} made without insulin or meals",
            "one calibrated on both",
            "import insulin and meal records, then calibrate again",
        )
    if rows.start < 0 or rows.stop > len(inputs) or not inputs.known[rows].all():
        raise refused(
            f"rows {rows.start} to {rows.stop} of a record of {len(inputs)} rows",
            "hours on record, their insulin and meals known",
            "choose another day",
        )
