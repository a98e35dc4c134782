"""A person whose record a twin made: six days of meals, boluses and basal, sensor noise added."""

from functools import cache

import numpy as np

from models.heads import prior_head
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.trace import STEPS_PER_DAY, Trace

DAYS = 6
START_UTC_S = 1_699_920_000  # 2023-11-14 00:00 in London
MEALS_H_G = ((7.5, 45.0), (13.0, 70.0), (19.5, 60.0))


@cache
def recorded_person(days: int = DAYS) -> Trace:
    """Patient `P1`, whose true head is the middle of the prior."""
    rng = np.random.default_rng(3)
    rows = days * STEPS_PER_DAY
    carbs, bolus = np.zeros(rows), np.zeros(rows)
    for day in range(days):
        for hour, grams in MEALS_H_G:
            row = day * STEPS_PER_DAY + int(12 * hour) + int(rng.integers(-4, 5))
            carbs[row] = round(grams * rng.uniform(0.7, 1.3))
            bolus[row] = round(carbs[row] / 10.0, 1)
    columns = {"bolus_u": bolus, "carbs_g": carbs, "basal_u_per_h": np.full(rows, 0.8)}
    taken = Trace(
        "P1", "Europe/London", 5, START_UTC_S, {"glucose_mg_dl": np.full(rows, np.nan), **columns}
    )
    glucose = open_loop(prior_head().theta, physiology_inputs(taken), 130.0).interstitial_mg_dl[0]
    noise = np.zeros(rows)
    for row in range(1, rows):
        noise[row] = 0.95 * noise[row - 1] + rng.normal(0.0, 2.5)
    columns["glucose_mg_dl"] = np.clip(glucose + noise, 40.0, 400.0)
    return Trace("P1", "Europe/London", 5, START_UTC_S, columns)
