"""What a record says of a head: the posterior that a calibration descends and an ensemble samples.

    -2 ln p = -2 ln p(readings | theta) + (theta - mean)' covariance^-1 (theta - mean) + |known|^2

in z, theta = mean + root z, where the prior is N(0, I). Readings are those of models/nuisance.py,
with AR(1) residuals; independent residuals in their place double the error of a treatment's
effect. What the clinic knows is that of models/knowledge.py.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import cho_solve, solve_triangular

from models import nuisance
from models.descent import Optimum, descend, minimise
from models.heads import NAMES, HeadPrior
from models.inputs import Inputs
from models.knowledge import ClinicKnowledge, mismatch
from models.nuisance import SPREADS, Spread, precision
from models.openloop import open_loop
from models.residuals import Noise, fit_noise, innovation_sd, whiten, whitening
from models.sensitivity import sensitivities
from models.trace import FloatArray, IntArray

DIFFERENCE_STEP = 1e-3
NOISE_ROUNDS = 3
FIRST_NOISE = Noise(phi=0.97, sd_mg_dl=4.0)
FIRST_SPREAD = Spread(meal_sd=0.1, day_sd=0.07)

# Where a second start differs, prior sds: little glucose effectiveness, much insulin action.
SECOND_START = {"SG": -1.0, "SI": 1.0, "kabs": 1.0, "SE": 1.0}


@dataclass(frozen=True)
class Record:
    """What a head is fitted to: readings `glucose_mg_dl` (N,) at `rows` (N,) of the trace.

    `places` (N,) are the same rows in `inputs`, where days without records are left out.
    """

    inputs: Inputs
    places: IntArray
    rows: IntArray
    glucose_mg_dl: FloatArray
    start_mg_dl: float

    @property
    def gaps(self) -> IntArray:
        """5-minute rows from each reading to the next, (N - 1,)."""
        return np.diff(self.rows)

    def residuals(self, theta: FloatArray) -> FloatArray:
        """Open loop minus readings, (B, N) mg/dL, of heads (B, K)."""
        simulated = open_loop(theta, self.inputs, self.start_mg_dl).interstitial_mg_dl
        return simulated[:, self.places] - self.glucose_mg_dl


@dataclass(frozen=True)
class Nuisance:
    """Meals' and days' own terms as they act near one head: J (N, M), and how far they spread."""

    slopes: sparse.csr_array
    spread: Spread


@dataclass(frozen=True)
class Posterior:
    """-2 ln posterior of z (K,), up to `volume`, with the nuisances integrated out.

    The likelihood, of readings and of what the clinic knows, is raised to the power
    `learning_rate`; below 1 they count for less than their number, as they should where the model
    is not the truth.
    """

    record: Record
    prior: HeadPrior
    knowledge: ClinicKnowledge | None
    noise: Noise
    nuisance: Nuisance
    learning_rate: float = 1.0

    @classmethod
    def of(
        cls, record: Record, prior: HeadPrior, knowledge: ClinicKnowledge | None = None
    ) -> "Posterior":
        """The posterior of a record before any search: usual noise, nuisances without effect."""
        terms = len(nuisance.meals_of(record.inputs)) + nuisance.day_count(record.inputs)
        none = Nuisance(sparse.csr_array((len(record.rows), terms)), FIRST_SPREAD)
        return cls(record, prior, knowledge, FIRST_NOISE, none)

    @cached_property
    def root(self) -> FloatArray:
        """Cholesky factor (K, K) of the prior's covariance."""
        return np.asarray(np.linalg.cholesky(self.prior.covariance), dtype=np.float64)

    @cached_property
    def _whitened(self) -> sparse.csc_array:
        """W J, (N, M)."""
        columns = whitening(self.record.gaps, self.noise) @ self.nuisance.slopes
        return sparse.csc_array(columns)

    @cached_property
    def _gram(self) -> FloatArray:
        """J' W' W J, (M, M)."""
        return np.asarray((self._whitened.T @ self._whitened).toarray(), dtype=np.float64)

    @cached_property
    def _factor(self) -> FloatArray:
        """Lower Cholesky factor (M, M) of S^-1 + J' W' W J."""
        own = precision(self.record.inputs, self.nuisance.spread)
        return np.asarray(np.linalg.cholesky(own + self._gram), dtype=np.float64)

    @property
    def volume(self) -> float:
        """The part of -2 ln likelihood that does not depend on z."""
        scale = np.sum(np.log(innovation_sd(self.record.gaps, self.noise)))
        own = np.linalg.slogdet(precision(self.record.inputs, self.nuisance.spread))[1]
        return float(2.0 * scale + 2.0 * np.sum(np.log(np.diag(self._factor))) - own)

    def theta(self, z: FloatArray) -> FloatArray:
        """Heads (..., K) of points (..., K)."""
        heads: FloatArray = self.prior.mean + z @ self.root.T
        return heads

    def costs(self, z: FloatArray) -> FloatArray:
        """Costs (B,) of points (B, K)."""
        theta = self.theta(z)
        whitened = whiten(self.record.residuals(theta), self.record.gaps, self.noise)
        known = mismatch(self.knowledge, theta, self.record.inputs.weight_kg)
        data = _squares(whitened) - _squares(self.explained(whitened))
        costs: FloatArray = self.learning_rate * (data + _squares(known)) + _squares(z)
        return costs

    def expansion(
        self, z: FloatArray, others: FloatArray | None = None
    ) -> tuple[float, FloatArray, FloatArray]:
        """Cost of one point (K,), half its gradient and half its curvature.

        `others` (E, N) are slopes of the readings, mg/dL, by E further numbers at the end of
        z (K + E,), of prior N(0, I) too, of which what the clinic knows says nothing.
        """
        own = z[: len(self.prior.mean)]
        misfits, slopes = self.linearised(self.theta(own))
        known, known_slopes = self._known(self.theta(own))
        if others is not None:
            whitened = whiten(others, self.record.gaps, self.noise)
            slopes = np.vstack([slopes, whitened])
            nothing = np.zeros((len(others), len(known)))
            known_slopes = np.vstack([known_slopes, nothing])
        rows, both = np.vstack([misfits, slopes]), np.vstack([known, known_slopes])
        explained = self.explained(rows)
        gram = rows @ rows.T - explained @ explained.T
        gram = self.learning_rate * (gram + both @ both.T)
        cost = float(gram[0, 0] + z @ z)
        return cost, gram[0, 1:] + z, gram[1:, 1:] + np.eye(len(z))

    def nuisances(self, z: FloatArray) -> FloatArray:
        """Most likely terms (M,) of meals and days beside one head."""
        return -np.asarray(cho_solve((self._factor, True), self._pull(z)), dtype=np.float64)

    def refined(self, z: FloatArray) -> "Posterior":
        """The posterior as it looks from `z`: nuisances linearised there, spreads re-estimated."""
        theta, record = self.theta(z), self.record
        slopes = nuisance.slopes(theta, record.inputs, record.start_mg_dl, record.places)
        there = replace(self, nuisance=replace(self.nuisance, slopes=slopes))
        left = record.residuals(theta[None])[0] + slopes @ there.nuisances(z)
        there = replace(there, noise=fit_noise(left, record.gaps))
        return replace(there, nuisance=replace(there.nuisance, spread=there._likeliest_spread(z)))

    def _likeliest_spread(self, z: FloatArray) -> Spread:
        pull = self._pull(z)

        def unlikeliness(spread: Spread) -> float:
            own = precision(self.record.inputs, spread)
            whole = own + self._gram
            volume = np.linalg.slogdet(whole)[1] - np.linalg.slogdet(own)[1]
            return float(volume - pull @ np.linalg.solve(whole, pull))

        return min(SPREADS, key=unlikeliness)

    def _pull(self, z: FloatArray) -> FloatArray:
        """J' W' W r, (M,)."""
        whitened = whiten(self.record.residuals(self.theta(z[None])), self.record.gaps, self.noise)
        return np.asarray(self._whitened.T @ whitened[0], dtype=np.float64)

    def explained(self, whitened: FloatArray) -> FloatArray:
        """What nuisances take of whitened residuals (B, N): its squares (B, M) are no misfit."""
        pulls = self._whitened.T @ whitened.T
        return np.asarray(solve_triangular(self._factor, pulls, lower=True).T, dtype=np.float64)

    def linearised(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Whitened residuals (N,) and their derivatives by z, (K, N)."""
        record = self.record
        path, by_theta = sensitivities(theta, record.inputs, record.start_mg_dl)
        slopes = (by_theta[record.places] @ self.root).T
        residuals = path[record.places] - record.glucose_mg_dl
        both = whiten(np.vstack([residuals, slopes]), record.gaps, self.noise)
        return both[0], both[1:]

    def _known(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Misfits (T,) of clinic knowledge and their derivatives (K, T), by forward differences."""
        nudged = np.vstack([theta, theta + DIFFERENCE_STEP * self.root.T])
        known = mismatch(self.knowledge, nudged, self.record.inputs.weight_kg)
        return known[0], (known[1:] - known[0]) / DIFFERENCE_STEP


def mode_of(posterior: Posterior) -> tuple[Posterior, Optimum]:
    """The best mode that many starts find, and the posterior as it looks from there."""
    away = np.array([SECOND_START.get(name, 0.0) for name in NAMES]) * posterior.prior.sd
    second = np.linalg.solve(posterior.root, away).astype(np.float64)
    best = minimise(posterior, (np.zeros(len(NAMES)), second))
    for _ in range(NOISE_ROUNDS):
        posterior = posterior.refined(best.z)
        best = descend(posterior, best.z)
    return posterior, best


def _squares(rows: FloatArray) -> FloatArray:
    """Sum of squares of each row, (B,)."""
    total: FloatArray = np.einsum("bn,bn->b", rows, rows)
    return total
