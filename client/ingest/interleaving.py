"""Days on which two sensors' readings are written into one file as if they were one.

Glucose goes on as it went: neighbouring changes of a real series are alike, and their correlation
lies near +0.5 and above -0.2. Two interleaved series jump to and fro, and it nears -1. Which of the
two is the patient's cannot be told, so a day of both is no reading at all.
"""

import numpy as np

from models.trace import BoolArray, FloatArray, IntArray

DAY_S = 86_400
LONGEST_STRIDE_S = 35 * 60
"""Three readings further apart than two strides of a 15-minute sensor say nothing."""

FEWEST_TRIPLES = 20
CORRELATION = -0.25
SMALLEST_JUMP_MG_DL = 9.0
"""Half a mmol/L. Below it, to and fro is the sensor's noise and rounding. The two bounds pick 29
days of `uom` 2304, whose neighbouring readings are 4.5 mmol/L apart, 13 of 15 days of HUPA0001,
7 of 1061 days of `azt1d`, and none elsewhere."""


def interleaved(utc_s: IntArray, glucose_mg_dl: FloatArray) -> BoolArray:
    """True for readings on UTC days of two interleaved series, (m,), in any order of time.

    With changes a, b of neighbouring readings: mean(a b) < -0.25 mean(a^2, b^2), and the root mean
    square of the changes above 9 mg/dL.
    """
    order = np.argsort(utc_s, kind="stable")
    fresh = order[np.append(True, np.diff(utc_s[order]) > 0)] if len(order) else order
    time, change = utc_s[fresh], np.diff(glucose_mg_dl[fresh])
    close = time[2:] - time[:-2] <= LONGEST_STRIDE_S
    day, into, out = time[1:-1][close] // DAY_S, change[:-1][close], change[1:][close]
    names, place, count = np.unique(day, return_inverse=True, return_counts=True)
    product = np.bincount(place, weights=into * out, minlength=len(names))
    square = np.bincount(place, weights=(into**2 + out**2) / 2, minlength=len(names))
    torn = (product < CORRELATION * square) & (square > count * SMALLEST_JUMP_MG_DL**2)
    return np.isin(utc_s // DAY_S, names[torn & (count >= FEWEST_TRIPLES)])
