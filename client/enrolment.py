"""Who of a clinic takes part, and what a patient's own record gives the study.

A site's agent and a rehearsal in one process both enrol through here, so that the same records give
the same rows. A head is fitted on its own patient's earlier days and on nothing else.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from client.head_store import HeadStore
from models.calibration import CalibrationError, calibrate
from models.heads import BOOK_PRIOR, Head, HeadPrior
from models.sharing import PatientData
from models.trace import FloatArray, Trace
from models.windows import Windows, windows_of
from study.protocol import Protocol

FEWEST_WINDOWS = 50


@dataclass(frozen=True)
class Halves:
    """One patient's record cut in time: head and windows of the earlier days, windows of the rest.

    `doubt` (K, K) is the posterior covariance of the head's theta.
    """

    trace: Trace = field(repr=False)
    head: Head = field(repr=False)
    train: Windows = field(repr=False)
    test: Windows = field(repr=False)
    doubt: FloatArray | None = field(default=None, repr=False, kw_only=True)

    @property
    def data(self) -> PatientData:
        """What a clinic's agent trains on, and what it judges by if it is to tell metrics."""
        return PatientData(self.trace.patient, self.head, self.train, self.doubt, self.test)


@dataclass(frozen=True)
class Enrolled:
    """A clinic's members in the order of their names; `left_out` says who is not, and why."""

    members: tuple[PatientData, ...] = field(repr=False)
    held_out: int
    left_out: tuple[str, ...] = field(repr=False)


def enrol(protocol: Protocol, clinic: str, traces: Iterable[Trace], store: HeadStore) -> Enrolled:
    """Everybody with enough readings, but for those the protocol holds out whole.

    A head that the store holds for the same readings and rules is taken from there; a new one is
    fitted and kept. Whether one patient is able does not depend on another.
    """
    able: list[Halves] = []
    left_out: list[str] = []
    for trace in sorted(traces, key=lambda one: one.patient):
        try:
            able.append(halves_of(trace, protocol, store=store))
        except CalibrationError as error:
            left_out.append(str(error))
    count = protocol.clinic(clinic).hold_out_patients
    held_out = split_new(protocol.study, [one.trace.patient for one in able], count)
    members = tuple(one.data for one in able if one.trace.patient not in held_out)
    return Enrolled(members, len(held_out), tuple(left_out))


def halves_of(
    trace: Trace,
    protocol: Protocol,
    prior: HeadPrior = BOOK_PRIOR,
    store: HeadStore | None = None,
) -> Halves:
    """A patient with the last days held out; CalibrationError without enough readings."""
    if trace.days < protocol.cohorts.minimum_days:
        raise CalibrationError(
            f"patient {trace.patient} has {trace.days:.1f} days; the protocol asks for "
            f"{protocol.cohorts.minimum_days:g}. The patient was left out. Wait for more days."
        )
    cut = int(len(trace) * (1 - protocol.cohorts.hold_out_time_fraction))
    head, doubt = _fitted(trace.rows(0, cut), prior, store)
    windows = windows_of(trace, head, protocol.horizons_min)
    ends = windows.origin + max(protocol.horizons_min) // 5
    train = windows.where(np.flatnonzero(ends < cut))
    test = windows.where(np.flatnonzero(windows.origin >= cut))
    if min(len(train), len(test)) < FEWEST_WINDOWS:
        raise CalibrationError(
            f"patient {trace.patient} has {len(train)} windows to learn from and {len(test)} to be "
            f"scored on; expected {FEWEST_WINDOWS} of each. The patient was left out. "
            "Wait for more days."
        )
    return Halves(trace, head, train, test, doubt=doubt)


def split_new(study: str, names: Sequence[str], count: int) -> frozenset[str]:
    """Names of the people held out whole: the first `count` by SHA-256 of study and name.

    One person more or less moves one row at most: who is held out displaces one other.
    """

    def order(name: str) -> str:
        return hashlib.sha256(f"{study}|{name}".encode()).hexdigest()

    return frozenset(sorted(names, key=order)[:count])


def _fitted(
    earlier: Trace, prior: HeadPrior, store: HeadStore | None
) -> tuple[Head, FloatArray | None]:
    source = _source_sha256(earlier, prior)
    kept = store.fit(earlier.patient, source) if store is not None else None
    if kept is not None:
        return kept
    calibration = calibrate([earlier], prior)[0]
    if store is not None:
        store.put(earlier.patient, calibration.head, calibration.covariance, source)
    return calibration.head, calibration.covariance


def _source_sha256(trace: Trace, prior: HeadPrior) -> bytes:
    """Digest of everything a head is fitted to: the readings, and the prior's numbers."""
    about = (trace.patient, trace.time_zone, trace.sensor_period_min, trace.start_utc_s)
    weight = (trace.weight_kg, trace.long_acting_product, sorted(trace.columns))
    digest = hashlib.sha256(repr((about, weight)).encode())
    for name in sorted(trace.columns):
        digest.update(np.ascontiguousarray(trace[name]).tobytes())
    digest.update(prior.mean.tobytes() + prior.covariance.tobytes())
    return digest.digest()
