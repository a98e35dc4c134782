"""Directions for an adapter learned later, from populations further apart: a shipped file.

They go with the weights of the shipped public start, which they leave as they are. A study says
which directions it takes (`release.directions`), so that older studies keep theirs.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.correction import OUTPUT_DIMENSION
from models.trace import FloatArray
from study.failure import ExitCode, Failure

WIDE = Path(__file__).parent / "artefacts" / "wide_directions.safetensors"


@dataclass(frozen=True)
class Directions:
    """What learn_basis gives: basis (OUTPUT_DIMENSION, k), curvature (k,) and variance (k,)."""

    basis: FloatArray = field(repr=False)
    curvature: FloatArray = field(repr=False)
    variance: FloatArray = field(repr=False)


def to_bytes(those: Directions) -> bytes:
    """As safetensors bytes; equal directions give equal bytes."""
    return save({"basis": those.basis, "curvature": those.curvature, "variance": those.variance})


@cache
def wide_directions(path: Path = WIDE) -> Directions:
    """The directions at `path`; a Failure where it holds something else."""
    try:
        those = Directions(**load(path.read_bytes()))
    except (OSError, SafetensorError, TypeError) as error:
        raise _unreadable(path, str(error)) from error
    k = those.curvature.shape[0]
    if those.basis.shape != (OUTPUT_DIMENSION, k) or those.variance.shape != (k,):
        raise _unreadable(path, f"a basis of shape {those.basis.shape}")
    if not all(np.isfinite(one).all() for one in (those.basis, those.curvature, those.variance)):
        raise _unreadable(path, "values that are no numbers")
    return those


def _unreadable(path: Path, detail: str) -> Failure:
    return Failure(
        found=f"directions that cannot be used at {path}: {detail}",
        expected=f"safetensors with directions of the body's {OUTPUT_DIMENSION} last weights",
        consequence="Nothing was started.",
        remedy="restore study/artefacts, or run `python -m simulations.wide_directions`",
        code=ExitCode.MISSING_INPUT,
    )
