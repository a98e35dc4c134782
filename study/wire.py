"""What crosses the water, and nothing else: names, shapes, dtypes and codes. No torch, no Flower.

Down goes the shared vector with a round number and the protocol's digest; up comes one release with
its clinic's name, which is public, or a code. Beside both go checkpoints of ledgers, so that the
clinics witness each other (study/witness.py). No text crosses in either direction.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SHARED = "shared"
DTYPE = "<f8"
ARRAYS, CONFIG = "arrays", "config"
ROUND, PROTOCOL_SHA256 = "server-round", "protocol-sha256"
CLINIC, CODE = "clinic", "code"
WITNESS = "witness"
NO_RELEASE = 0  # the round of a request that asks for no release, with no shared vector


class Code(IntEnum):
    """Why a clinic released nothing; the reason in words stays in its own log."""

    RELEASED = 0
    INTERNAL = 1
    MALFORMED = 2
    OTHER_PROTOCOL = 3
    NO_SUCH_ROUND = 4
    BAD_SHARED_VECTOR = 5
    REFUSED = 6
    NO_AGENT = 7
    NO_REPLY = 8
    BAD_RELEASE = 9
    WITNESSED = 10
    BAD_WITNESS = 11
    ROLLED_BACK = 12
    OLD_RELEASE = 20
    TOO_LARGE = 21


@dataclass(frozen=True)
class Request:
    """What the server asks of a clinic in a round: rounds count from 1; shared (d,).

    Round 0 with an empty vector asks for no release, only to witness and be witnessed.
    """

    round_number: int
    protocol_sha256: str
    shared: FloatArray = field(repr=False)
    witness: bytes = field(default=b"", repr=False)

    @property
    def asks_no_release(self) -> bool:
        """Whether checkpoints alone are to be exchanged."""
        return self.round_number == NO_RELEASE and self.shared.shape == (0,)


@dataclass(frozen=True)
class Reply:
    """What a clinic answers: a release (d,), or none and the code that says why."""

    clinic: str
    code: Code
    release: FloatArray | None = field(default=None, repr=False)
    witness: bytes = field(default=b"", repr=False)


def is_vector(values: npt.NDArray[np.generic], dimension: int) -> bool:
    """Whether `values` is (d,) of little-endian float64 and finite: all that may cross."""
    return (
        values.dtype.str == DTYPE
        and values.shape == (dimension,)
        and bool(np.isfinite(values).all())
    )
