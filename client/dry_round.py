"""A round that spends nothing: rows of everybody on the public start, clipped; no debit, no noise.

Nothing of it leaves, and nothing is written. It says that the machine can do a round, how long that
takes, and that one patient moves the sum by the clip norm at most.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.sharing import PatientData, SharedVector
from models.trace import FloatArray
from privacy.sensitivity import max_leave_one_out
from study.protocol import Protocol

PATIENCE_S = 60.0
"""How long the leaving out of patients may take; at least two are left out all the same."""


@dataclass(frozen=True)
class DryRound:
    """`moved` is the largest change of the clipped sum when one of `left_out` patients is removed.

    `clipped` counts rows longer than the clip norm, `unusable` those that are not finite.
    """

    patients: int
    seconds: float
    clip_norm: float
    moved: float
    left_out: int
    clipped: int
    unusable: int


def dry_round(
    protocol: Protocol, vector: SharedVector, patients: Sequence[PatientData]
) -> DryRound:
    """What a round of this protocol would do here; ValueError for rows that are not one each."""
    clip_norm = protocol.release.clip_norm
    begin = time.monotonic()
    rows = vector.rows(vector.start(), patients)
    seconds = time.monotonic() - begin
    expected = (len(patients), protocol.release.dimension)
    if rows.shape != expected:
        raise ValueError(f"rows of shape {rows.shape}, not {expected}: one a patient")
    finite = np.isfinite(rows).all(axis=1)
    norms = np.linalg.norm(rows[finite], axis=1)
    affordable = int(PATIENCE_S / max(seconds, 1e-3))
    some = patients[: max(min(len(patients), affordable), 2)]

    def rows_of(group: Sequence[PatientData]) -> FloatArray:
        return np.asarray(vector.rows(vector.start(), group), dtype=np.float64)

    return DryRound(
        patients=len(patients),
        seconds=seconds,
        clip_norm=clip_norm,
        moved=max_leave_one_out(rows_of, some, clip_norm),
        left_out=len(some),
        clipped=int((norms > clip_norm).sum()),
        unusable=int((~finite).sum()),
    )
