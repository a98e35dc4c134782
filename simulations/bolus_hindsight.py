"""What a meal's dose left over, seen hours later on the record, and what a person's meals have in
common.

    y = given - z + r,   r = (mean G - target - g CF / CR) / 100

G is the sensor 2.5 to 4 h after the bolus, up to the next one; g the grams of rescue before its
end; z what the counted carbohydrate's dose takes off by today's ratio CR and correction factor CF,
`given` what the dose that was given took off, both in 100 mg/dL. So y / z is by how much the
counted dose should be larger, whether meals were advised or not, and whatever the ratio was then.
"""

from dataclasses import dataclass, field

import numpy as np

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray
from simulations.bolus_record import Record

AFTER_STEPS = (30, 48)
FEWEST_READINGS = 6
MEMORY_DAYS = 14
PRIOR_MEALS = 8.0
"""How many average meals a person's own figure must outweigh."""

PARTS_H = ((5.0, 10.5), (10.5, 16.0), (16.0, 22.0))
"""Breakfast, midday, evening; the rest is night."""


def part_of_day(hour: FloatArray | float) -> IntArray:
    """0, 1, 2 for the parts of PARTS_H, 3 at night."""
    hours = np.asarray(hour, dtype=np.float64)
    part = np.full(hours.shape, len(PARTS_H))
    for number, (first, last) in enumerate(PARTS_H):
        part = np.where((hours >= first) & (hours < last), number, part)
    return part


@dataclass
class Hindsight:
    """Reads a record that grows: r of each meal, once its hours have passed."""

    record: Record = field(repr=False)
    target_mg_dl: float
    left: FloatArray = field(init=False, repr=False)
    done: int = 0

    def __post_init__(self) -> None:
        self.left = np.full(len(self.record.meals.step), np.nan)

    def until(self, step: int) -> FloatArray:
        """r of every meal whose hours ended by `step`, NaN for others and the unclear, (m,)."""
        when = self.record.meals.step
        while self.done < len(when) and when[self.done] + AFTER_STEPS[1] <= step:
            self.left[self.done] = self._left_over(self.done)
            self.done += 1
        return self.left

    def _left_over(self, meal: int) -> float:
        record = self.record
        start = int(record.meals.step[meal])
        later = np.flatnonzero(record.bolus_u[start + 1 : start + AFTER_STEPS[1]])
        end = start + (int(later[0]) + 1 if len(later) else AFTER_STEPS[1])
        seen = record.sensor_mg_dl[start + AFTER_STEPS[0] : end]
        if np.isfinite(seen).sum() < FEWEST_READINGS:
            return np.nan
        ratio = record.carb_ratio_g_per_u[int(record.hour[meal])]
        per_g = record.correction_mg_dl_per_u / ratio
        rescued = record.rescue_g[start + 1 : end].sum() * per_g
        return float(np.nanmean(seen) - self.target_mg_dl - rescued) / 100.0


@dataclass(frozen=True)
class Own:
    """What the latest two weeks say of one person, and nobody else.

    `need` is by how much carbohydrate doses should have been larger, shrunk towards 0; `by_part`
    (4,) what parts of the day add; `mean` in 100 mg/dL from 140, `low` the share below 70,
    `fasting` in 100 mg/dL from 110, all of the sensor; `daily_u` the daily dose.
    """

    need: float
    by_part: FloatArray
    mean: float
    low: float
    fasting: float
    daily_u: float


def own(record: Record, hindsight: Hindsight, day: int) -> Own:
    """What is known at midnight of `day`."""
    first, last = max(day - MEMORY_DAYS, 0) * STEPS_PER_DAY, day * STEPS_PER_DAY
    left = hindsight.until(last)
    when = record.meals.step
    of = np.flatnonzero((when >= first) & (when < last) & np.isfinite(left))
    z, part = record.size(of), part_of_day(record.hour[of])
    y = record.given[of] - z + left[of]
    weight = float((z**2).mean()) * PRIOR_MEALS if len(z) else 1.0
    need = float((z * y).sum() / ((z**2).sum() + weight))
    rest = z * (y - z * need)
    by_part = np.array(
        [rest[part == k].sum() / ((z[part == k] ** 2).sum() + weight) for k in range(4)]
    )
    seen = record.sensor_mg_dl[first:last]
    hours = (np.arange(first, last) % STEPS_PER_DAY) * STEP_MIN / 60.0
    insulin = record.basal_u[first:last].sum() + record.bolus_u[first:last].sum()
    return Own(
        need,
        by_part,
        (_mean(seen, 140.0) - 140.0) / 100.0,
        _mean((seen < 70.0).astype(np.float64), 0.0),
        (_mean(seen[(hours >= 4.0) & (hours < 7.0)], 110.0) - 110.0) / 100.0,
        float(insulin / max(last - first, 1) * STEPS_PER_DAY),
    )


def _mean(values: FloatArray, otherwise: float) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else otherwise
