"""What leaving costs: the gate and the judge of bytes on 10,000 parameters, beside one SHA-256."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from client.egress import Egress
from client.framing import reply_frame
from models.trace import FloatArray
from privacy.canonical import RELEASE, canonical_sha256
from privacy.gate import Gate, Manifest
from simulations.bench_dp import REPEATS, median_seconds
from study.wire import DTYPE, Code, Reply

PARAMETERS = 10_000


class OneReceipt:
    """A ledger that receipted one vector, in round 1."""

    def __init__(self, values: FloatArray) -> None:
        self._sha256 = canonical_sha256({RELEASE: values})

    def receipt_sha256(self, round_number: int) -> str | None:
        """The hash of that vector."""
        return self._sha256 if round_number == 1 else None


def rows() -> Iterator[dict[str, Any]]:
    """One row: seconds from a released vector to bytes that may leave."""
    values = np.random.default_rng(1).normal(size=PARAMETERS)
    data, receipts = values.tobytes(), OneReceipt(values)
    yield {
        "name": "gate_10k",
        "ours_s": median_seconds(lambda: leave(values, receipts)),
        "rival": "SHA-256 of the same bytes",
        "rival_s": median_seconds(lambda: hashlib.sha256(data).digest()),
        "note": f"{PARAMETERS} parameters, median of {REPEATS}: the gate on the arrays, the frame "
        "written, and the judge on its bytes, receipt looked up in memory",
    }


def leave(values: FloatArray, receipts: OneReceipt) -> bytes:
    """The bytes of a release, judged twice: as arrays and as a frame."""
    manifest = Manifest({RELEASE: (DTYPE, (len(values),))})
    passed = Gate(manifest, receipts).pass_out(1, {RELEASE: values})
    frame = reply_frame(Reply("east", Code.RELEASED, passed[RELEASE]))
    return Egress("east", len(values), receipts).pass_out(1, frame)
