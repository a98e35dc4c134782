"""What a twin says a little more or less of each dose does, on days that already follow it.

Each day is lived from the midnight before it, so that what was given the evening before has its
effect on the day that counts: insulin's action lasts for hours, and a change is there every day.
Without that day ahead a change of evening basal, or of the dinner's ratio, ends at midnight, and
twins put effects at 0.4 to 0.8 of what they are (64 virtual adults of both worlds).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.calibration import Calibration
from models.inputs import known_rows
from models.levers import Lever, scenario_of_settings
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.sandbox import AS_RECORDED, Asked, ground_of, lived
from models.trace import STEPS_PER_DAY, FloatArray, Trace

LEAD_HOURS = 24
PROBE = 0.1
"""Levers are moved by this share of today's, down and up; other moves are in proportion."""


@dataclass(frozen=True)
class Response:
    """Changes of glucose (D, n), mg/dL, of a setting a tenth below today's and a tenth above it."""

    lever: Lever
    lower: FloatArray = field(repr=False)
    higher: FloatArray = field(repr=False)

    def to(self, value: float) -> FloatArray:
        """Change of glucose (D, n) of this setting, in proportion to the insulin it adds."""
        wanted = more_insulin(self.lever, value)
        probe = 1.0 - PROBE if value < self.lever.today else 1.0 + PROBE
        path = self.lower if value < self.lever.today else self.higher
        moved: FloatArray = wanted / more_insulin(self.lever, probe * self.lever.today) * path
        return moved


@dataclass(frozen=True)
class Responses:
    """Measured glucose (n,) of whole days one after the other, and each lever's response."""

    measured_mg_dl: FloatArray = field(repr=False)
    by_lever: tuple[Response, ...]

    @property
    def days(self) -> int:
        """Days lived."""
        return len(self.measured_mg_dl) // STEPS_PER_DAY

    def of_days(self, chosen: Sequence[int]) -> "Responses":
        """The same of these days alone."""
        return Responses(
            _take(self.measured_mg_dl[None], chosen)[0],
            tuple(
                replace(one, lower=_take(one.lower, chosen), higher=_take(one.higher, chosen))
                for one in self.by_lever
            ),
        )

    def size_mg_dl(self, kinds: Sequence[str]) -> float:
        """Sum over levers of these kinds of the change of mean glucose that a tenth more makes."""
        return float(
            sum(
                abs(np.median(one.higher.mean(axis=1)))
                for one in self.by_lever
                if one.lever.kind in kinds
            )
        )


def more_insulin(lever: Lever, value: float) -> float:
    """Insulin that a setting adds, as a share of what this lever gives today: 0.1 is a tenth."""
    scale = value / lever.today
    return 1.0 / scale - 1.0 if lever.unit.endswith("/U") else scale - 1.0


def responses_of(
    trace: Trace,
    calibration: Calibration,
    day_rows: Sequence[int],
    levers: Sequence[Lever],
    asked: Asked,
) -> Responses:
    """Responses on the days that begin at these rows; each needs the day before on record."""
    hours = LEAD_HOURS + 24
    moved = [
        scenario_of_settings(levers, {lever.name: scale * lever.today}, hours)
        for lever in levers
        for scale in (1.0 - PROBE, 1.0 + PROBE)
    ]
    scenarios = [replace(AS_RECORDED, hours=hours), *moved]
    paths = []
    for row in day_rows:
        ground = ground_of(trace, calibration, row - STEPS_PER_DAY, hours, asked)
        paths.append(lived(ground, scenarios)[..., -STEPS_PER_DAY:])
    glucose = np.concatenate(paths, axis=-1)
    change = glucose[1:] - glucose[0]
    return Responses(
        glucose[0, 0],
        tuple(
            Response(lever, change[2 * place], change[2 * place + 1])
            for place, lever in enumerate(levers)
        ),
    )


def unrest_mg_dl(trace: Trace, calibration: Calibration) -> float:
    """Root mean square of what the twin, in open loop, leaves of the readings.

    It is large where days differ: the sign by which a patient shows in what kind of world the twin
    is asked (docs/effects.md).
    """
    readings = trace["glucose_mg_dl"]
    read = np.flatnonzero(np.isfinite(readings) & known_rows(trace))
    inputs = inputs_of(trace, calibration.head)
    replayed = open_loop(calibration.head.theta, inputs, float(readings[read[0]]))
    left = (readings - replayed.interstitial_mg_dl[0])[read]
    return float(np.sqrt(np.mean(left**2)))


def _take(paths: FloatArray, days: Sequence[int]) -> FloatArray:
    by_day = paths.reshape(len(paths), -1, STEPS_PER_DAY)
    taken: FloatArray = by_day[:, list(days)].reshape(len(paths), -1)
    return taken
