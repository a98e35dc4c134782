"""Makes glycemia.json: traces and what iglu-python 0.4.3 says of them.

iglu-python is GPL-2 and no part of the project: give it an environment of its own, and run this
there from the repository root, a few seconds:

    python -m pip install iglu-python==0.4.3
    python tests/golden/make_glycemia.py
"""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

GOLDEN = Path(__file__).with_name("glycemia.json")
DAY = 288
BOUNDS_MG_DL = (53.0, 54.0, 55.0, 69.0, 70.0, 71.0, 179.0, 180.0, 181.0, 249.0, 250.0, 251.0)


def trace(seed: int, middle_mg_dl: float, spread: float) -> npt.NDArray[np.float64]:
    """A day of glucose, log-normal and autocorrelated, with a daily wave, to 0.1 mg/dL."""
    rng = np.random.default_rng(seed)
    noise = np.zeros(DAY)
    for row in range(1, DAY):
        noise[row] = 0.97 * noise[row - 1] + rng.normal(0.0, 0.24)
    wave = np.sin(4.0 * np.pi * np.arange(DAY) / DAY)
    glucose = middle_mg_dl * np.exp(spread * (noise + 0.5 * wave))
    return np.asarray(np.clip(glucose, 40.0, 400.0).round(1), dtype=np.float64)


def traces() -> dict[str, npt.NDArray[np.float64]]:
    """Glucose in mg/dL by name: usual, low, high and swinging days, and every bound."""
    return {
        "usual": trace(1, 150.0, 0.45),
        "tight": trace(2, 110.0, 0.10),
        "low": trace(3, 75.0, 0.30),
        "high": trace(4, 230.0, 0.25),
        "swinging": trace(5, 130.0, 0.55),
        "bounds": np.array(BOUNDS_MG_DL),
        "five": np.array([50.0, 65.0, 100.0, 190.0, 260.0]),
    }


def by_iglu(iglu: Any, glucose: npt.NDArray[np.float64]) -> dict[str, float]:
    """What iglu gives, under our names; its shares below and above are cumulative, ours are not."""
    below = iglu.below_percent(glucose, targets_below=[54, 70])
    above = iglu.above_percent(glucose, targets_above=[180, 250])
    return {
        "mean_mg_dl": iglu.mean_glu(glucose),
        "sd_mg_dl": iglu.sd_glu(glucose),
        "cv_pct": iglu.cv_glu(glucose),
        "gmi_pct": iglu.gmi(list(glucose)),
        "below_54_pct": below["below_54"],
        "below_70_pct": below["below_70"],
        "in_range_pct": iglu.in_range_percent(glucose, target_ranges=[[70, 180]])[
            "in_range_70_180"
        ],
        "above_180_pct": above["above_180"],
        "above_250_pct": above["above_250"],
        "lbgi": iglu.lbgi(glucose),
        "hbgi": iglu.hbgi(glucose),
        "gri": iglu.gri(glucose),
    }


def main() -> None:
    """Writes the file next to this script."""
    iglu = importlib.import_module("iglu_python")
    rows = {
        name: {
            "glucose_mg_dl": glucose.tolist(),
            "iglu": {key: float(value) for key, value in by_iglu(iglu, glucose).items()},
        }
        for name, glucose in traces().items()
    }
    GOLDEN.write_text(json.dumps(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
