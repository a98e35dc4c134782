"""After the release everything is free: weights by declared size, shrinkage by the known noise.

A clinic's release over its declared size is its mean row plus noise whose variance everybody knows.
What stands out of that noise, and of the chance of who enrolled, is kept; the rest is drawn to
nothing. Without it a small study under a tight budget ends worse than it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from models.trace import FloatArray

PATIENT_VARIANCE = 0.6
"""Variance of a patient's row about the mean, in squared clip norms; from virtual federations."""

CANDIDATES = np.logspace(-6, 6, 121)
"""Where the search for kappa starts, as multiples of the noise variance over the mean q."""


@dataclass(frozen=True)
class Noise:
    """What is known of one release: noise multiplier sigma, clip norm C, length k."""

    sigma: float
    clip_norm: float
    dimension: int


def weights_by_size(declared: Sequence[int]) -> FloatArray:
    """Each clinic's share of the declared patients, (S,), sum 1."""
    n = np.asarray(declared, dtype=np.float64)
    share: FloatArray = n / n.sum()
    return share


def weights_by_precision(declared: Sequence[int], noise: Noise) -> FloatArray:
    """Shares w_c ~ 1 / (0.6/n_c + k sigma^2/n_c^2), (S,), sum 1: small clinics are mostly noise."""
    n = np.asarray(declared, dtype=np.float64)
    precision = 1.0 / (PATIENT_VARIANCE / n + noise.dimension * noise.sigma**2 / n**2)
    share: FloatArray = precision / precision.sum()
    return share


def trimmed_weights(declared: Sequence[int], trim: int) -> FloatArray:
    """Equal weights (S,) under which noise and chance of a mean are at least a trimmed mean's.

    A mean of S clinics without `trim` at each end is no noisier than one of S - 2 trim of them; so
    each weighs 1 / sqrt(S (S - 2 trim)), and the squares add up to 1 / (S - 2 trim).
    """
    count = len(declared)
    return np.full(count, 1.0 / np.sqrt(count * (count - 2 * trim)))


def noise_variance(declared: Sequence[int], weights: FloatArray, noise: Noise) -> float:
    """nu = sum_c (w_c sigma C / n_c)^2, the noise on each coordinate of the weighted mean row."""
    n = np.asarray(declared, dtype=np.float64)
    return float(((weights * noise.sigma * noise.clip_norm / n) ** 2).sum())


def enrolment_variance(declared: Sequence[int], weights: FloatArray, noise: Noise) -> float:
    """tau = 0.6 C^2/k sum_c w_c^2/n_c: how far other patients of the same clinics would move u.

    It is the variance of a coordinate with q = 1; the others' follow q.
    """
    n = np.asarray(declared, dtype=np.float64)
    of_a_patient = PATIENT_VARIANCE * noise.clip_norm**2 / noise.dimension
    return float(of_a_patient * (weights**2 / n).sum())


def shrunk(
    u: FloatArray,
    nu: float,
    q: FloatArray,
    tau: float = 0.0,
    clip_norm: float = np.inf,
    evidence: float = 0.0,
) -> FloatArray:
    """u_j (kappa - tau) q_j / (kappa q_j + nu), (k,), with the kappa most likely to have made u.

    The model is u_j ~ N(0, kappa q_j + nu); q is the coordinates' public relative variance, and
    tau q_j of kappa q_j is the chance of who enrolled. No mean of rows is longer than the clip norm
    C, so kappa is C^2 / sum q at most: of noise that dwarfs every possible row, a share that looks
    like signal by chance would still be a leap. Where u is no larger than noise and chance, nothing
    moves; nor where kappa is not likelier than none by a ln likelihood of `evidence`.
    """
    kappa = min(likeliest_kappa(u, nu, q, evidence), clip_norm**2 / float(q.sum()))
    kept: FloatArray = u * max(kappa - tau, 0.0) * q / (kappa * q + nu)
    return kept


def likeliest_kappa(u: FloatArray, nu: float, q: FloatArray, evidence: float = 0.0) -> float:
    """The kappa >= 0 that maximises the likelihood of u; the best of a grid, then refined.

    0 unless its ln likelihood is that of 0 and `evidence` more.
    """

    def surprise(log_kappa: float) -> float:
        variance = np.exp(log_kappa) * q + nu
        return float((np.log(variance) + u**2 / variance).sum())

    grid = np.log(CANDIDATES * nu / q.mean())
    best = int(np.argmin([surprise(point) for point in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    nothing = float((np.log(nu) + u**2 / nu).sum())
    return float(np.exp(found.x)) if found.fun < nothing - 2.0 * evidence else 0.0
