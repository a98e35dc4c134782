"""Advice on the bolus of an announced meal: a factor on the carbohydrate dose, from a linear model.

    q = w . phi,   f = 1 + q / z, held in a range; at most 1 near or towards low glucose

phi holds what the clinic's record says at the moment of the bolus, each in 100 mg/dL: what grows
with the meal is times z, what the carbohydrate dose takes off. The person's own correction for high
or low glucose stays as it is. w is shared; phi never leaves the clinic.
"""

from dataclasses import dataclass, field

import numpy as np

from models.trace import STEPS_PER_DAY, FloatArray
from simulations.active_insulin import still_active
from simulations.bolus_hindsight import Hindsight, Own, own, part_of_day
from simulations.bolus_record import Record

NAMES = (
    "size",
    "size: breakfast",
    "size: evening",
    "size: night",
    "size: large",
    "size: own need",
    "size: own need, this part of the day",
    "size: ratio by daily dose",
    "always",
    "above 120",
    "below 120",
    "coming in 30 min",
    "active insulin",
    "own mean",
    "own lows",
    "own fasting",
)
DIMENSION = len(NAMES)
SLOPE_STEPS, AHEAD_STEPS = 3, 6
NEAR_LOW_MG_DL = 85.0
USUAL_SIZE = 1.5
RATIO_RULE_G = 450.0
"""Grams that a day's insulin covers, by rule of thumb."""

LEAST_SIZE = 0.1


@dataclass(frozen=True)
class Advisor:
    """Weights (DIMENSION,) and the range in which a factor is held."""

    weights: FloatArray = field(repr=False)
    least: float
    most: float

    def factor(self, seen: FloatArray, size: float, near_low: bool) -> float:
        """Factor of a carbohydrate dose of this size; 1 at most where glucose is near a low."""
        f = 1.0 + float(self.weights @ seen) / max(size, LEAST_SIZE)
        most = min(self.most, 1.0) if near_low or not np.isfinite(f) else self.most
        return float(np.clip(f, self.least, most)) if np.isfinite(f) else 1.0


@dataclass
class Desk:
    """Where one person's file is read at each meal, in order of time."""

    record: Record = field(repr=False)
    hindsight: Hindsight = field(repr=False)
    day: int = -1
    known: Own | None = field(default=None, repr=False)

    def seen(self, meal: int) -> tuple[FloatArray, bool]:
        """phi (DIMENSION,) at the moment of this meal's bolus, and whether a low is near.

        A missing reading counts as near a low: nothing is added in the dark.
        """
        record, step = self.record, int(self.record.meals.step[meal])
        today = step // STEPS_PER_DAY
        if self.known is None or today != self.day:
            self.day, self.known = today, own(record, self.hindsight, today)
        now = record.sensor_mg_dl[step]
        before = record.sensor_mg_dl[step - SLOPE_STEPS] if step >= SLOPE_STEPS else np.nan
        rise = (now - before) / SLOPE_STEPS * AHEAD_STEPS
        coming = float(np.clip(rise, -60.0, 60.0)) if np.isfinite(rise) else 0.0
        active = still_active(record.bolus_u[:step]) * record.correction_mg_dl_per_u / 100.0
        near_low = not (now + min(coming, 0.0) >= NEAR_LOW_MG_DL)
        away = (now - 120.0) / 100.0 if np.isfinite(now) else 0.0
        moment = np.array([1.0, max(away, 0.0), max(-away, 0.0), coming / 100.0, active])
        return np.concatenate([self._with_size(meal), moment, self._own_level()]), near_low

    def size(self, meal: int) -> float:
        """What this meal's counted carbohydrate dose takes off, 100 mg/dL."""
        return float(self.record.size(np.array([meal]))[0])

    def _with_size(self, meal: int) -> FloatArray:
        known = self.known
        if known is None:
            raise ValueError("no day was begun; expected seen() to begin it. Nothing was advised.")
        record, z = self.record, self.size(meal)
        hour = float(record.hour[meal])
        part, ratio = int(part_of_day(hour)), float(record.carb_ratio_g_per_u[int(hour)])
        by_rule = np.log(max(ratio * known.daily_u, 1.0) / RATIO_RULE_G)
        rest = (z - USUAL_SIZE, known.need, known.by_part[part], float(np.clip(by_rule, -1.0, 1.0)))
        return z * np.array([1.0, part == 0, part == 2, part == 3, *rest])

    def _own_level(self) -> FloatArray:
        known = self.known
        return np.zeros(3) if known is None else np.array([known.mean, known.low, known.fasting])
