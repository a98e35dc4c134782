"""Days on which two sensors' readings are written into one file as if they were one.

Glucose goes on as it went: neighbouring changes of a real series are alike, their correlation lies
near +0.5, and it seldom turns sharply. Two interleaved series jump to and fro all day long. Which
of the two is the patient's cannot be told, so a day of both is no reading at all.
"""

import numpy as np

from models.trace import BoolArray, FloatArray, IntArray

DAY_S = 86_400
LONGEST_STRIDE_S = 35 * 60
"""Three readings further apart than two strides of a 15-minute sensor say nothing."""

FEWEST_TRIPLES = 20
CORRELATION = -0.25
TURN_MG_DL = 9.0
TURN_SHARE = 0.1
"""A turn is a change of more than half a mmol/L, taken back by as much. Real days have less than
one in seven (where scans lie between readings), and then no negative correlation; a few wild ones
make a negative correlation, but not many turns. The two bounds pick 29 days of `uom` 2304, where
neighbouring readings are 4.5 mmol/L apart, 13 of 15 days of HUPA0001, 4 of 1061 days of `azt1d`,
and no others."""


def interleaved(utc_s: IntArray, glucose_mg_dl: FloatArray) -> BoolArray:
    """True for readings on UTC days of two interleaved series, (m,), in any order of time.

    With changes a, b of neighbouring readings: mean(a b) < -0.25 mean(a^2, b^2), and one in ten
    pairs is a turn.
    """
    order = np.argsort(utc_s, kind="stable")
    fresh = order[np.append(True, np.diff(utc_s[order]) > 0)] if len(order) else order
    time, change = utc_s[fresh], np.diff(glucose_mg_dl[fresh])
    close = time[2:] - time[:-2] <= LONGEST_STRIDE_S
    day, a, b = time[1:-1][close] // DAY_S, change[:-1][close], change[1:][close]
    turn = (a * b < 0) & (np.minimum(np.abs(a), np.abs(b)) > TURN_MG_DL)
    days, place, count = np.unique(day, return_inverse=True, return_counts=True)
    product, square, turns = (
        np.bincount(place, weights=each, minlength=len(days))
        for each in (a * b, (a**2 + b**2) / 2, turn)
    )
    torn = (product < CORRELATION * square) & (turns > TURN_SHARE * count)
    return np.isin(utc_s // DAY_S, days[torn & (count >= FEWEST_TRIPLES)])
