"""A table's clock times as UTC; rows whose moment cannot be told go aside."""

import numpy as np

from client.ingest.local_time import to_utc
from client.ingest.table import Table
from models.trace import BoolArray, IntArray


def utc_moments(
    table: Table, column: str, wall_s: IntArray, time_zone: str, *, doubtful: bool
) -> IntArray:
    """UTC seconds (n,) of the good rows, whose wall-clock seconds (n,) came from `column`.

    A time that the clocks skipped goes aside. A time that may be either of two hours goes aside
    too, unless `doubtful`: a dose an hour off is better than no dose, a reading is not.
    """
    rows = np.flatnonzero(table.good)
    utc = to_utc(wall_s[rows], time_zone)
    utc_s = np.zeros_like(wall_s)
    utc_s[rows] = utc.utc_s
    skipped = f"an hour that clocks in {time_zone} skip"
    table.put_aside(_at(rows[utc.skipped], len(wall_s)), column, skipped)
    if not doubtful:
        either = "either of the two hours in which the clock is set back"
        table.put_aside(_at(rows[utc.in_doubt], len(wall_s)), column, either)
    return utc_s


def _at(rows: IntArray, n: int) -> BoolArray:
    flags = np.zeros(n, dtype=bool)
    flags[rows] = True
    return flags
