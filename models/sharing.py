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
    """One enrolled patient as training sees him: his head and his own training windows.

    `doubt` (K, K) is the posterior covariance of the head's theta, where it is known. `held_out`
    are windows of later days, never trained on: a study that asks for metrics is judged by them.
    """

    patient: str
    head: Head = field(repr=False)
    windows: Windows = field(repr=False)
    doubt: FloatArray | None = field(default=None, repr=False)
    held_out: Windows | None = field(default=None, repr=False)


class SharedVector(Protocol):
    """What is shared: the body, in a public subspace or whole, or the population of heads."""

    @property
    def kind(self) -> str:
        """Name in the protocol: "adapter", "body" or "prior"."""

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
