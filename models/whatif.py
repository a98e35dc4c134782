"""One question to a twin: the same hours under two regimens, and what differs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from models.calibration import Calibration
from models.glycemia import LOW_MG_DL, Glycemia, glycemia
from models.heads import Head
from models.inputs import MG_PER_G, MU_PER_U, Inputs, bites_g
from models.meal_delay import NO_DELAY, arrivals, inputs_of
from models.openloop import open_loop
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEP_MIN, FloatArray, Trace

Correction = Callable[[Trace, Head], tuple[FloatArray, FloatArray]]
"""ln of the sensitivity multiplier and disturbance (mg/dL/min) of every row, (n,) each.

It sees what was recorded and never a regimen, so both regimens share it."""


class WhatIfError(ValueError):
    """A question that this twin cannot answer."""


@dataclass(frozen=True)
class Regimen:
    """Changes to what was recorded, from the start of a comparison on.

    `basal_scale` multiplies the pump's basal and long-acting insulin together, the latter as after
    days on the new dose. Extra events are (minutes after the start, units or grams).
    """

    basal_scale: float = 1.0
    bolus_scale: float = 1.0
    carbs_scale: float = 1.0
    extra_bolus_u: tuple[tuple[int, float], ...] = ()
    extra_carbs_g: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        scales = (self.basal_scale, self.bolus_scale, self.carbs_scale)
        events = [*self.extra_bolus_u, *self.extra_carbs_g]
        if not all(s >= 0.0 for s in scales) or not all(m >= 0 and a >= 0.0 for m, a in events):
            raise WhatIfError(
                f"a regimen has scales {scales} and extra events {events}; expected none negative. "
                "Nothing was simulated. Give scales such as 1.1, and events after the start."
            )


@dataclass(frozen=True)
class Comparison:
    """Glucose (12 hours,) every 5 minutes under two regimens; differences are b minus a.

    `measured_mg_dl` is what the sensor read in these hours, NaN where it read nothing.
    """

    start_row: int
    glucose_a_mg_dl: FloatArray = field(repr=False)
    glucose_b_mg_dl: FloatArray = field(repr=False)
    measured_mg_dl: FloatArray = field(repr=False)

    @property
    def a(self) -> Glycemia:
        """Summary of the first regimen."""
        return glycemia(self.glucose_a_mg_dl)

    @property
    def b(self) -> Glycemia:
        """Summary of the second regimen."""
        return glycemia(self.glucose_b_mg_dl)

    @property
    def mean_difference_mg_dl(self) -> float:
        """Change of mean glucose."""
        return self.b.mean_mg_dl - self.a.mean_mg_dl

    @property
    def time_in_range_difference_points(self) -> float:
        """Change of time in 70-180 mg/dL, percentage points."""
        return self.b.in_range_pct - self.a.in_range_pct

    @property
    def minutes_below_70(self) -> tuple[int, int]:
        """Minutes below 70 mg/dL under each."""
        a, b = (
            STEP_MIN * int(np.sum(glucose < LOW_MG_DL))
            for glucose in (self.glucose_a_mg_dl, self.glucose_b_mg_dl)
        )
        return a, b


def compare(
    trace: Trace,
    calibration: Calibration,
    regimens: tuple[Regimen, Regimen],
    start_row: int,
    hours: int = 24,
    correction: Correction | None = None,
) -> Comparison:
    """What `regimens` (a, b) would have made of the `hours` from `start_row` on.

    The twin replays the record up to there, then each regimen. What separated the sensor from the
    replayed record is added to both, as is the correction: so a regimen that changes nothing
    returns the measured curve, and the sign of a difference is the physiology's. Raises WhatIfError
    where the record or the calibration cannot carry the answer.
    """
    window = slice(start_row, start_row + hours * 60 // STEP_MIN)
    head = calibration.head
    inputs = inputs_of(trace, head)
    _require_answerable(calibration, inputs, regimens, window)
    ln_s, disturbance = (None, None) if correction is None else correction(trace, head)
    readings = trace["glucose_mg_dl"]
    start_mg_dl = _first_reading(readings)

    def replay(arm: Inputs) -> FloatArray:
        loop = open_loop(head.theta, arm, start_mg_dl, ln_s, disturbance)
        return loop.interstitial_mg_dl[0, window]

    residual = residual_of(readings[window], replay(inputs))
    glucose_a, glucose_b = (
        np.maximum(replay(under(regimen, inputs, start_row)) + residual, GLUCOSE_FLOOR_MG_DL)
        for regimen in regimens
    )
    return Comparison(start_row, glucose_a, glucose_b, readings[window])


def under(regimen: Regimen, inputs: Inputs, start_row: int) -> Inputs:
    """The inputs as `regimen` changes them from `start_row` on."""
    first = STEP_MIN * start_row
    bolus = inputs.insulin_mu_kg_min - inputs.background_mu_kg_min
    background = inputs.background_mu_kg_min.copy()
    background[first:] *= regimen.basal_scale
    bolus[first:] *= regimen.bolus_scale
    for minute, units in regimen.extra_bolus_u:
        bolus[first + minute : first + minute + 1] += units * MU_PER_U / inputs.weight_kg
    return replace(
        inputs,
        insulin_mu_kg_min=background + bolus,
        background_mu_kg_min=background,
        carbs_mg_kg_min=_eaten_under(regimen, inputs, first),
        entered_mg_kg_min=None,
        meal_delay_min=None,
    )


def _eaten_under(regimen: Regimen, inputs: Inputs, first: int) -> FloatArray:
    """Carbohydrate of each minute (T,), every meal at its delay; an added one is eaten as asked."""
    recorded = inputs.carbs_mg_kg_min if inputs.meal_delay_min is None else inputs.entered_mg_kg_min
    entered, added = np.array(recorded), np.zeros_like(inputs.carbs_mg_kg_min)
    entered[first:] *= regimen.carbs_scale
    for minute, grams in regimen.extra_carbs_g:
        meal = bites_g(grams) * MG_PER_G / inputs.weight_kg
        there = added[first + minute : first + minute + len(meal)]
        there += meal[: len(there)]
    late = NO_DELAY if inputs.meal_delay_min is None else inputs.meal_delay_min
    arrived: FloatArray = arrivals(entered, inputs.local_hour, late)
    return arrived + arrivals(added, inputs.local_hour, np.maximum(late, 0.0))


def _first_reading(readings: FloatArray) -> float:
    return float(readings[np.isfinite(readings)][0])


def residual_of(readings: FloatArray, replayed: FloatArray) -> FloatArray:
    """Readings minus replay, linear between readings and held beyond them; 0 without readings."""
    rows = np.flatnonzero(np.isfinite(readings))
    if not len(rows):
        return np.zeros_like(replayed)
    between: FloatArray = np.interp(np.arange(len(replayed)), rows, (readings - replayed)[rows])
    return between


def _require_answerable(
    calibration: Calibration, inputs: Inputs, regimens: tuple[Regimen, Regimen], window: slice
) -> None:
    head = calibration.head
    if not calibration.identified:
        raise WhatIfError(
            f"the twin of {calibration.patient} was made without insulin or meals; expected one "
            "calibrated on both. No regimen was compared: its answer would be the "
            "population's. Import insulin and meal records, then calibrate again."
        )
    if window.start < 0 or window.stop > len(inputs) or window.start >= window.stop:
        raise WhatIfError(
            f"rows {window.start} to {window.stop} were asked for; the record has {len(inputs)}. "
            "No regimen was compared. Choose a start and hours within the record."
        )
    if not inputs.known[window].all():
        raise WhatIfError(
            f"insulin or meals are unknown in rows {window.start} to {window.stop}; expected a "
            "recorded stretch. No regimen was compared. Choose days with records."
        )
    scaled = any(regimen.basal_scale != 1.0 for regimen in regimens)
    if scaled and (head.background is None or head.background.u_per_h == 0.0):
        raise WhatIfError(
            f"no basal insulin of {calibration.patient} is on record, but a regimen scales it. "
            "No regimen was compared. Import basal rates or long-acting doses first."
        )
