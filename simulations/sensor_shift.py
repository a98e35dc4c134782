"""The same person seen through another sensor: what public recordings lack, and clinics differ in.

Published recordings of one make of sensor teach that make. Smoothing, correlated error, gain and
15-minute reading intervals, drawn at random, make a body start less surprised by the next one.
"""

from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from models.trace import STEP_MIN, FloatArray, Trace

LOWEST_MG_DL, HIGHEST_MG_DL = 40.0, 400.0
ERROR_SD_MG_DL = (0.0, 6.0)
ERROR_MEMORY = (0.3, 0.95)
LN_GAIN_SD = 0.1
LN_SPREAD_SD = 0.2
CHANCE_15_MIN = 0.6
LONGEST_BRIDGE_ROWS = 3


def shifted(trace: Trace, random: np.random.Generator) -> Trace:
    """The trace as another sensor might have read it; the same rows measured, or every third.

    Zero to two passes of a three-reading mean; with chance 1/2 each: AR(1) error of sd 0-6 mg/dL,
    a gain of ln sd 0.1, a spread about the mean of ln sd 0.2; with chance 0.6 a 15-minute sensor.
    """
    measured = np.isfinite(trace["glucose_mg_dl"])
    glucose = _bridged(trace["glucose_mg_dl"])
    for _ in range(int(random.integers(0, 3))):
        glucose = _mean_of_three(glucose)
    if random.random() < 0.5:
        glucose = glucose + _correlated_error(len(glucose), random)
    if random.random() < 0.5:
        glucose = glucose * np.exp(random.normal(0.0, LN_GAIN_SD))
    if random.random() < 0.5:
        mean = np.nanmean(glucose) if measured.any() else 0.0
        glucose = mean + (glucose - mean) * np.exp(random.normal(0.0, LN_SPREAD_SD))
    glucose = np.where(measured, np.clip(glucose, LOWEST_MG_DL, HIGHEST_MG_DL), np.nan)
    moved = replace(trace, columns={**trace.columns, "glucose_mg_dl": glucose})
    return (
        every_15_min(moved, int(random.integers(3))) if random.random() < CHANCE_15_MIN else moved
    )


def every_15_min(trace: Trace, phase: int) -> Trace:
    """Only every third reading kept, as a 15-minute sensor gives them."""
    kept = np.full(len(trace), np.nan)
    kept[phase::3] = trace["glucose_mg_dl"][phase::3]
    return replace(
        trace,
        sensor_period_min=3 * STEP_MIN,
        columns={**trace.columns, "glucose_mg_dl": kept},
    )


def _bridged(glucose: FloatArray) -> FloatArray:
    """Short gaps filled by straight lines, so that smoothing does not widen them."""
    rows = np.arange(len(glucose))
    measured = np.flatnonzero(np.isfinite(glucose))
    if not len(measured):
        return glucose
    line = np.interp(rows, measured, glucose[measured])
    before = np.maximum.accumulate(np.where(np.isfinite(glucose), rows, -len(rows)))
    return np.where(rows - before <= LONGEST_BRIDGE_ROWS, line, np.nan)


def _mean_of_three(glucose: FloatArray) -> FloatArray:
    """Mean of this reading and the two before it: what a causal smoother shows."""
    past = np.concatenate([glucose[:1], glucose[:1], glucose])
    mean: FloatArray = (past[:-2] + past[1:-1] + past[2:]) / 3
    return mean


def _correlated_error(length: int, random: np.random.Generator) -> FloatArray:
    sd, memory = random.uniform(*ERROR_SD_MG_DL), random.uniform(*ERROR_MEMORY)
    white = random.normal(0.0, 1.0, length)
    error: FloatArray = sd * lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], white)
    return error
