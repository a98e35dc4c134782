"""How much harm an error of measured or forecast glucose could do: zones A to E of three grids."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.trace import FloatArray

Zones: TypeAlias = npt.NDArray[np.str_]
Border: TypeAlias = tuple[tuple[float, float], ...]

LETTERS = ("A", "B", "C", "D", "E")

# Borders run through (reference, measured) in mg/dL, from A|B outwards; the last stretch goes on
# straight. Measured is too high beyond an upper border, and too low beyond a lower one.

# Pfützner et al. 2013, J Diabetes Sci Technol 7(5):1275. Nothing too low is zone E.
PARKES_TYPE_1_UPPER: tuple[Border, ...] = (
    ((0, 50), (30, 50), (140, 170), (280, 380), (430, 550)),
    ((0, 60), (30, 60), (50, 80), (70, 110), (260, 550)),
    ((0, 100), (25, 100), (50, 125), (80, 215), (125, 550)),
    ((0, 150), (35, 155), (50, 550)),
)
PARKES_TYPE_1_LOWER: tuple[Border, ...] = (
    ((50, 0), (50, 30), (170, 145), (385, 300), (550, 450)),
    ((120, 0), (120, 30), (260, 130), (550, 250)),
    ((250, 0), (250, 40), (550, 150)),
)

# Klonoff et al. 2024, J Diabetes Sci Technol 18(6):1346, supplement, table A1.
DTS_UPPER: tuple[Border, ...] = (
    ((0, 60), (50, 60), (500, 600)),
    ((0, 86.5), (50, 86.5), (347, 600)),
    ((0, 124), (50, 124), (241, 600)),
    ((0, 179), (50, 179), (167, 600)),
)
DTS_LOWER: tuple[Border, ...] = (
    ((62.5, 0), (62.5, 50), (600, 480)),
    ((97.5, 0), (97.5, 50), (600, 307)),
    ((153, 0), (153, 50), (600, 197)),
    ((238, 0), (238, 50), (600, 126)),
)


class ErrorZoneError(ValueError):
    """Pairs of glucose that no grid can place."""


def clarke_zones(reference_mg_dl: FloatArray, measured_mg_dl: FloatArray) -> Zones:
    """Zone letter of each pair (n,) on the grid of Clarke et al. 1987, Diabetes Care 10(5):622.

    Pairs with a NaN are left out, so n may be less than the pairs given. Within 20 % includes
    20 %; both below 70 mg/dL is A. A bound that two zones share belongs to the first of A, E, C,
    D and B: 70 and 180 are E or D, not B. Raises ErrorZoneError for unequal shapes or negative
    glucose.
    """
    r, m = _pairs(reference_mg_dl, measured_mg_dl)
    accurate = (np.abs(m - r) <= 0.2 * r) | ((r < 70.0) & (m < 70.0))
    opposite = ((r <= 70.0) & (m >= 180.0)) | ((r >= 180.0) & (m <= 70.0))
    over_corrected = (r >= 70.0) & (r <= 290.0) & (m >= r + 110.0)
    # 7 r / 5 is exact for whole numbers on the line, where 1.4 r is not.
    over_corrected |= (r >= 130.0) & (r <= 180.0) & (m <= 7.0 * r / 5.0 - 182.0)
    missed = ((r <= 70.0) | (r >= 240.0)) & (m >= 70.0) & (m <= 180.0)
    return np.select([accurate, opposite, over_corrected, missed], ["A", "E", "C", "D"], "B")


def parkes_type_1_zones(reference_mg_dl: FloatArray, measured_mg_dl: FloatArray) -> Zones:
    """Zone letter of each pair (n,) on the consensus grid for type 1 diabetes (Parkes et al. 2000).

    NaN pairs, borders and refusals: as `dts_zones`.
    """
    pairs = _pairs(reference_mg_dl, measured_mg_dl)
    return _zones(pairs, PARKES_TYPE_1_UPPER, PARKES_TYPE_1_LOWER)


def dts_zones(reference_mg_dl: FloatArray, measured_mg_dl: FloatArray) -> Zones:
    """Zone letter of each pair (n,) on the grid of the Diabetes Technology Society (2024).

    Pairs with a NaN are left out, so n may be less than the pairs given. A pair on a border is in
    the milder zone. Raises ErrorZoneError for unequal shapes or negative glucose.
    """
    return _zones(_pairs(reference_mg_dl, measured_mg_dl), DTS_UPPER, DTS_LOWER)


def zone_shares_pct(zones: Zones) -> dict[str, float]:
    """Per cent of pairs in each of the zones A to E; they add up to 100.

    Raises ErrorZoneError without a pair: a share of nothing is unknown, not 0.
    """
    if not zones.size:
        raise ErrorZoneError(
            "found no pair; expected at least one with both readings. No share was computed. "
            "Choose a stretch where reference and measured overlap."
        )
    return {letter: 100.0 * float((zones == letter).mean()) for letter in LETTERS}


def _pairs(reference: FloatArray, measured: FloatArray) -> tuple[FloatArray, FloatArray]:
    if reference.shape != measured.shape:
        raise ErrorZoneError(
            f"found {reference.shape} of reference and {measured.shape} of measured glucose; "
            "expected equal shapes. No pair was placed. Align the two first."
        )
    known = np.isfinite(reference) & np.isfinite(measured)
    r, m = reference[known], measured[known]
    lowest = min(r.min(initial=0.0), m.min(initial=0.0))
    if lowest < 0.0:
        raise ErrorZoneError(
            f"found glucose of {lowest:g} mg/dL; expected none below 0. No pair was placed. "
            "Mark unknown readings NaN."
        )
    return r, m


def _zones(
    pairs: tuple[FloatArray, FloatArray], upper: tuple[Border, ...], lower: tuple[Border, ...]
) -> Zones:
    """Borders crossed, counted from the diagonal; a lower border is an upper one seen sideways."""
    r, m = pairs
    crossed = np.zeros(r.shape, dtype=np.intp)
    for border in upper:
        crossed += m > _along(border, r)
    for border in lower:
        sideways = tuple((measured, reference) for reference, measured in border)
        crossed += r > _along(sideways, m)
    return np.array(LETTERS)[crossed]


def _along(border: Border, at: FloatArray) -> FloatArray:
    x, y = np.array(border, dtype=np.float64).T
    beyond = np.maximum(at - x[-1], 0.0) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    along: FloatArray = np.interp(at, x, y) + beyond
    return along
