"""Tonight's twin from yesterday's: the posterior of one night is the prior of the next.

    prior tonight  = N(theta yesterday, covariance yesterday + days (0.02)^2 prior)
    belief tonight = [prior^-1 + 0.01 (covariance^-1 - prior^-1)]^-1

The best head goes on by the model's own covariance, so that nights add up to what all days together
would say; what is walked lets a patient change, by a tenth of a prior standard deviation in a
month. Doubt goes on apart, as all likelihood so far to the power of models/ensemble.py: the
model's own covariance would be far too sure.
"""

from dataclasses import replace

import numpy as np

from models.calibration import LEARNING_RATE, Calibration, CalibrationError, calibrate
from models.heads import BOOK_PRIOR, HeadPrior
from models.knowledge import ClinicKnowledge
from models.trace import STEP_MIN, FloatArray, Trace

WALK_A_DAY = 0.02
"""Standard deviation of a day's change of each parameter, in prior standard deviations."""

WARM_UP_ROWS = 8 * 60 // STEP_MIN
"""Insulin and meals of eight hours before are still at work."""


def tonights_prior(
    yesterday: Calibration, population: HeadPrior = BOOK_PRIOR, days: float = 1.0
) -> HeadPrior:
    """What is believed before tonight's readings, `days` after yesterday's calibration."""
    walked = yesterday.covariance + days * WALK_A_DAY**2 * population.covariance
    return HeadPrior(yesterday.head.theta, 0.5 * (walked + walked.T))


def refit(
    record: Trace,
    today_row: int,
    yesterday: Calibration,
    population: HeadPrior = BOOK_PRIOR,
    knowledge: ClinicKnowledge | None = None,
) -> Calibration:
    """The twin after the readings from `today_row` on; yesterday's where they are too few.

    Of the rows before, doses and meals of the last hours are still at work; their readings are not
    used again. Meals keep the delays that the first days taught. `population` is the prior that the
    first calibration began with. Clinic knowledge already spoke then: give it again only where it
    has changed.
    """
    today = _today(record, today_row)
    prior = tonights_prior(yesterday, population) if yesterday.identified else population
    try:
        late = [yesterday.head.meal_delay_min]
        (tonight,) = calibrate([today], prior, knowledge=[knowledge], delays_min=late)
    except CalibrationError:
        return yesterday
    if yesterday.identified and not tonight.identified:
        return yesterday
    if not tonight.identified:
        return tonight
    return replace(tonight, belief=cautious(tonight.covariance, population))


def _today(record: Trace, today_row: int) -> Trace:
    """The rows from `today_row` on, and the hours before them without readings."""
    first = max(today_row - WARM_UP_ROWS, 0)
    rows = record.rows(first, len(record))
    glucose = rows["glucose_mg_dl"].copy()
    glucose[: today_row - first] = np.nan
    return replace(rows, columns=dict(rows.columns) | {"glucose_mg_dl": glucose})


def cautious(covariance: FloatArray, population: HeadPrior) -> FloatArray:
    """The belief (K, K) that goes with a model's own covariance, all likelihood to the power 0.01.

    Never wider than the population's: a walk may leave less than was known before it.
    """
    before = np.linalg.inv(population.covariance)
    learned = np.linalg.inv(covariance) - before
    values, vectors = np.linalg.eigh(0.5 * (learned + learned.T))
    kept = (vectors * np.maximum(values, 0.0)) @ vectors.T
    belief: FloatArray = np.linalg.inv(before + LEARNING_RATE * kept)
    return 0.5 * (belief + belief.T)
