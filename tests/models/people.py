"""Small people made up for the tests of the body: sine-like glucose, with and without insulin."""

import numpy as np

from models.heads import Head, prior_head
from models.sharing import PatientData
from models.trace import STEPS_PER_DAY, Trace
from models.windows import Windows, windows_of


def made_up_trace(
    seed: int = 0, days: int = 3, *, doses: bool = False, sensor_period_min: int = 5
) -> Trace:
    """Glucose of two daily waves and AR noise; boluses and meals thrice a day if `doses`."""
    random = np.random.default_rng(seed)
    rows = days * STEPS_PER_DAY
    hour = np.arange(rows) * 24 / STEPS_PER_DAY
    noise = np.cumsum(random.normal(0.0, 2.0, rows)) * 0.3
    noise -= np.linspace(0.0, noise[-1], rows)
    glucose = 140 + 35 * np.sin(2 * np.pi * (hour + seed) / 6) + 15 * np.sin(hour / 4) + noise
    glucose = np.clip(glucose, 45, 390)
    if sensor_period_min == 15:
        glucose[np.arange(rows) % 3 > 0] = np.nan
    columns = {"glucose_mg_dl": glucose}
    if doses:
        meal = np.isin(np.arange(rows) % STEPS_PER_DAY, (90, 150, 230)).astype(float)
        columns |= {
            "basal_u_per_h": np.full(rows, 0.8),
            "bolus_u": 4.0 * meal,
            "carbs_g": 45.0 * meal,
        }
    return Trace(f"made-up-{seed}", "Europe/Madrid", sensor_period_min, 1_700_006_400, columns)


def made_up_windows(seed: int = 0, *, doses: bool = False, head: Head | None = None) -> Windows:
    """Forecast windows of a made-up trace under the prior's head."""
    return windows_of(made_up_trace(seed, doses=doses), prior_head() if head is None else head)


def made_up_patients(count: int) -> list[PatientData]:
    """Patients of whom every second has doses."""
    head = prior_head()
    return [
        PatientData(f"made-up-{seed}", head, made_up_windows(seed, doses=seed % 2 == 1))
        for seed in range(count)
    ]
