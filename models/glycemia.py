"""What a stretch of glucose amounts to: mean, spread, shares of time by range, and risk."""

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


@dataclass(frozen=True)
class GlycemicRisk:
    """Risk in glucose readings; every figure is a number without unit, and 0 is no risk at all.

    lbgi and hbgi are the mean risk of readings on the low and on the high side: at most 100 for
    glucose of 20 to 600 mg/dL. gri is 0 to 100; its two components are weighted per cents of
    readings without a cap of their own, and 3.0 gri_hypo + 1.6 gri_hyper is gri before its cap.
    """

    lbgi: float
    hbgi: float
    gri: float
    gri_hypo: float
    gri_hyper: float


def glycemia(glucose_mg_dl: FloatArray) -> Glycemia:
    """Summary of readings (n,), NaN left out.

    GMI = 3.31 + 0.02392 mean (Bergenstal et al. 2018); sd is the sample's (n - 1), and 0 for one
    reading. Raises GlycemiaError without a reading.
    """
    g = _readings(glucose_mg_dl)
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


def glycemic_risk(glucose_mg_dl: FloatArray) -> GlycemicRisk:
    """Risk indices of readings (n,), NaN left out.

    LBGI and HBGI: f = 1.509 (ln G^1.084 - 5.381), risk 10 f^2 on its own side of f = 0, mean over
    all readings (Kovatchev et al. 2006). GRI: Klonoff et al. 2023, of the bands of `Glycemia`,
    which share no reading. Raises GlycemiaError without a reading, or where one is below 1.
    """
    g = _readings(glucose_mg_dl)
    if g.min() < 1.0:
        raise GlycemiaError(
            f"found a reading of {g.min():g} mg/dL; expected none below 1, as the risk takes a "
            "power of the logarithm. No risk was computed. Mark unknown readings NaN, not 0."
        )
    f = 1.509 * (np.log(g) ** 1.084 - 5.381)
    bands = glycemia(g)
    hypo = bands.very_low_pct + 0.8 * bands.low_pct
    hyper = bands.very_high_pct + 0.5 * bands.high_pct
    return GlycemicRisk(
        lbgi=float((10.0 * np.minimum(f, 0.0) ** 2).mean()),
        hbgi=float((10.0 * np.maximum(f, 0.0) ** 2).mean()),
        gri=min(3.0 * hypo + 1.6 * hyper, 100.0),
        gri_hypo=hypo,
        gri_hyper=hyper,
    )


def _readings(glucose_mg_dl: FloatArray) -> FloatArray:
    readings = glucose_mg_dl[np.isfinite(glucose_mg_dl)]
    if not len(readings):
        raise GlycemiaError(
            f"found no reading among {len(glucose_mg_dl)} rows; expected at least one. "
            "No summary was made. Choose a stretch with readings."
        )
    return readings


def _share(inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return 100.0 * float(inside.mean())
