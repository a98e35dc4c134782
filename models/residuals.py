"""What a twin leaves of the sensor's readings, as a first-order autoregression.

    r_t = phi^g r_{t-g} + N(0, sd_g^2),   sd_g^2 = sd^2 (1 - phi^2g) / (1 - phi^2)

g are the 5-minute rows between two readings, so gaps and 15-minute sensors need no filling.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.trace import FloatArray, IntArray

DECAYS = np.geomspace(0.005, 0.9, 80)
"""Candidates of 1 - phi."""


@dataclass(frozen=True)
class Noise:
    """AR(1) residuals: `phi` per 5-minute row and the innovation's `sd_mg_dl`."""

    phi: float
    sd_mg_dl: float


def whiten(residuals: FloatArray, gaps: IntArray, noise: Noise) -> FloatArray:
    """Independent unit-variance innovations (..., N) of AR(1) residuals (..., N).

    `gaps` (N - 1,) are the 5-minute rows from each reading to the next.
    """
    carried = noise.phi**gaps
    whitened = residuals / innovation_sd(gaps, noise)
    whitened[..., 1:] -= residuals[..., :-1] * carried / innovation_sd(gaps, noise)[1:]
    return whitened


def whitening(gaps: IntArray, noise: Noise) -> sparse.csr_array:
    """`whiten` as a matrix (N, N), for columns that are mostly empty."""
    sd, row = innovation_sd(gaps, noise), np.arange(len(gaps) + 1)
    data = np.append(1.0 / sd, -(noise.phi**gaps) / sd[1:])
    places = (np.append(row, row[1:]), np.append(row, row[:-1]))
    return sparse.csr_array((data, places), shape=(len(row), len(row)))


def innovation_sd(gaps: IntArray, noise: Noise) -> FloatArray:
    """sd (N,), mg/dL, of each reading's innovation; the first reading's is the stationary one."""
    variance = np.append(1.0, 1.0 - noise.phi ** (2.0 * gaps)) / (1.0 - noise.phi**2)
    sd: FloatArray = noise.sd_mg_dl * np.sqrt(variance)
    return sd


def fit_noise(residuals: FloatArray, gaps: IntArray) -> Noise:
    """Most likely phi (among 80 candidates) and sd of AR(1) residuals (N,)."""
    fits = [_profile(residuals, gaps, float(1.0 - decay)) for decay in DECAYS]
    return min(fits, key=lambda fit: fit[0])[1]


def _profile(residuals: FloatArray, gaps: IntArray, phi: float) -> tuple[float, Noise]:
    unit = Noise(phi, 1.0)
    variance = float(np.mean(whiten(residuals, gaps, unit) ** 2)) + 1e-9
    spread = 2.0 * float(np.sum(np.log(innovation_sd(gaps, unit))))
    return len(residuals) * np.log(variance) + spread, Noise(phi, float(np.sqrt(variance)))


def minus_2_ln(residuals: FloatArray, gaps: IntArray, noise: Noise) -> float:
    """-2 ln likelihood of residuals (N,), up to a constant."""
    innovations = whiten(residuals, gaps, noise)
    return float(np.sum(innovations**2) + 2.0 * np.sum(np.log(innovation_sd(gaps, noise))))
