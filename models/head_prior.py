"""The population of heads, taught by moments: what a clinic gives beside or instead of a body.

With z = L^-1 (theta - m), m and L L' of a public prior N(m, L L') and c the posterior variance of
z, patient i answers with

    [z_i,  0.3 (z_i^2 + c_i - 1)] / 4

or with z_i / 4 alone. The mean answer is where a new prior stands: its mean, and its variances
E[z^2 + c] - mean^2, one step of expectation-maximisation (models/population.py) that nobody sees
whole. A null answer is the public prior, so noise that is shrunk to nothing leaves it as it was.
Products of different parameters are not asked for: 153 more numbers cost more noise than they tell,
with 72 patients and with 500 (docs/decisions/005).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH, THETA_LOW, Head, HeadPrior
from models.sharing import PatientData, WeightArray
from models.trace import FloatArray

K = len(NAMES)
SIZES = (K, 2 * K)
"""Lengths of an answer: means for tens of patients, with variances for hundreds."""

SQUARE_WEIGHT = 0.3
UNIT = 4.0
"""Norm of a usual answer's means. All constants here are from virtual children and adolescents."""

LEAST_VARIANCE, MOST_VARIANCE = 0.25, 4.0
"""What a learned variance may be, in public ones: noise must not make a prior certain."""

FARTHEST_MEAN = 3.0
"""How many public standard deviations off a learned mean may be."""

INSIDE = 0.1 * BOOK_PRIOR.sd
LOWEST_MEAN, HIGHEST_MEAN = THETA_LOW + INSIDE, THETA_HIGH - INSIDE
"""Theta's bounds, less a little: at a bound a reading has no slope, and no twin would leave it."""

LONGEST_MEAN = 4.0
"""Norm of how far populations' means lie off, in z: drawn children, adolescents and adults lie 3.0
to 3.6 off the book's prior. A mean answer that is longer is noise."""

LEAST_EVIDENCE = 1.35
"""ln likelihood by which a release must say more than noise would: by chance one in twenty does.
Without it seven people at epsilon 2 move a prior in every second draw, by half a sd a parameter."""

SPREAD_OF_SQUARES = 0.4
"""How far populations differ in the weighted squares, as a share of how far they do in means."""


@dataclass(frozen=True)
class HeadMoments:
    """SharedVector "prior": moments of heads about a public prior; the body stays as it is.

    What is correlated in the public prior stays so: few numbers then say much, if the public people
    resemble these. About the book's prior, which knows no correlations, none are learned.
    """

    public_weights: WeightArray = field(repr=False)
    dimension: int
    public: HeadPrior = field(default=BOOK_PRIOR, repr=False)
    kind: str = "prior"

    def start(self) -> FloatArray:
        """Null: the public prior."""
        return np.zeros(self.dimension)

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        """From `shared` to each patient's own moments, (P, d); null where no head is identified."""
        rows = np.zeros((len(patients), self.dimension))
        for row, patient in zip(rows, patients, strict=True):
            if patient.head.identified:
                row[:] = self.moments(patient.head, patient.doubt) - shared
        return rows

    def moments(self, head: Head, doubt: FloatArray | None) -> FloatArray:
        """One patient's answer to the null vector, (d,); `doubt` (K, K) is about the head."""
        with np.errstate(all="ignore"):  # a release zeroes whoever answers with no number
            return self._moments(head, doubt)

    def _moments(self, head: Head, doubt: FloatArray | None) -> FloatArray:
        z = self._whiten @ (head.theta - self.public.mean)
        spread = 0.0 if doubt is None else np.diag(self._whiten @ doubt @ self._whiten.T)
        squares = SQUARE_WEIGHT * (z**2 + spread - 1.0)
        moments: FloatArray = np.concatenate([z, squares])[: self.dimension] / UNIT
        return moments

    def weights(self, shared: FloatArray) -> WeightArray:
        """The public body, whatever was learned of heads."""
        return self.public_weights

    def prior_variance(self) -> FloatArray:
        """Relative public variance of each coordinate, mean 1, (d,)."""
        spread = np.repeat((1.0, SPREAD_OF_SQUARES), K)[: self.dimension]
        relative: FloatArray = spread / spread.mean()
        return relative

    def longest(self, clip_norm: float) -> float:
        """Norm of the longest mean row that a population can have under this clip norm."""
        return min(clip_norm, LONGEST_MEAN / UNIT)

    def prior(self, shared: FloatArray) -> HeadPrior:
        """The prior that a shared vector stands for; a valid one, whatever the vector."""
        moments = UNIT * shared
        mean, variance = np.clip(moments[:K], -FARTHEST_MEAN, FARTHEST_MEAN), np.ones(K)
        if self.dimension > K:
            variance = 1.0 + moments[K:] / SQUARE_WEIGHT - mean**2
        held = np.clip(variance, LEAST_VARIANCE, MOST_VARIANCE)
        centre = np.clip(self.public.mean + self._root @ mean, LOWEST_MEAN, HIGHEST_MEAN)
        return HeadPrior(centre, (self._root * held) @ self._root.T)

    @cached_property
    def _root(self) -> FloatArray:
        """L (K, K), lower triangular."""
        return np.asarray(np.linalg.cholesky(self.public.covariance), dtype=np.float64)

    @cached_property
    def _whiten(self) -> FloatArray:
        """L^-1 (K, K)."""
        return np.asarray(np.linalg.inv(self._root), dtype=np.float64)
