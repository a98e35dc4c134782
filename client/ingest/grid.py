"""Readings, doses, rates and spells laid on the 5-minute UTC grid of one patient."""

from dataclasses import dataclass

import numpy as np

from models.trace import STEP_S, BoolArray, FloatArray, IntArray

LONGEST_HOLD_S = 24 * 3600
"""A pump's rate stands until the next record, but is unknown after a day without one."""


@dataclass(frozen=True)
class Grid:
    """n rows of five minutes; row i begins at `start_utc_s` + 300 i."""

    start_utc_s: int
    n: int

    @classmethod
    def over(cls, utc_s: IntArray) -> "Grid":
        """The grid from the row nearest to the first moment to the row nearest to the last."""
        first, last = (
            int((moment + STEP_S // 2) // STEP_S) for moment in (utc_s.min(), utc_s.max())
        )
        return cls(first * STEP_S, last - first + 1)

    def nearest_row(self, utc_s: IntArray) -> IntArray:
        """Row whose beginning is nearest, (m,); may lie outside 0 <= row < n."""
        return (utc_s - self.start_utc_s + STEP_S // 2) // STEP_S

    def row(self, utc_s: IntArray) -> IntArray:
        """Row during which a moment falls, (m,); may lie outside 0 <= row < n."""
        return (utc_s - self.start_utc_s) // STEP_S


@dataclass(frozen=True)
class Snapped:
    """Readings on the grid (n,), NaN between them, and how many were repeated on the way."""

    values: FloatArray
    duplicates: int
    conflicts: int


def snap_readings(grid: Grid, utc_s: IntArray, values: FloatArray) -> Snapped:
    """Each row's nearest reading; of equally near ones the earlier, and of one moment the first.

    `duplicates` counts repeats of a moment with its value, `conflicts` those with another value.
    """
    order = np.argsort(utc_s, kind="stable")
    utc_s, values = utc_s[order], values[order]
    again = np.append(False, utc_s[1:] == utc_s[:-1])
    first = values[np.maximum.accumulate(np.where(again, 0, np.arange(len(values))))]
    conflicts = int((again & (values != first)).sum())
    row = grid.nearest_row(utc_s)
    distance = np.abs(utc_s - grid.start_utc_s - STEP_S * row)
    farthest_first = np.lexsort((-np.arange(len(row)), -distance, row))
    out = np.full(grid.n, np.nan)
    # Of several assignments to one row numpy keeps the last: the nearest.
    out[row[farthest_first]] = values[farthest_first]
    return Snapped(out, int(again.sum()) - conflicts, conflicts)


def sum_events(grid: Grid, utc_s: IntArray, amounts: FloatArray, local_day: IntArray) -> FloatArray:
    """What was taken during each row, (n,): 0 on local days with any record, NaN on the others.

    An event without an amount makes its row NaN: something was taken, nobody knows how much.
    """
    row = grid.row(utc_s)
    inside = (row >= 0) & (row < grid.n)
    total = np.bincount(row[inside], weights=amounts[inside], minlength=grid.n)
    logged = np.isin(local_day, local_day[row[inside]])
    return np.where(logged, total, np.nan)


def hold_rates(grid: Grid, utc_s: IntArray, per_h: FloatArray) -> tuple[FloatArray, int]:
    """Mean rate during each row (n,) of a rate that stands until its next record; conflicts.

    Mean, so that the sum of rate times five minutes is what the pump delivered. Of several records
    of one moment the last in the file holds, and those of another value are counted. NaN unless
    the whole row has a rate that is less than a day old.
    """
    order = np.argsort(utc_s, kind="stable")
    utc_s, per_h = utc_s[order], per_h[order]
    last = np.append(utc_s[1:] != utc_s[:-1], True)
    conflicts = int((np.diff(per_h) != 0)[~last[:-1]].sum())
    start, per_h = utc_s[last], per_h[last]
    stop = np.minimum(np.append(start[1:], np.iinfo(np.int64).max), start + LONGEST_HOLD_S)
    edges = grid.start_utc_s + STEP_S * np.arange(grid.n + 1)
    known_s = np.diff(_integral(edges, start, stop, np.ones_like(per_h)))
    # Rounded to what no pump resolves, so that the integral's rounding does not show.
    mean = np.round(np.diff(_integral(edges, start, stop, per_h)) / STEP_S, 9)
    return np.where(known_s > STEP_S - 0.5, mean, np.nan), conflicts


def _integral(edges: IntArray, start: IntArray, stop: IntArray, height: FloatArray) -> FloatArray:
    """Integral up to each edge of steps of a height over start <= t < stop."""
    total = np.cumsum(height * (stop - start))
    times = np.stack([start, stop], axis=1).ravel()
    sums = np.stack([total - height * (stop - start), total], axis=1).ravel()
    at: FloatArray = np.interp(edges, times, sums, left=0.0)
    return at


def spread(grid: Grid, utc_s: IntArray, duration_s: IntArray, amounts: FloatArray) -> FloatArray:
    """Amounts spread evenly over the rows of their spells, (n,); NaN where no spell was recorded.

    A spell covers at least the row in which it begins.
    """
    row, spell, rows = _spelled(grid, utc_s, duration_s)
    total = np.bincount(row, weights=(amounts / rows)[spell], minlength=grid.n)
    recorded = np.bincount(row, minlength=grid.n) > 0
    return np.where(recorded, total, np.nan)


def within_spells(
    grid: Grid, utc_s: IntArray, duration_s: IntArray, local_day: IntArray
) -> FloatArray:
    """1 during spells, 0 on the rest of the local days that they touch, NaN on others, (n,)."""
    row, _, _ = _spelled(grid, utc_s, duration_s)
    inside = np.bincount(row, minlength=grid.n) > 0
    recorded = np.isin(local_day, local_day[row])
    return np.where(recorded, inside.astype(np.float64), np.nan)


def _spelled(
    grid: Grid, utc_s: IntArray, duration_s: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Rows of the grid that spells cover, the spell of each, and how many rows each spell has."""
    rows = np.maximum(1, np.rint(duration_s / STEP_S).astype(np.int64))
    spell = np.repeat(np.arange(len(rows)), rows)
    first = np.cumsum(rows) - rows
    row = grid.row(utc_s)[spell] + np.arange(len(spell)) - first[spell]
    inside: BoolArray = (row >= 0) & (row < grid.n)
    return row[inside], spell[inside], rows
