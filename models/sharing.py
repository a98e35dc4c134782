"""What patients teach together: one vector a patient, its length public, whatever it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.heads import Head
from models.trace import FloatArray
from models.windows import Windows

WeightArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PatientData:
    """One enrolled patient as training sees him: his head and his own training windows."""

    patient: str
    head: Head = field(repr=False)
    windows: Windows = field(repr=False)


class SharedVector(Protocol):
    """A way to share the body: coordinates in a public subspace, or all weights."""

    @property
    def kind(self) -> str:
        """Name in the protocol: "adapter" or "body"."""

    @property
    def dimension(self) -> int:
        """Length d of the shared vector and of every row."""

    def start(self) -> FloatArray:
        """The shared vector before the first round, (d,): the public start."""

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        """One update direction a patient, (P, d); row i depends on patient i and `shared` only."""

    def weights(self, shared: FloatArray) -> WeightArray:
        """The body that a shared vector stands for, (BODY_DIMENSION,) float32."""

    def prior_variance(self) -> FloatArray:
        """Relative public variance of each coordinate, mean 1, (d,): what shrinkage leans on."""
