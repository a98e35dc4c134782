"""Which replies count: one a clinic, of the agreed shape, of this round, no larger than can be.

Nothing here costs privacy: releases are looked at after they were made.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from privacy.metric import MetricRelease
from server.checkpoint import vector_sha256
from study.protocol import Protocol
from study.wire import Code, Reply, is_vector

ROOM = 2.0
"""How many times its declared patients a clinic may have enrolled without looking wrong."""
FALSE_ALARM = 1e-9


def accepted(
    protocol: Protocol, came: Sequence[Reply], earlier: Collection[str]
) -> dict[str, Reply]:
    """One reply a member, in the protocol's order; `earlier` are digests of older releases."""
    return {one.name: _accepted(protocol, one.name, came, earlier) for one in protocol.members}


def accepted_metrics(protocol: Protocol, came: Sequence[Reply]) -> dict[str, Reply]:
    """The same of metrics: vectors of their length, from clinics that may tell any."""
    return {
        one.name: _accepted(protocol, one.name, came, (), protocol.metric_release(one.name))
        for one in protocol.members
    }


def digests(replies: Mapping[str, Reply]) -> set[str]:
    """Digest of each release among these replies."""
    return {vector_sha256(one.release) for one in replies.values() if one.release is not None}


def largest_norm(protocol: Protocol, clinic: str, metric: MetricRelease | None = None) -> float:
    """The norm that an honest release exceeds once in 1e9: rows at the clip norm, and noise's tail.

    ROOM n C + sigma C (sqrt d + sqrt(2 ln 1e9)), n declared: Gaussian concentration (Boucheron,
    Lugosi, Massart, Concentration Inequalities, 2013, Theorem 5.6).
    """
    release, declared = protocol.release, protocol.clinic(clinic).declared_patients
    clip_norm, length, sigma = release.clip_norm, release.dimension, protocol.sigma
    if metric is not None:
        clip_norm, length, sigma = metric.clip_norm, metric.length, metric.sigma
    tail = math.sqrt(length) + math.sqrt(2.0 * math.log(1.0 / FALSE_ALARM))
    return clip_norm * (ROOM * declared + sigma * tail)


def _accepted(
    protocol: Protocol,
    clinic: str,
    came: Sequence[Reply],
    earlier: Collection[str],
    metric: MetricRelease | None = None,
) -> Reply:
    """The one reply of a clinic. Of two that claim its name neither is believed."""
    own = [reply for reply in came if reply.clinic == clinic]
    if len(own) != 1:
        return Reply(clinic, Code.NO_REPLY if not own else Code.BAD_RELEASE)
    (reply,) = own
    if reply.code is not Code.RELEASED:
        return Reply(clinic, reply.code, witness=reply.witness)
    values, length = reply.release, protocol.release.dimension
    if metric is not None:
        length = 0 if metric.suppressed else metric.length
    if values is None or not values.size or not is_vector(values, length):
        return Reply(clinic, Code.BAD_RELEASE)
    if vector_sha256(values) in earlier:  # noise never comes twice: it is an old round's
        return Reply(clinic, Code.OLD_RELEASE)
    if protocol.server.norm_check and np.linalg.norm(values) > largest_norm(
        protocol, clinic, metric
    ):
        return Reply(clinic, Code.TOO_LARGE)
    return reply
