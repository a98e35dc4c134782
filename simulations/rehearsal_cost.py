"""What a study would cost a clinic: minutes a round, measured, and bytes of the wire's frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client.framing import reply_frame, request_frame
from server.run_record import RunRecord
from server.witnessing import EXCHANGES_AT_THE_END
from study.protocol import Protocol
from study.wire import NO_RELEASE, Code, Reply, Request
from study.witness import NONE, Seen, Shown, seen_bytes, shown_bytes

NETWORK_ROUND_S = 30.0
"""Stated, not measured here: a relay asks every 3 s and starts a process for each message."""


@dataclass(frozen=True)
class Time:
    """Seconds: of one round's work, of the network around it, and of getting a patient ready.

    `work_s` is all clinics one after the other on this machine. Real ones work side by side, so it
    is more than the slowest of them needs on a machine like this.
    """

    rounds: int
    work_s: float
    network_s: float
    patient_s: float

    @property
    def study_min(self) -> float:
        """Minutes of all rounds."""
        return self.rounds * (self.work_s + self.network_s) / 60.0


@dataclass(frozen=True)
class Traffic:
    """Bytes of all frames of a study at one clinic, to it and from it."""

    down_bytes: int
    up_bytes: int


def time_of(protocol: Protocol, records: Sequence[RunRecord]) -> Time:
    """The slowest of the repeats."""
    rounds = protocol.release.rounds
    return Time(
        rounds,
        max(one.seconds["federation under privacy"] for one in records) / rounds,
        NETWORK_ROUND_S,
        max(one.seconds["people"] / _people(one) for one in records),
    )


def traffic_of(protocol: Protocol, clinic: str) -> Traffic:
    """Frames between relay and agent; what TLS, Flower's envelopes and polls add is not in them."""
    members, digest = len(protocol.members), protocol.digest()
    vector, none = np.zeros(protocol.release.dimension), np.zeros(0)
    shown = shown_bytes([Shown(None, 0, (NONE,) * members)] * members)
    seen = seen_bytes(Seen(None, (NONE,) * members))
    numbers = range(1, protocol.release.rounds + 1)
    asked = [Request(number, digest, vector, shown) for number in numbers]
    asked += [Request(NO_RELEASE, digest, none, shown)] * EXCHANGES_AT_THE_END
    answered = [Reply(clinic, Code.RELEASED, vector, seen)] * protocol.release.rounds
    answered += [Reply(clinic, Code.WITNESSED, witness=seen)] * EXCHANGES_AT_THE_END
    return Traffic(
        sum(len(request_frame(one)) for one in asked),
        sum(len(reply_frame(one)) for one in answered),
    )


def _people(record: RunRecord) -> int:
    """Everybody whose readings were read and whose twin was calibrated, in one repeat."""
    counts = {(s.cohort, s.clinic): s.patients or 0 for s in record.scores if s.clinic != "all"}
    return max(sum(counts.values()), 1)
