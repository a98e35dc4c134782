"""The population's prior of heads, from the heads of others: what federation gives a new twin."""

from collections.abc import Sequence

import numpy as np

from models.calibration import Calibration
from models.heads import HeadPrior

DIAGONAL_SHARE = 0.1
"""Share of the covariance in which the parameters do not move together."""

FEWEST_HEADS = 3


def population_prior(calibrations: Sequence[Calibration], book: HeadPrior) -> HeadPrior:
    """N(mean, covariance) of theta after one step of expectation-maximisation over these heads.

        mean = average of theta,   S = cov(theta) + average posterior covariance
        covariance = 0.9 S + 0.1 diag(S)

    `book` is the prior the heads were fitted with, and what is returned where fewer than 3 heads
    are identified: they are no population. Heads that are not identified say nothing of their own
    and are left out. Leave out, too, the patient the prior is meant for. Calibrate again with what
    this returns for another round.
    """
    known = [one for one in calibrations if one.identified]
    if len(known) < FEWEST_HEADS:
        return book
    theta = np.array([one.head.theta for one in known])
    spread = np.cov(theta, rowvar=False) + np.mean([one.covariance for one in known], axis=0)
    alone = np.diag(np.diag(spread))
    covariance = (1.0 - DIAGONAL_SHARE) * spread + DIAGONAL_SHARE * alone
    return HeadPrior(mean=theta.mean(axis=0), covariance=0.5 * (covariance + covariance.T))
