"""Least squares with a N(0, I) prior from many starts: batched screening, Levenberg-Marquardt.

    cost(z) = |misfit(z)|^2 + |z|^2

The posterior of a head has several modes, and one descent stops in the nearest. So scattered
points are judged together, the most promising descend a few steps, and the best of those to the
end. The points are the same for every patient: a head stays a function of that patient and of the
prior alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from models.trace import FloatArray

LARGEST_STEP = 2.0
MAX_ITERATIONS = 40
TOLERANCE = 1e-4
FIRST_DAMPING, LEAST_DAMPING = 1e-2, 1e-6
TRIALS = 8

SCATTERED = 48
SCATTER_SD = 1.0
SCATTER_SEED = 20260101
SCREENED = 5
SCREEN_ITERATIONS = 6
FINALISTS = 2


class Target(Protocol):
    """What is to be fitted, in coordinates in which the prior is N(0, I)."""

    def misfits(self, z: FloatArray) -> FloatArray:
        """Misfits (B, N), in sds, of points (B, D)."""

    def linearised(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Misfits (N,) of one point (D,) and their derivatives (N, D)."""


@dataclass(frozen=True)
class Optimum:
    """A minimum `z` (D,), its `cost`, and J'J + I there, (D, D)."""

    z: FloatArray = field(repr=False)
    cost: float
    curvature: FloatArray = field(repr=False)


def minimise(target: Target, given: Sequence[FloatArray]) -> Optimum:
    """The best minimum found from the `given` starts (D,) and from scattered ones."""
    points = np.concatenate([np.stack(given), _scattered(len(given[0]))])
    misfits = target.misfits(points)
    costs = np.sum(misfits**2, axis=1) + np.sum(points**2, axis=1)
    others = np.argsort(costs[len(given) :])[:SCREENED] + len(given)
    chosen = [*range(len(given)), *others.tolist()]
    near = [descend(target, points[place], SCREEN_ITERATIONS) for place in chosen]
    near.sort(key=lambda optimum: optimum.cost)
    finals = [descend(target, optimum.z) for optimum in near[:FINALISTS]]
    return min(finals, key=lambda optimum: optimum.cost)


def descend(target: Target, z: FloatArray, iterations: int = MAX_ITERATIONS) -> Optimum:
    """Levenberg-Marquardt from `z` (D,)."""
    damping = FIRST_DAMPING
    misfit, jacobian = target.linearised(z)
    for _ in range(iterations):
        cost = float(misfit @ misfit + z @ z)
        curvature = jacobian.T @ jacobian + np.eye(len(z))
        gradient = jacobian.T @ misfit + z
        for _ in range(TRIALS):
            damped = curvature + damping * np.diag(np.diag(curvature))
            step = np.clip(-np.linalg.solve(damped, gradient), -LARGEST_STEP, LARGEST_STEP)
            there = target.misfits((z + step)[None])[0]
            gain = cost - float(there @ there + (z + step) @ (z + step))
            if gain > 0.0:
                break
            damping *= 5.0
        else:
            return Optimum(z, cost, curvature)
        z, damping = z + step, max(damping / 5.0, LEAST_DAMPING)
        misfit, jacobian = target.linearised(z)
        if gain < TOLERANCE * cost:
            break
    curvature = jacobian.T @ jacobian + np.eye(len(z))
    return Optimum(z, float(misfit @ misfit + z @ z), curvature)


def _scattered(size: int) -> FloatArray:
    random = np.random.default_rng(SCATTER_SEED)
    return SCATTER_SD * random.standard_normal((SCATTERED, size))
