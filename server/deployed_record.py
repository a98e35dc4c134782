"""The record of a study over the network: who took part and what was spent, and no scores.

Nobody is scored at the centre: forecasts and what they are worth stay at the clinics.
"""

from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load

from server.app_ending import BODY
from server.checkpoint import RoundResult
from server.privacy_spent import privacy_spent
from server.run_record import ClinicEntry, MetricsTold, RoundEntry, RunRecord
from study.protocol import Protocol
from study.public_start import body_sha256

NO_SEED = 0
"""Exact noise has no seed, and simulated noise is drawn at the clinics from theirs."""


def record_of(
    run: Path,
    protocol: Protocol,
    rounds: Sequence[RoundResult],
    metrics: MetricsTold | None = None,
) -> RunRecord:
    """The record of a run folder whose last round is over."""
    return RunRecord(
        study=protocol.study,
        seed=NO_SEED,
        protocol_sha256=protocol.digest(),
        body_sha256=body_sha256(load((run / BODY).read_bytes())["weights"]),
        noise=protocol.privacy.noise,
        clinics=tuple(
            ClinicEntry(name=one.name, declared_patients=one.declared_patients)
            for one in protocol.clinics
        ),
        rounds=tuple(RoundEntry(round=one.round_number, took_part=one.took_part) for one in rounds),
        privacy=privacy_spent(protocol, len(rounds), metrics),
        scores=(),
        metrics=metrics,
        notes=("run over the network: forecasts are scored at the clinics",),
    )
