"""How fast a sandbox answers: many regimens of three recorded days, in one twin and in thirty-two.

Everything between scenarios and glucose is timed: doses as each scenario changes them, then the
twin. On one thread, compiled before, on the virtual adolescent of `bench_twin`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.calibration import calibrate
from models.sandbox import Asked, Ground, ground_of, lived
from models.scenario import Daily, MealBolusChange, Scaled, Scenario, Therapy
from models.trace import STEPS_PER_DAY
from simulations.bench_twin import REFERENCE_MIN, least_s, reference_minute_s, timed_trace

HOURS, START_DAY, CALIBRATED_DAYS = 72, 4, 7
MANY, SOME, DRAWS = 1000, 200, 32
ALLOWED_S = {MANY: 0.4, SOME: 3.0}

Row = dict[str, Any]


def rows() -> Iterator[Row]:
    """Both comparisons."""
    yield row("sandbox_1000x72h", MANY, 1)
    yield row("sandbox_200x32x72h", SOME, DRAWS)


def row(name: str, regimens: int, draws: int) -> Row:
    """So many regimens in so many draws, and simglucose, timed for 4 h and scaled up."""
    ground, tried = timed_ground(draws), scenarios(regimens)
    reference_s = reference_minute_s()
    return {
        "name": name,
        "ours_s": least_s(lambda: lived(ground, tried), repeats=3),
        "rival": "simglucose 0.2.11",
        "rival_s": None if reference_s is None else reference_s * 60 * HOURS * regimens * draws,
        "note": f"{regimens} scenarios of {HOURS} h, draws of a twin: {draws}; from scenario to "
        f"glucose; {ALLOWED_S[regimens]:g} s were allowed; rival as for regimens of {HOURS} h, "
        f"{REFERENCE_MIN // 60} h timed and scaled up",
    }


def timed_ground(draws: int) -> Ground:
    """Three recorded days under draws of a twin of the first seven."""
    trace = timed_trace()
    (calibration,) = calibrate([trace.rows(0, CALIBRATED_DAYS * STEPS_PER_DAY)])
    return ground_of(trace, calibration, START_DAY * STEPS_PER_DAY, HOURS, Asked(draws))


def scenarios(count: int) -> list[Scenario]:
    """Nights with half to one and a half times the basal, and as much the boluses of meals."""
    night, day = Daily(22.0, 7.0), Daily(7.0, 22.0)
    return [
        Scenario(
            f"regimen {number}",
            HOURS,
            Therapy(
                basal=(Scaled(float(scale), night),),
                meal_boluses=(MealBolusChange(day, scale=float(2.0 - scale)),),
            ),
        )
        for number, scale in enumerate(np.linspace(0.5, 1.5, count))
    ]
