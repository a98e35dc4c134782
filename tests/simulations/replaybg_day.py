"""A made-up day in ReplayBG's form, for the tests that hold our form of its model against it."""

from pathlib import Path

import numpy as np
import pandas as pd

WEIGHT_KG, STEADY_MU_KG_MIN = 80.0, 0.21
ROWS = 288
MEALS = {"B": (2, 9.0), "L": (72, 14.0), "S": (118, 4.0), "D": (160, 11.0)}
"""Row, counted from 06:00, and grams a minute over the row."""


def write_day(path: Path, labels: dict[str, str] | None = None) -> Path:
    """Meals with boluses, a basal rate that changes, readings with two gaps; `labels` renamed."""
    row = np.arange(ROWS)
    carbs, bolus, named = np.zeros(ROWS), np.zeros(ROWS), np.full(ROWS, "", dtype=object)
    for label, (place, grams) in MEALS.items():
        carbs[place], bolus[place] = grams, grams / 12.0
        named[place] = (labels or {}).get(label, label)
    glucose = 150.0 + 45.0 * np.sin(row / 23.0) + 20.0 * np.cos(row / 7.0)
    glucose[[0, 1, *range(90, 101)]] = np.nan
    minutes = pd.to_timedelta(row * 5, unit="min")
    pd.DataFrame(
        {
            "t": (pd.Timestamp("2026-03-02 06:00") + minutes).strftime("%d-%b-%Y %H:%M:%S"),
            "glucose": glucose,
            "cho": carbs,
            "bolus": bolus,
            "basal": np.where(row < 200, 0.018, 0.012),
            "bolus_label": "",
            "cho_label": named,
        }
    ).to_csv(path, index=False)
    return path


def some_values(seed: int, names: tuple[str, ...]) -> list[float]:
    """Values within ReplayBG's bounds, betas in whole minutes."""
    random = np.random.default_rng(seed)
    middle = {"Gb": 120.0, "SG": 0.02, "p2": 0.012, "ka2": 0.012, "kd": 0.03, "kempt": 0.1}
    middle |= {"SI_B": 9e-4, "SI_L": 7e-4, "SI_D": 6e-4}
    values = []
    for name in names:
        if name.startswith("beta"):
            values.append(float(random.integers(0, 40)))
        else:
            usual = middle.get(name, 0.012)
            values.append(usual * float(random.uniform(0.85, 1.15)))
    return values
