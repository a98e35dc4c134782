"""Readings that somebody drew between two real ones.

A straight line has second differences of zero. A 15-minute sensor drawn out to 5 minutes shows
them on two rows of three, always the same two; a real 5-minute sensor shows them now and then on
any row. A model fed with the rows between two readings sees the future.
"""

from dataclasses import dataclass

import numpy as np

from models.trace import BoolArray, FloatArray

PERIOD_ROWS = 3
DRAWN_SHARE = 0.9
"""Rows off the beat on a straight line: 0.96 and more in drawn files, up to 0.5 in real ones."""

FEWEST_TRIPLES = 100
TOLERANCE_MG_DL = 1e-6


@dataclass(frozen=True)
class Interpolation:
    """Whether lines were drawn between readings, and which rows (n,) are real readings."""

    drawn: bool
    real: BoolArray


def find_interpolation(glucose_mg_dl: FloatArray, low_limit_mg_dl: float) -> Interpolation:
    """The real readings of a series on the 5-minute grid, (n,) with NaN where there is none.

    In a drawn series a row is real if it stands on the sensor's 15-minute beat and either the line
    bends there; or it is a whole number between two bends one beat away, as sensors do read 120,
    121, 122; or it lies at the sensor's low limit, where readings are flat. A longer line may be
    readings or a bridged gap: nobody can tell, so it is masked. So are the ends of a series.
    """
    present = np.isfinite(glucose_mg_dl)
    bend = np.full(len(glucose_mg_dl), np.nan)
    bend[1:-1] = np.abs(np.diff(glucose_mg_dl, 2))
    straight = bend < TOLERANCE_MG_DL
    share = [_share(straight, np.isfinite(bend), phase) for phase in range(PERIOD_ROWS)]
    beat = int(np.argmin(share))
    drawn = min(share[:beat] + share[beat + 1 :]) > DRAWN_SHARE
    if not drawn:
        return Interpolation(False, present)
    on_beat = np.arange(len(bend)) % PERIOD_ROWS == beat
    bends = bend >= TOLERANCE_MG_DL
    between = _shifted(bends, -PERIOD_ROWS) & _shifted(bends, PERIOD_ROWS)
    whole = np.abs(glucose_mg_dl - np.round(glucose_mg_dl)) < TOLERANCE_MG_DL
    at_limit = glucose_mg_dl <= low_limit_mg_dl
    return Interpolation(True, present & on_beat & (bends | (whole & between) | at_limit))


def _share(straight: BoolArray, known: BoolArray, phase: int) -> float:
    """Share of a phase's known rows that lie on a straight line; 0 if there are too few."""
    rows = known[phase::PERIOD_ROWS]
    few = rows.sum() < FEWEST_TRIPLES / PERIOD_ROWS
    return 0.0 if few else float(straight[phase::PERIOD_ROWS][rows].mean())


def _shifted(flags: BoolArray, rows: int) -> BoolArray:
    """The flag `rows` further on, False beyond the ends, (n,)."""
    moved = np.roll(flags, -rows)
    moved[(slice(-rows, None) if rows > 0 else slice(None, -rows))] = False
    return moved
