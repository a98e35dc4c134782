"""Is the noise as large, as Gaussian and as independent as the ledger says?

A paired attack needs a deficit of a tenth to see it; moments show one of a hundredth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

FloatArray = npt.NDArray[np.float64]
Mechanism = Callable[[Sequence[FloatArray]], FloatArray]

VALUES = 1_000_000
DOUBT = 1e-6
"""Chance that correct noise is flagged by any one of the four tests."""


@dataclass(frozen=True)
class MomentTest:
    """Noise against N(0, sd^2): ratio of standard deviations, and three z-scores.

    `lag` is the correlation with the next value, `sites` that between two sites' releases.
    """

    sd_ratio: float
    sd_z: float
    kurtosis_z: float
    lag_z: float
    sites_z: float

    @property
    def flagged(self) -> bool:
        """Whether any figure is beyond what chance gives."""
        limit = -ndtri(DOUBT / 2)
        figures = (self.sd_z, self.kurtosis_z, self.lag_z, self.sites_z)
        return bool(max(abs(figure) for figure in figures) > limit)


def moment_test(mechanism: Mechanism, sd: float, values: int = VALUES) -> MomentTest:
    """Moments of what `mechanism` releases for a silent patient: nothing but noise of `sd`."""
    silent = [np.zeros((1, values))]
    here, there = (mechanism(silent) / sd for _ in range(2))
    return moments(here, there)


def moments(here: FloatArray, there: FloatArray) -> MomentTest:
    """The test of two releases (n,) of what should be independent N(0, 1)."""
    n = len(here)
    variance = max(float((here**2).mean()), 1e-12)
    root = np.sqrt(n)
    fourth = float((here**4).mean()) / variance**2
    return MomentTest(
        sd_ratio=float(np.sqrt(variance)),
        sd_z=(variance - 1.0) * root / np.sqrt(2.0),
        kurtosis_z=(fourth - 3.0) * root / np.sqrt(24.0),
        lag_z=_correlation(here[1:], here[:-1]) * root,
        sites_z=_correlation(here, there) * root,
    )


def _correlation(a: FloatArray, b: FloatArray) -> float:
    size = float(np.sqrt((a**2).mean() * (b**2).mean()))
    return float((a * b).mean()) / size if size > 0.0 else 1.0
