"""Heads that a patient could have: draws for the spread of whatever a twin is asked.

Laplace's covariance at the best head takes the model for the truth, and 4032 readings of 14 days
then leave hardly a doubt: its 80 % intervals of a treatment's effect cover 16 to 38 %. A model that
is not the truth learns less from a reading than it thinks (Grunwald & van Ommen 2017, Bayesian
Anal. 12:1069). So the draws come from the power posterior,

    p(theta) p(readings, clinic knowledge | theta)^0.01,

Laplace's of it, around the best head. The power was chosen on 16 virtual children and adolescents
in an easy and a hard world, where intervals from 150 heads then cover 72 to 91 %. The median effect
of the draws errs less than the effect of the best head, by a tenth to a third. Ask for 100 heads or
more: the ends of an interval from 30 depend on the seed.
"""

import numpy as np

from models.calibration import Calibration
from models.trace import FloatArray


class EnsembleError(ValueError):
    """An ensemble of nobody."""


def posterior(calibration: Calibration, count: int, seed: int) -> FloatArray:
    """`count` heads, theta (count, K); the same calibration, count and seed give the same heads.

    Draws come in pairs, one on each side of the best head, so that their mean is the best head for
    every even count. Raises EnsembleError for a count below 1.
    """
    if count < 1:
        raise EnsembleError(
            f"{count} heads were asked for; expected 1 or more. None was drawn. Ask for 50, say."
        )
    belief = calibration.covariance if calibration.belief is None else calibration.belief
    root = np.linalg.cholesky(belief)
    half = np.random.default_rng(seed).standard_normal((-(-count // 2), len(root)))
    pairs = np.stack([half, -half], axis=1).reshape(-1, len(root))[:count]
    heads: FloatArray = calibration.head.theta + pairs @ root.T
    return heads
