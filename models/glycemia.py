"""What a stretch of glucose amounts to: mean, spread, and shares of time by consensus range."""

from dataclasses import dataclass

import numpy as np

from models.trace import FloatArray

VERY_LOW_MG_DL = 54.0
LOW_MG_DL = 70.0
HIGH_MG_DL = 180.0
VERY_HIGH_MG_DL = 250.0


class GlycemiaError(ValueError):
    """Glucose from which nothing can be said."""


@dataclass(frozen=True)
class Glycemia:
    """Summary of glucose readings; shares are per cent of readings and add up to 100.

    Bounds as in the consensus on time in range (Battelino et al. 2019): 70 and 180 are in range,
    54 is low and not very low, 250 is high and not very high.
    """

    mean_mg_dl: float
    sd_mg_dl: float
    cv_pct: float
    gmi_pct: float
    very_low_pct: float
    low_pct: float
    in_range_pct: float
    high_pct: float
    very_high_pct: float


def glycemia(glucose_mg_dl: FloatArray) -> Glycemia:
    """Summary of readings (n,), NaN left out.

    GMI = 3.31 + 0.02392 mean (Bergenstal et al. 2018); sd is the sample's (n - 1), and 0 for one
    reading.
    """
    g = glucose_mg_dl[np.isfinite(glucose_mg_dl)]
    if not len(g):
        raise GlycemiaError(
            f"found no reading among {len(glucose_mg_dl)} rows; expected at least one. "
            "No summary was made. Choose a stretch with readings."
        )
    mean = float(g.mean())
    sd = float(g.std(ddof=1)) if len(g) > 1 else 0.0
    return Glycemia(
        mean_mg_dl=mean,
        sd_mg_dl=sd,
        cv_pct=100.0 * sd / mean,
        gmi_pct=3.31 + 0.02392 * mean,
        very_low_pct=_share(g < VERY_LOW_MG_DL),
        low_pct=_share((g >= VERY_LOW_MG_DL) & (g < LOW_MG_DL)),
        in_range_pct=_share((g >= LOW_MG_DL) & (g <= HIGH_MG_DL)),
        high_pct=_share((g > HIGH_MG_DL) & (g <= VERY_HIGH_MG_DL)),
        very_high_pct=_share(g > VERY_HIGH_MG_DL),
    )


def _share(inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return 100.0 * float(inside.mean())
