"""Run folders as a server leaves them on the way: real checkpoints, at times of our choosing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from server.checkpoint import Checkpoints, RoundResult
from server.run_record import RunRecord, write_run_record
from study.protocol import Protocol, parse_protocol
from study.wire import Code, Reply
from tests.server.conftest import MEMBERS, OBSERVER

BEGAN_S = 1_764_342_000.0
"""28 November 2025, 15:00 UTC."""
CLINICS = {"harbour": 18, "lagoon": 12, "lighthouse": 21, "estuary": 9}


def twelve_rounds(noise: str = "exact") -> Protocol:
    """Four members and an observer, twelve rounds of three numbers."""
    clinics = "".join(
        f"  - name: {name}\n    declared_patients: {patients}\n"
        f"    source: {{layout: uom, folder: {name}}}\n"
        for name, patients in CLINICS.items()
    )
    return parse_protocol(
        f"study: four-waters\nclinics:\n{clinics}"
        "  - name: headland\n    declared_patients: 6\n    role: observer\n"
        "    source: {layout: uom, folder: headland}\n"
        "release: {kind: adapter, rounds: 12, clip_norm: 0.5, dimension: 3}\n"
        f"privacy: {{epsilon: 8.0, delta: 1.0e-5, noise: {noise}}}\n"
        "server: {quorum: 2, deadline_s: 600}\n"
    )


FAULTS: Mapping[int, Mapping[str, Code]] = {
    2: {"estuary": Code.NO_REPLY},
    3: {"estuary": Code.NO_REPLY, "lagoon": Code.REFUSED},
    5: {"lighthouse": Code.NO_AGENT},
    7: {"estuary": Code.OTHER_PROTOCOL},
}


def study_folder(
    folder: Path, protocol: Protocol, rounds: int, faults: Mapping[int, Mapping[str, Code]] = FAULTS
) -> Path:
    """The folder after so many whole rounds; the next is being asked. Each took 100 + 2 seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    agreed = folder / "protocol.yaml"
    agreed.write_text(protocol.canonical())
    os.utime(agreed, (BEGAN_S, BEGAN_S))
    for number in range(1, rounds + 1):
        one_round(folder, protocol, number, faults.get(number, {}))
    return folder


def one_round(folder: Path, protocol: Protocol, number: int, codes: Mapping[str, Code]) -> None:
    """Both phases of one round, written as the server writes them."""
    replies = replied(folder, protocol, number, codes)
    came = tuple(name for name, one in replies.items() if one.code is Code.RELEASED)
    refused = {name: one.code.name for name, one in replies.items() if name not in came}
    behind = sum(protocol.clinic(name).declared_patients for name in came)
    result = RoundResult(number, came, refused, behind, np.full(3, float(number)))
    checkpoints(folder, protocol).keep_round(result)
    _at(folder, f"{number:04d}-round", number * 102.0)


def replied(
    folder: Path, protocol: Protocol, number: int, codes: Mapping[str, Code]
) -> dict[str, Reply]:
    """The first phase alone."""
    names: Sequence[str] = [one.name for one in protocol.members]
    replies = {
        name: Reply(name, codes[name]) if name in codes else _release(name, number)
        for name in names
    }
    checkpoints(folder, protocol).keep_replies(number, replies)
    _at(folder, f"{number:04d}-replies", number * 102.0 - 2.0)
    return replies


def checkpoints(folder: Path, protocol: Protocol) -> Checkpoints:
    """The folder's, bound to the protocol."""
    return Checkpoints(folder / "server", protocol.digest(), "b" * 64)


def finished(folder: Path, protocol: Protocol, record: RunRecord) -> Path:
    """The folder of a study that is over, with this record under its own names."""
    study_folder(folder, protocol, protocol.release.rounds, {})
    text = record.model_dump_json()
    for old, new in zip(
        (*MEMBERS, OBSERVER), ("harbour", "lagoon", "lighthouse", "headland"), strict=True
    ):
        text = text.replace(f'"{old}"', f'"{new}"')
    own = {"study": protocol.study, "protocol_sha256": protocol.digest()}
    write_run_record(folder, RunRecord.model_validate_json(text).model_copy(update=own))
    return folder


def _release(name: str, number: int) -> Reply:
    return Reply(name, Code.RELEASED, np.full(3, float(number)))


def _at(folder: Path, phase: str, seconds: float) -> None:
    path = folder / "server" / f"{phase}.safetensors"
    os.utime(path, (BEGAN_S + seconds, BEGAN_S + seconds))
