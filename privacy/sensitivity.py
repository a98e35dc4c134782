"""How far one patient can move what a clinic releases: clipping promises C, and this measures."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from privacy.noise import ExactNoise
from privacy.release import optimizer_over

FloatArray = npt.NDArray[np.float64]
Patient = TypeVar("Patient")
RowsOf = Callable[[Sequence[Patient]], FloatArray]


def clipped_sum(rows: FloatArray, clip_norm: float) -> FloatArray:
    """The sum (d,) that a release adds its noise to, before it does. Never leaves the clinic."""
    optimizer = optimizer_over(rows, clip_norm, 1.0, ExactNoise())
    optimizer.clip_and_accumulate()
    return np.asarray(optimizer.params[0].summed_grad.numpy() * optimizer.grid)


def max_leave_one_out(
    rows_of: RowsOf[Patient], patients: Sequence[Patient], clip_norm: float
) -> float:
    """Largest norm of the change of the clipped sum when one patient is removed; 0 for nobody.

    At most C when each row depends on its own patient and public state alone. Above C, something
    that the site computed from all its patients has got into the rows: a scaling, a shared head.
    """
    if not patients:
        return 0.0
    everyone = clipped_sum(rows_of(patients), clip_norm)
    without = (
        clipped_sum(rows_of([*patients[:i], *patients[i + 1 :]]), clip_norm)
        for i in range(len(patients))
    )
    return max(float(np.linalg.norm(everyone - each)) for each in without)
