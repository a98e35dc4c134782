"""What the federation was worth, as clinics tell it under noise: asked once, published as a sum.

After the last round each clinic that may is asked for its one release of metrics. Only the mean
over all of them is published, with the standard error that the known noise gives it; a clinic's own
is mostly noise. It costs the patients what the protocol set aside, and nothing in later rounds.
"""

import math
from collections.abc import Mapping

import numpy as np

from models.trace import FloatArray
from privacy.metric import MetricRelease
from server.acceptance import accepted_metrics
from server.checkpoint import Checkpoints
from server.rounds import Centre
from server.run_record import MetricsTold
from server.witnessing import Witnessing
from study.protocol import Protocol
from study.wire import Reply, Request

PHASE = "metrics"


def ask_metrics(
    protocol: Protocol, centre: Centre, checkpoints: Checkpoints, shared: FloatArray
) -> None:
    """Ask every clinic for its metrics of the body of `shared` (d,), unless that was done before.

    Nobody need answer. What came is on disk when this returns; without metrics it does nothing.
    """
    number = protocol.release.rounds + 1
    if protocol.metrics is None or checkpoints.replies(number, PHASE) is not None:
        return
    witnessing = Witnessing(checkpoints.folder, protocol)
    request = Request(number, protocol.digest(), shared, witnessing.shown())
    replies = accepted_metrics(protocol, centre.ask(request))
    witnessing.keep(replies)
    checkpoints.keep_replies(number, replies, PHASE)


def metrics_told(protocol: Protocol, checkpoints: Checkpoints) -> MetricsTold | None:
    """What may be published of the metrics that came; None where none were asked for, or yet."""
    replies = checkpoints.replies(protocol.release.rounds + 1, PHASE)
    if protocol.metrics is None or replies is None:
        return None
    return _published(protocol, replies)


def _published(protocol: Protocol, replies: Mapping[str, Reply]) -> MetricsTold:
    came = {name: one.release for name, one in replies.items() if one.release is not None}
    terms = {one.name: _terms(protocol, one.name) for one in protocol.members}
    declared = sum(terms[name].declared_patients for name in came)
    errors = [terms[name].sigma * terms[name].clip_norm for name in came]
    mean = np.sum(list(came.values()), axis=0) / declared if came else None
    asked = next(iter(terms.values()))
    return MetricsTold(
        names=() if protocol.metrics is None else protocol.metrics.names,
        bound_mg_dl=asked.bound,
        sigma=asked.sigma,
        clinics=tuple(came),
        suppressed=tuple(name for name, one in terms.items() if one.suppressed),
        refused={
            name: one.code.name
            for name, one in replies.items()
            if one.release is None and not terms[name].suppressed
        },
        declared_patients=declared,
        mean_mg_dl=() if mean is None else tuple(mean.tolist()),
        standard_error_mg_dl=math.hypot(*errors) / declared if came else None,
    )


def _terms(protocol: Protocol, clinic: str) -> MetricRelease:
    terms = protocol.metric_release(clinic)
    if terms is None:
        raise ValueError(f"found study {protocol.study} without metrics; expected some")
    return terms
