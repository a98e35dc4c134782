"""A day drawn from a patient's habits: what they might well do, rather than what they did.

Each meal of the day (night, breakfast, lunch, afternoon, dinner, late) is taken whole, with its
boluses, from a recorded day chosen by chance for itself, among weekdays for a weekday and weekends
for a weekend where there are enough, and moved by up to a quarter of an hour. So meals keep their
sizes, boluses and hours, forgotten boluses come as often as they did, and no two days are alike.
Basal rate and long-acting dose are the usual ones. Corrections are left out: they answered glucose
of days that are not lived here. There is no sensor to be apart from, so nothing is added to the
twin's glucose; the draws begin as they stood at a recorded midnight.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.calibration import Calibration
from models.doses import MEAL_BOLUS_ROWS, Doses
from models.inputs import background_of, eaten_g_per_min, known_rows
from models.sandbox import Asked, Ground, ground_of
from models.scenario import refused
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

COURSES_H = (0.0, 5.0, 11.0, 15.0, 18.0, 22.0)
"""Where night, breakfast, lunch, afternoon, dinner and late begin."""

FEWEST_DAYS = 5
FEWEST_ALIKE = 3
SHIFT_ROWS = 3


@dataclass(frozen=True)
class Eaten:
    """A recorded meal: row of its day, grams, and boluses as (rows after the meal, units)."""

    row: int
    carbs_g: float
    boluses: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Habits:
    """Meals of each known day by course, which days are weekends, and the usual basal supply.

    `meals[d][c]` are day d's of course c; `pump_u_per_h` (288,) by time of day, `long_acting` the
    row and units of the daily injection, if there is one.
    """

    meals: tuple[tuple[tuple[Eaten, ...], ...], ...]
    weekend: tuple[bool, ...]
    pump_u_per_h: FloatArray
    depot_u_per_h: float
    long_acting: tuple[int, float] | None


def habits_of(trace: Trace) -> Habits:
    """A patient's habits; ScenarioError for fewer than five whole known days."""
    firsts = whole_days(trace)
    if len(firsts) < FEWEST_DAYS:
        raise refused(
            f"{len(firsts)} whole days of {trace.patient} with insulin and meals on record",
            f"{FEWEST_DAYS} to draw habits from",
            "try the scenario on recorded days instead, or wait for more",
        )
    days = [np.arange(first, first + STEPS_PER_DAY) for first in firsts.tolist()]
    pump = np.stack([trace["basal_u_per_h"][rows] for rows in days])
    usual = background_of(trace)
    return Habits(
        meals=tuple(tuple(_by_course(trace, rows)) for rows in days),
        weekend=tuple(bool(trace.local_day[rows[0]] % 7 in (2, 3)) for rows in days),
        pump_u_per_h=np.where(
            np.isfinite(pump).any(axis=0),
            np.nanmedian(np.where(np.isfinite(pump), pump, usual.pump_u_per_h), axis=0),
            usual.pump_u_per_h,
        ),
        depot_u_per_h=usual.long_acting_u_per_h,
        long_acting=_injection(trace, days),
    )


def habitual_ground(
    trace: Trace, calibration: Calibration, hours: int, asked: Asked, number: int
) -> Ground:
    """Ground number `number` of days drawn from habits; the same arguments give the same days."""
    rng = np.random.default_rng([asked.seed, number])
    habits, known = habits_of(trace), known_rows(trace)
    rows = hours * 60 // STEP_MIN
    begins = [
        first
        for first in whole_days(trace).tolist()
        if first + rows <= len(trace) and known[first : first + rows].all()
    ]
    if not begins:
        raise refused(
            f"no midnight of {trace.patient} before {hours} h on record",
            "one for the twins to stand at",
            "try a shorter scenario",
        )
    start = int(rng.choice(begins))
    ground = ground_of(trace, calibration, start, hours, asked)
    doses = _drawn(ground.doses, habits, bool(trace.local_day[start] % 7 in (2, 3)), rng)
    return replace(
        ground,
        doses=doses,
        left_mg_dl=np.zeros_like(ground.left_mg_dl),
        measured_mg_dl=np.full_like(ground.measured_mg_dl, np.nan),
    )


def whole_days(trace: Trace) -> IntArray:
    """First rows of local days of 24 h whose insulin and meals are known throughout."""
    known = np.concatenate([[0], np.cumsum(known_rows(trace))])
    firsts = np.flatnonzero(trace.local_hour == 0.0)
    firsts = firsts[firsts + STEPS_PER_DAY <= len(trace)]
    same = trace.local_day[firsts] == trace.local_day[firsts + STEPS_PER_DAY - 1]
    whole = same & (known[firsts + STEPS_PER_DAY] - known[firsts] == STEPS_PER_DAY)
    return np.asarray(firsts[whole], dtype=np.int64)


def _by_course(trace: Trace, rows: IntArray) -> Iterator[tuple[Eaten, ...]]:
    """Meals of a day in each course, each bolus with the meal that is nearest."""
    carbs, bolus = (np.nan_to_num(trace[name][rows]) for name in ("carbs_g", "bolus_u"))
    eaten = np.flatnonzero(carbs)
    nearest: dict[int, list[tuple[int, float]]] = {int(row): [] for row in eaten}
    for given in np.flatnonzero(bolus).tolist() if len(eaten) else []:
        meal = int(eaten[np.argmin(np.abs(eaten - given))])
        if abs(given - meal) <= MEAL_BOLUS_ROWS:
            nearest[meal].append((given - meal, float(bolus[given])))
    course = np.searchsorted(COURSES_H, eaten * STEP_MIN / 60.0, side="right") - 1
    for place in range(len(COURSES_H)):
        yield tuple(
            Eaten(row, float(carbs[row]), tuple(nearest[row]))
            for row in eaten[course == place].tolist()
        )


def _injection(trace: Trace, days: Sequence[IntArray]) -> tuple[int, float] | None:
    doses = np.stack([np.nan_to_num(trace["long_acting_u"][rows]) for rows in days])
    given = doses.sum(axis=1)
    if not (given > 0.0).any():
        return None
    at = [int(np.argmax(day)) for day in doses[given > 0.0]]
    return int(np.median(at)), float(np.median(given[given > 0.0]))


def _drawn(doses: Doses, habits: Habits, weekend: bool, rng: np.random.Generator) -> Doses:
    """The same hours with drawn meals and the usual basal supply in place of the recorded."""
    rows = len(doses.local_hour)
    carbs, bolus, slow = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    for begin in range(0, rows, STEPS_PER_DAY):
        for meal, row in _menu(habits, weekend, rng):
            _serve(carbs, begin + row, meal.carbs_g)
            for after, units in meal.boluses:
                _serve(bolus, begin + row + after, units)
        if habits.long_acting is not None:
            _serve(slow, begin + habits.long_acting[0], habits.long_acting[1])
    pump = np.tile(np.repeat(habits.pump_u_per_h, STEP_MIN), -(-rows // STEPS_PER_DAY))
    return replace(
        doses,
        pump_u_per_h=pump[: STEP_MIN * rows],
        depot_u_per_h=np.full(STEP_MIN * rows, habits.depot_u_per_h),
        bolus_u=bolus,
        of_meal=bolus > 0.0,
        carbs_g=carbs,
        eaten_g_per_min=eaten_g_per_min(carbs),
        long_acting_u=slow,
        on_its_way_g_per_min=np.zeros(STEP_MIN * rows),
    )


def _menu(habits: Habits, weekend: bool, rng: np.random.Generator) -> Iterator[tuple[Eaten, int]]:
    """Meals of one drawn day and their rows, each course from a day of its own."""
    alike = np.flatnonzero(np.array(habits.weekend) == weekend)
    days = alike if len(alike) >= FEWEST_ALIKE else np.arange(len(habits.meals))
    for course in range(len(COURSES_H)):
        for meal in habits.meals[int(rng.choice(days))][course]:
            row = meal.row + int(rng.integers(-SHIFT_ROWS, SHIFT_ROWS + 1))
            yield meal, min(max(row, 0), STEPS_PER_DAY - 1)


def _serve(amounts: FloatArray, row: int, amount: float) -> None:
    """Adds an amount at a row, in place; the first or last row where it would lie outside."""
    amounts[min(max(row, 0), len(amounts) - 1)] += amount
