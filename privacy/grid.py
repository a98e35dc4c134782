"""The grid that releases lie on: whole steps of C/2^16, so that floating point cannot leak."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

GRID_STEPS = 2**16  # grid steps in one clip norm


def on_grid(values: FloatArray, clip_norm: float) -> bool:
    """Whether each of finite `values` is a whole number of grid steps of C/2^16, to the last bit.

    A release of clip norm C is made as step times whole number, and is found again as that.
    """
    step = clip_norm / GRID_STEPS
    return bool(np.array_equal(np.rint(values / step) * step, values))
