"""What a plan may turn: a pump's basal by part of the day, ratios by meal, the correction factor.

Every lever has its setting of today, steps that a pump or a pen can be set to, and stays within
20 % of today's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from models.doses import usual_grams_per_u
from models.inputs import known_rows
from models.scenario import Daily, LongActingChange, Scaled, Scenario, Therapy, refused
from models.trace import Trace

REACH = 0.2
PARTS_OF_DAY = {
    "night": Daily(0.0, 6.0),
    "morning": Daily(6.0, 12.0),
    "afternoon": Daily(12.0, 18.0),
    "evening": Daily(18.0, 24.0),
}
MEALS = {
    "breakfast": Daily(5.0, 11.0),
    "lunch": Daily(11.0, 16.0),
    "dinner": Daily(16.0, 24.0),
}
FEWEST_BOLUSES = 3


@dataclass(frozen=True)
class Steps:
    """Smallest steps that a patient's devices can be set to."""

    basal_u_per_h: float = 0.05
    carb_ratio_g_per_u: float = 0.5
    correction_mg_dl_per_u: float = 1.0
    long_acting_u: float = 1.0


PUMP = Steps()


@dataclass(frozen=True)
class Lever:
    """One setting: `kind` is a part of Therapy, `today` and `step` in `unit`."""

    name: str
    kind: str
    window: Daily
    today: float
    step: float
    unit: str

    def settings(self) -> tuple[float, ...]:
        """Whole steps within reach, and today's own, from low to high."""
        low, high = (self.today * (1.0 + reach) / self.step for reach in (-REACH, REACH))
        steps = range(max(ceil(low - 1e-9), 1), floor(high + 1e-9) + 1)
        return tuple(sorted({self.today, *(round(self.step * n, 6) for n in steps)}))


Setting = Mapping[str, float]
"""New settings by lever; a lever that is absent stays as it is."""


def levers_of(
    trace: Trace, steps: Steps = PUMP, correction_mg_dl_per_u: float | None = None
) -> tuple[Lever, ...]:
    """What this patient's record says can be turned."""
    known = known_rows(trace)
    found = [*_basal(trace, steps), *_ratios(trace, steps)]
    correcting = np.nan_to_num(trace["bolus_u"])[known] > 0.0
    if correction_mg_dl_per_u is not None and correcting.sum() >= FEWEST_BOLUSES:
        step = steps.correction_mg_dl_per_u
        today = correction_mg_dl_per_u
        found.append(Lever("corrections", "correction_factor", Daily(), today, step, "mg/dL/U"))
    return tuple(lever for lever in found if len(lever.settings()) > 1)


def scenario_of_settings(levers: Sequence[Lever], setting: Setting, hours: int = 24) -> Scenario:
    """The settings as a scenario of recorded days."""
    parts: dict[str, list[Scaled]] = {"basal": [], "carb_ratio": [], "correction_factor": []}
    long_acting = None
    for lever in levers:
        if lever.name not in setting:
            continue
        scale = setting[lever.name] / lever.today
        if lever.kind == "long_acting":
            long_acting = LongActingChange(scale)
        else:
            parts[lever.kind].append(Scaled(scale, lever.window))
    therapy = Therapy(
        basal=tuple(parts["basal"]),
        carb_ratio=tuple(parts["carb_ratio"]),
        correction_factor=tuple(parts["correction_factor"]),
        long_acting=long_acting,
    )
    return Scenario("plan", hours, therapy)


def _basal(trace: Trace, steps: Steps) -> list[Lever]:
    """The pump's median rate in each part of the day; without a pump, the daily injection."""
    rate = np.nan_to_num(trace["basal_u_per_h"])
    if rate.any():
        hour = trace.local_hour
        return [
            Lever(
                f"basal {part}",
                "basal",
                window,
                float(np.median(rate[window.holds(hour)])),
                steps.basal_u_per_h,
                "U/h",
            )
            for part, window in PARTS_OF_DAY.items()
        ]
    doses = np.nan_to_num(trace["long_acting_u"])
    if not doses.any():
        return []
    _, day = np.unique(trace.local_day, return_inverse=True)
    totals = np.bincount(day, weights=doses)
    daily, step = float(np.median(totals[totals > 0.0])), steps.long_acting_u
    return [Lever("long-acting dose", "long_acting", Daily(), daily, step, "U a day")]


def _ratios(trace: Trace, steps: Steps) -> list[Lever]:
    """Grams to the unit of each meal of the day that is often enough covered."""
    usual = usual_grams_per_u(trace)
    if usual is None:
        return []
    bolus, carbs = (np.nan_to_num(trace[name]) for name in ("bolus_u", "carbs_g"))
    step = steps.carb_ratio_g_per_u
    found = []
    for meal, window in MEALS.items():
        inside = window.holds(trace.local_hour)
        if ((bolus > 0.0) & inside).sum() < FEWEST_BOLUSES or not carbs[inside].any():
            continue
        found.append(Lever(f"ratio {meal}", "carb_ratio", window, usual, step, "g/U"))
    return found


def require_levers(levers: Sequence[Lever], patient: str) -> None:
    """Refuses a record in which nothing can be turned."""
    if not levers:
        raise refused(
            f"no basal rate, no injection and no meal bolus of {patient} on record",
            "one of them at least",
            "import insulin records first",
        )
