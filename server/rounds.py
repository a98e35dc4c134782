"""The round loop: ask every clinic, write the replies down, move the shared vector, go on.

Flower's own loop cannot resume after a crash, so the loop is ours; the average is Flower's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np

from models import adapter
from models.head_prior import LEAST_EVIDENCE, HeadMoments
from models.sharing import SharedVector
from models.trace import FloatArray
from server.acceptance import accepted, digests
from server.checkpoint import Checkpoints, RoundResult
from server.shrinkage import (
    Noise,
    enrolment_variance,
    noise_variance,
    shrunk,
    trimmed_weights,
    weights_by_precision,
    weights_by_size,
)
from server.witnessing import EXCHANGES_AT_THE_END, Witnessing
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.wire import NO_RELEASE, Code, Reply, Request


class Centre(Interface):
    """The way to the clinics; server/flower.py makes one of a Flower Grid."""

    def ask(self, request: Request) -> Sequence[Reply]:
        """Replies that came before the deadline, in any order; a silent clinic is missing."""

    def average(self, rows: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
        """Weighted mean of the rows, (d,)."""

    def trimmed_mean(self, rows: Sequence[FloatArray], trim: int) -> FloatArray:
        """Mean of each coordinate without its `trim` least and `trim` largest values, (d,)."""


@dataclass(frozen=True)
class Outcome:
    """A study's end: the shared vector (d,) and every round."""

    shared: FloatArray = field(repr=False)
    rounds: tuple[RoundResult, ...]


Progress = Callable[[int, int], None]
"""Called with (rounds done, rounds in all)."""


def run_rounds(
    protocol: Protocol,
    shared_vector: SharedVector,
    centre: Centre,
    checkpoints: Checkpoints,
    progress: Progress,
) -> Outcome:
    """All rounds that are not on disk yet; killed at any moment and run again, it ends the same.

    Raises Failure TOO_FEW_REPLIES where fewer clinics than the quorum release in time; rounds that
    are over stay on disk.
    """
    rounds, witnessing = checkpoints.finished(), Witnessing(checkpoints.folder, protocol)
    total = protocol.release.rounds
    earlier: set[str] = set()
    for done in rounds:
        earlier |= digests(checkpoints.replies(done.round_number) or {})
    for number in range(len(rounds) + 1, total + 1):
        shared = rounds[-1].shared if rounds else shared_vector.start()
        replies = checkpoints.replies(number)
        if replies is None:
            request = Request(number, protocol.digest(), shared, witnessing.shown())
            replies = accepted(protocol, centre.ask(request), earlier)
            witnessing.keep(replies)
            _require_quorum(protocol, number, replies)
            checkpoints.keep_replies(number, replies)
        earlier |= digests(replies)
        rounds.append(_moved(protocol, shared_vector, centre, replies, number, shared))
        checkpoints.keep_round(rounds[-1])
        progress(number, total)
    return Outcome(rounds[-1].shared, tuple(rounds))


def witness_the_end(protocol: Protocol, centre: Centre, checkpoints: Checkpoints) -> None:
    """The last checkpoints are shown to all and signed, and the signatures brought to each.

    Nobody need answer: who signed what is in the run's folder.
    """
    witnessing = Witnessing(checkpoints.folder, protocol)
    while witnessing.exchanges_at_the_end < EXCHANGES_AT_THE_END:
        nothing = np.zeros(0)
        request = Request(NO_RELEASE, protocol.digest(), nothing, witnessing.shown())
        witnessing.keep(accepted(protocol, centre.ask(request), ()), at_the_end=True)


def _require_quorum(protocol: Protocol, round_number: int, replies: Mapping[str, Reply]) -> None:
    """A Failure where fewer clinics released than the quorum."""
    released = sum(reply.code is Code.RELEASED for reply in replies.values())
    if released < protocol.server.quorum:
        raise Failure(
            found=f"{released} releases in round {round_number} of {protocol.study}; "
            f"the clinics said { ({name: reply.code.name for name, reply in replies.items()}) }",
            expected=f"{protocol.server.quorum} within {protocol.server.deadline_s:g} s",
            consequence=f"The study stopped after round {round_number - 1}.",
            remedy="ask these clinics why, start them and run again: finished rounds are kept",
            code=ExitCode.TOO_FEW_REPLIES,
        )


def _moved(
    protocol: Protocol,
    shared_vector: SharedVector,
    centre: Centre,
    replies: Mapping[str, Reply],
    number: int,
    shared: FloatArray,
) -> RoundResult:
    releases = {name: reply.release for name, reply in replies.items() if reply.release is not None}
    declared = [protocol.clinic(name).declared_patients for name in releases]
    step = step_of(protocol, shared_vector, centre, list(releases.values()), declared)
    return RoundResult(
        round_number=number,
        took_part=tuple(releases),
        refused={name: reply.code.name for name, reply in replies.items() if name not in releases},
        declared_patients=sum(declared),
        shared=shared + protocol.server.rate * step,
    )


def step_of(
    protocol: Protocol,
    shared_vector: SharedVector,
    centre: Centre,
    releases: Sequence[FloatArray],
    declared: Sequence[int],
) -> FloatArray:
    """The mean row of the clinics that released, (d,), weighted or trimmed, shrunk by the noise.

    A clinic's mean row is its released sum over its DECLARED size: the true one is secret.
    """
    release, trim = protocol.release, protocol.server.trim
    noise = Noise(protocol.sigma, release.clip_norm, release.dimension)
    rows = [values / n for values, n in zip(releases, declared, strict=True)]
    if protocol.server.strategy == "trimmed_mean":
        u = centre.trimmed_mean(rows, trim)
        weights = trimmed_weights(declared, trim)
    else:
        by_size = release.kind == "body"
        weights = weights_by_size(declared) if by_size else weights_by_precision(declared, noise)
        u = centre.average(rows, weights)
    if not protocol.server.shrinkage:
        return u
    nu = noise_variance(declared, weights, noise)
    tau = enrolment_variance(declared, weights, noise)
    q = shared_vector.prior_variance()
    if isinstance(shared_vector, HeadMoments):
        longest = shared_vector.longest(release.clip_norm)
        return shrunk(u, nu, q, tau, longest, LEAST_EVIDENCE)
    old = release.kind == "adapter" and release.directions == "first"  # as those were signed
    evidence = 0.0 if old else adapter.LEAST_EVIDENCE
    return shrunk(u, nu, q, tau, release.clip_norm, evidence)
