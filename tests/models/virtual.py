"""Virtual people of the twin's own equations, for tests: known heads, noisy sensors, real meals."""

import numpy as np

from models.heads import BOOK_PRIOR, NAMES
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.trace import STEP_S, STEPS_PER_DAY, FloatArray, Trace

MEALS = ((7.5, 50.0), (12.5, 70.0), (19.0, 80.0))
MIDNIGHT_UTC_S = 1_700_006_400 // 86_400 * 86_400


def columns(days: int, **given: FloatArray) -> dict[str, FloatArray]:
    """A record of nothing: readings of 120 mg/dL, 1 U/h of basal, no bolus, no meal."""
    rows = days * STEPS_PER_DAY
    nothing = {
        "glucose_mg_dl": np.full(rows, 120.0),
        "basal_u_per_h": np.ones(rows),
        "bolus_u": np.zeros(rows),
        "carbs_g": np.zeros(rows),
    }
    return nothing | given


def trace_of(table: dict[str, FloatArray], time_zone: str = "UTC", period_min: int = 5) -> Trace:
    """A 70 kg patient whose record starts at midnight UTC."""
    assert MIDNIGHT_UTC_S % STEP_S == 0
    return Trace("p", time_zone, period_min, MIDNIGHT_UTC_S, table, 70.0)


def eventful(days: int, seed: int) -> Trace:
    """Three meals a day with boluses for 10 g/U, one in eight missed, and paused basal."""
    rng = np.random.default_rng(seed)
    table = columns(days)
    for day in range(days):
        for hour, grams in MEALS:
            row = int((24 * day + hour) * 12 + rng.integers(-6, 7))
            table["carbs_g"][row] = grams * rng.uniform(0.7, 1.3)
            if rng.uniform() > 0.125:
                table["bolus_u"][row] = table["carbs_g"][row] / 10.0 * rng.uniform(0.7, 1.3)
        pause = int((24 * day + rng.uniform(0, 20)) * 12)
        table["basal_u_per_h"][pause : pause + 18] = 0.3
    return trace_of(table)


def heads(count: int, seed: int, spread: float = 0.7) -> FloatArray:
    """theta (count, K) drawn around the book's prior."""
    rng = np.random.default_rng(seed)
    return BOOK_PRIOR.mean + spread * BOOK_PRIOR.sd * rng.normal(size=(count, len(NAMES)))


def read_by_sensor(
    trace: Trace, theta: FloatArray, seed: int, phi: float = 0.97, sd_mg_dl: float = 3.0
) -> Trace:
    """The trace with readings of this head, AR(1) errors added; every third row at 15 minutes."""
    rng = np.random.default_rng(seed)
    glucose = open_loop(theta, physiology_inputs(trace), 140.0).interstitial_mg_dl[0]
    error = np.zeros(len(glucose))
    for row in range(1, len(error)):
        error[row] = phi * error[row - 1] + sd_mg_dl * rng.normal()
    readings = glucose + error
    readings[np.arange(len(readings)) % (trace.sensor_period_min // 5) > 0] = np.nan
    table = dict(trace.columns) | {"glucose_mg_dl": readings}
    return Trace("p", "UTC", trace.sensor_period_min, trace.start_utc_s, table, 70.0)
