"""What a clinic has on file of a person who announces meals: sensor, insulin, counted grams.

Nothing of the simulator's inside is here: no true glucose, no true grams, no constants of the body.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray
from simulations.behaviour import Bolus, Meals
from simulations.living import Life


@dataclass(frozen=True)
class Announced:
    """Meals that a bolus was given for: five-minute step of it and grams as counted, (m,) each."""

    step: IntArray
    counted_g: FloatArray


def announced(meals: Meals, steps: int) -> Announced:
    """The announcements of a stay of so many steps; those of one step are one announcement.

    A late bolus is announced when it is given; a missed one never.
    """
    late = np.where(meals.bolus == Bolus.LATE, meals.delay_min, 0)
    when = (meals.minute + late) // STEP_MIN
    given = (meals.bolus != Bolus.MISSED) & (when < steps)
    step, place = np.unique(when[given], return_inverse=True)
    grams = np.zeros(len(step))
    np.add.at(grams, place, meals.counted_g[given])
    return Announced(step.astype(np.int64), grams)


@dataclass
class Record:
    """A person's file, filled as the days go by: (n,) by step, NaN or 0 where nothing is yet.

    `carb_ratio_g_per_u` (24,) by hour is today's; `given` (m,) is what the carbohydrate dose of
    each meal was to take off, 100 mg/dL, as advised or not.
    """

    carb_ratio_g_per_u: FloatArray = field(repr=False)
    correction_mg_dl_per_u: float
    meals: Announced = field(repr=False)
    sensor_mg_dl: FloatArray = field(repr=False)
    basal_u: FloatArray = field(repr=False)
    bolus_u: FloatArray = field(repr=False)
    rescue_g: FloatArray = field(repr=False)
    given: FloatArray = field(repr=False)

    @classmethod
    def blank(
        cls,
        carb_ratio_g_per_u: FloatArray,
        correction_mg_dl_per_u: float,
        meals: Announced,
        steps: int,
    ) -> "Record":
        """A file with nothing in it but settings and what will be announced."""
        none = np.zeros(steps)
        return cls(
            carb_ratio_g_per_u,
            correction_mg_dl_per_u,
            meals,
            np.full(steps, np.nan),
            none,
            none.copy(),
            none.copy(),
            np.full(len(meals.step), np.nan),
        )

    def add(self, first_step: int, life: Life) -> None:
        """File what was lived from this step on."""
        rows = slice(first_step, first_step + len(life.sensor_mg_dl))
        self.sensor_mg_dl[rows] = life.sensor_mg_dl
        self.basal_u[rows] = life.basal_u_per_h * STEP_MIN / 60.0
        self.bolus_u[rows] = life.bolus_u.reshape(-1, STEP_MIN).sum(axis=1)
        self.rescue_g[rows] = life.rescue_g.reshape(-1, STEP_MIN).sum(axis=1)

    def size(self, meals: IntArray) -> FloatArray:
        """What these meals' carbohydrate doses take off by today's settings, 100 mg/dL."""
        ratio = self.carb_ratio_g_per_u[self.hour[meals].astype(np.int64)]
        units = self.meals.counted_g[meals] / ratio
        return np.asarray(units * self.correction_mg_dl_per_u / 100.0)

    @cached_property
    def hour(self) -> FloatArray:
        """Hour of the day of each announcement, (m,)."""
        return np.asarray((self.meals.step % STEPS_PER_DAY) * STEP_MIN / 60.0)
