"""Metrics that leave: one bounded row a patient, released as everything else is, and charged.

A figure about a clinic's patients is a release about them. So a study that asks for figures names
them beforehand, bounds what one patient can do to each, and gives them a share of the budget; they
leave once, in one vector, by the path of every release. Clinics of fewer than 11 declared patients
release none: the declared number is public, so that the silence tells nothing of anybody.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from privacy.grid import on_grid

FloatArray = npt.NDArray[np.float64]

FEWEST_PATIENTS = 11
"""Declared; cells of fewer are suppressed by custom (CMS cell size policy, January 2020)."""


@dataclass(frozen=True)
class MetricRelease:
    """The one release of metrics of one clinic: in which round, under which name, how bounded.

    Each of `length` values of a patient is cut to `bound` either way, in the unit of the values.
    `sigma` is its noise multiplier, in clip norms.
    """

    round_number: int
    name: str
    length: int
    bound: float
    sigma: float
    declared_patients: int

    @property
    def clip_norm(self) -> float:
        """The longest that a patient's bounded row can be: bound sqrt(length)."""
        return self.bound * math.sqrt(self.length)

    @property
    def suppressed(self) -> bool:
        """Whether this clinic declared too few patients for a figure of theirs to leave."""
        return self.declared_patients < FEWEST_PATIENTS

    def rows(self, values: FloatArray) -> FloatArray:
        """One bounded row a patient, (P, length); zeros for a patient with a value not finite."""
        if values.ndim != 2 or values.shape[1] != self.length:
            raise ValueError(
                f"found metrics of shape {values.shape}; expected (patients, {self.length}). "
                "Nothing was released. What to do: give each patient one value a metric."
            )
        known = np.isfinite(values).all(axis=1, keepdims=True)
        return np.clip(np.where(known, values, 0.0), -self.bound, self.bound)

    def rounded(self, values: FloatArray) -> bool:
        """Whether values lie on the grid that this release is rounded to."""
        return on_grid(values, self.clip_norm)
