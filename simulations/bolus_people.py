"""Virtual people of the trial of bolus advice: who teaches, and who lives under advice.

Everybody is drawn as in `titration_people`: settings amiss, counting errors, late and missed
boluses, corrections and rescues of their own. A teacher lives four weeks by counting carbohydrate;
the first two are what each meal's features look back on, the meals of the others are lessons.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.trace import STEPS_PER_DAY, FloatArray
from simulations.bolus_advisor import DIMENSION, Advisor, Desk
from simulations.bolus_hindsight import MEMORY_DAYS, Hindsight
from simulations.bolus_record import Record, announced
from simulations.effects_people import Cast
from simulations.living import SURVIVED_ABOVE_MG_DL, Life, all_day
from simulations.padova import PadovaError
from simulations.padova_world import World
from simulations.titration_people import (
    RECORD_DAYS,
    RUN_IN_DAYS,
    Diary,
    Recruit,
    Rule,
    devices_record,
    first_settings,
)

_MOST_DRAWS = 40
Advice = Callable[[Desk, int], float]
"""Factor of the carbohydrate dose of a meal that is now announced."""


@dataclass(frozen=True)
class Lessons:
    """One patient's meals: phi (m, DIMENSION) and what each dose left over, (m,), 100 mg/dL."""

    seen: FloatArray = field(repr=False)
    left: FloatArray = field(repr=False)


def teacher(
    number: int, world: World, seed: tuple[int, ...], days: int, off: float, group: str
) -> Recruit:
    """Person `number`: the first draw that lives through all these days above 20 mg/dL.

    Raises PadovaError after 40 draws.
    """
    for attempt in range(_MOST_DRAWS):
        who = Recruit(f"{group}{number}", world, (*seed, number, attempt), days, off, group)
        one = who.cast()
        life = one.begin().lived(all_day(one.person), (0, days * STEPS_PER_DAY))
        if life.glucose_mg_dl.min() >= SURVIVED_ABOVE_MG_DL:
            return who
    raise PadovaError(
        f"{_MOST_DRAWS} draws of person {number} in world {world} fell below "
        f"{SURVIVED_ABOVE_MG_DL:.0f} mg/dL; expected one to stay above. Nobody was enrolled. Ask "
        "for another seed or fewer days."
    )


def lessons_of(who: Recruit, target_mg_dl: float) -> Lessons:
    """What a clinic can learn from a teacher's file; meals without a clear outcome are left out."""
    one = who.cast()
    record = _blank(one, who.days)
    record.add(0, one.begin().lived(all_day(one.person), (0, who.days * STEPS_PER_DAY)))
    record.given[:] = record.size(np.arange(len(record.given)))
    desk = Desk(record, Hindsight(record, target_mg_dl))
    meals = np.flatnonzero(record.meals.step >= MEMORY_DAYS * STEPS_PER_DAY)
    seen = np.array([desk.seen(int(meal))[0] for meal in meals]).reshape(-1, DIMENSION)
    left = desk.hindsight.until(who.days * STEPS_PER_DAY)[meals]
    clear = np.isfinite(left)
    return Lessons(seen[clear], left[clear])


def advice_of(advisor: Advisor) -> Advice:
    """A meal's factor by this advisor."""

    def advise(desk: Desk, meal: int) -> float:
        seen, near_low = desk.seen(meal)
        return advisor.factor(seen, desk.size(meal), near_low)

    return advise


def as_counted(desk: Desk, meal: int) -> float:
    """No advice: the dose that the counted carbohydrate asks for."""
    return 1.0


@dataclass(frozen=True)
class Care:
    """What a person lives under: advice at each meal, and a rule for the pump at each visit."""

    advice: Advice = as_counted
    rule: Rule | None = None
    visit_days: int = 7


class Days:
    """A life in pieces under some care; what was lived is in `glucose_mg_dl` and `factors`."""

    def __init__(self, who: Recruit, care: Care, target_mg_dl: float) -> None:
        self.one, self.care, self.steps = who.cast(), care, who.days * STEPS_PER_DAY
        self.stay, self.pump = self.one.begin(), first_settings(self.one)
        self.record = _blank(self.one, who.days)
        self.desk = Desk(self.record, Hindsight(self.record, target_mg_dl))
        self.lives: list[Life] = []
        self.now, self.since, self.factors = 0, 0, np.ones(len(self.record.meals.step))

    @property
    def glucose_mg_dl(self) -> FloatArray:
        """True glucose so far, (n,)."""
        return np.concatenate([life.glucose_mg_dl for life in self.lives])

    @property
    def day(self) -> int:
        """Whole days lived."""
        return self.now // STEPS_PER_DAY

    def live(self) -> None:
        """All days: the run-in by counting, then under care."""
        first = RUN_IN_DAYS * STEPS_PER_DAY
        self._piece(first, 0, as_counted)
        week = self.care.visit_days * STEPS_PER_DAY
        for start in range(first, self.steps, week):
            self._visit()
            self._piece(min(start + week, self.steps), start, self.care.advice)

    def _visit(self) -> None:
        if self.care.rule is not None:
            trace = devices_record(self.one, self.lives)
            old, same = self.pump, min(self.day - self.since, RECORD_DAYS)
            self.pump = self.care.rule(Diary(trace, old, self.one.knowledge, same))
            if not np.array_equal(old.by_hour(), self.pump.by_hour()):
                self.since = self.day
            self.record.carb_ratio_g_per_u = self.pump.carb_ratio_g_per_u

    def _piece(self, last: int, first: int, advice: Advice) -> None:
        """From step `first` to `last`, stopping where a meal is announced."""
        when, usual = self.record.meals.step, self.pump.by_hour()
        for meal in np.flatnonzero((when >= first) & (when < last)).tolist():
            step = int(when[meal])
            if advice is not as_counted:
                self._through(step, usual)
                self.record.sensor_mg_dl[step] = self.stay.reading(step)
            factor = advice(self.desk, meal)
            self.factors[meal] = factor
            self.record.given[meal] = factor * self.desk.size(meal)
            if advice is not as_counted:
                self._through(step + 1, usual * (1.0, 1.0 / factor, 1.0))
        self._through(last, usual)

    def _through(self, last: int, by_hour: FloatArray) -> None:
        if last > self.now:
            life = self.stay.lived(by_hour, (self.now, last))
            self.record.add(self.now, life)
            self.lives.append(life)
            self.now = last


def _blank(one: Cast, days: int) -> Record:
    steps, pump = days * STEPS_PER_DAY, first_settings(one)
    meals = announced(one.meals, steps)
    return Record.blank(pump.carb_ratio_g_per_u, pump.correction_mg_dl_per_u, meals, steps)
