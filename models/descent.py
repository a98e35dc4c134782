"""Levenberg-Marquardt from many starts, screened together.

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
    """What is to be minimised, in coordinates in which the prior is N(0, I)."""

    def costs(self, z: FloatArray) -> FloatArray:
        """Costs (B,) of points (B, D)."""

    def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Cost of one point (D,), half its gradient (D,), and half its curvature (D, D)."""


@dataclass(frozen=True)
class Optimum:
    """A minimum `z` (D,), its `cost`, and half the cost's curvature there, (D, D)."""

    z: FloatArray = field(repr=False)
    cost: float
    curvature: FloatArray = field(repr=False)


def minimise(target: Target, given: Sequence[FloatArray]) -> Optimum:
    """The best minimum found from the `given` starts (D,) and from scattered ones."""
    points = np.concatenate([np.stack(given), _scattered(len(given[0]))])
    costs = target.costs(points)
    others = np.argsort(costs[len(given) :])[:SCREENED] + len(given)
    chosen = [*range(len(given)), *others.tolist()]
    near = [descend(target, points[place], SCREEN_ITERATIONS) for place in chosen]
    near.sort(key=lambda optimum: optimum.cost)
    finals = [descend(target, optimum.z) for optimum in near[:FINALISTS]]
    return min(finals, key=lambda optimum: optimum.cost)


def descend(target: Target, z: FloatArray, iterations: int = MAX_ITERATIONS) -> Optimum:
    """Levenberg-Marquardt from `z` (D,)."""
    damping = FIRST_DAMPING
    cost, gradient, curvature = target.expansion(z)
    for _ in range(iterations):
        for _ in range(TRIALS):
            damped = curvature + damping * np.diag(np.diag(curvature))
            step = np.clip(-np.linalg.solve(damped, gradient), -LARGEST_STEP, LARGEST_STEP)
            gain = cost - float(target.costs((z + step)[None])[0])
            if gain > 0.0:
                break
            damping *= 5.0
        else:
            break
        z, damping = z + step, max(damping / 5.0, LEAST_DAMPING)
        enough = gain < TOLERANCE * cost
        cost, gradient, curvature = target.expansion(z)
        if enough:
            break
    return Optimum(z, cost, curvature)


def _scattered(size: int) -> FloatArray:
    random = np.random.default_rng(SCATTER_SEED)
    return SCATTER_SD * random.standard_normal((SCATTERED, size))
