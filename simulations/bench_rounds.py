"""What a round of 20 clinics costs beside the training, here and under `flwr run`."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from client.serve import Answer
from models.correction import BODY_DIMENSION, OUTPUT_DIMENSION
from server.app import run_study
from server.flower import FlowerCentre
from simulations.flower_runtime import behind_sockets, is_installed, run_under_flower
from simulations.grid import InProcessGrid, quiet_flower
from study.protocol import Protocol, parse_protocol
from study.public_start import PublicStart, to_bytes
from study.wire import Code, Reply

CLINICS, DIMENSION = 20, 32
ROUNDS_HERE, ROUNDS_UNDER_FLOWER = 50, 3
FLOWER_MAY_TAKE_S = 400.0


def rows() -> Iterator[dict[str, Any]]:
    """One row: seconds a round of 20 clinics in this process, and under `flwr run`."""
    with tempfile.TemporaryDirectory() as folder:
        ours_s = seconds_a_round_here(Path(folder))
        rival_s, whole_s = under_flower(Path(folder)) if is_installed() else (None, 0.0)
    yield {
        "name": "round_20_clinics",
        "ours_s": ours_s,
        "rival": "flwr run, simulation with Ray",
        "rival_s": rival_s,
        "note": f"{CLINICS} clinics that answer a ready vector of {DIMENSION} numbers: relay, "
        "messages, FedAvg, shrinkage and checkpoints with fsync, without training, ledger and "
        f"noise; mean of {ROUNDS_HERE} rounds here, of {ROUNDS_UNDER_FLOWER - 1} under Flower "
        + (
            f"between its checkpoints, with a Unix socket for each clinic ({whole_s:.0f} s from "
            "start to end)"
            if rival_s
            else "(not timed: the extra `flower` is not installed)"
        ),
    }


def seconds_a_round_here(folder: Path) -> float:
    """Mean seconds of a round on the in-process grid, checkpoints included."""
    protocol, start = _protocol(ROUNDS_HERE), _public_start()
    centre = FlowerCentre(InProcessGrid(_answers(protocol)), CLINICS, 60.0, time.sleep)
    began = time.perf_counter()
    with quiet_flower():
        run_study(protocol, start.shared_vector(protocol), centre, folder / "here", _silent)
    return (time.perf_counter() - began) / ROUNDS_HERE


def under_flower(folder: Path) -> tuple[float, float]:
    """Mean seconds of a round of `flwr run` after the first, and seconds of the whole run."""
    protocol, start = _protocol(ROUNDS_UNDER_FLOWER), _public_start()
    settings = {
        "protocol": folder / "protocol.yaml",
        "public-start": folder / "start.safetensors",
        "out": folder / "there",
        "agents": folder / "s",
    }
    settings["protocol"].write_text(protocol.canonical(), encoding="utf-8")
    settings["public-start"].write_bytes(to_bytes(start))
    began = time.perf_counter()
    with behind_sockets([(each, _unjudged) for each in _answers(protocol)], settings["agents"]):
        run_under_flower(settings, CLINICS, folder / "flower", FLOWER_MAY_TAKE_S)
    whole_s = time.perf_counter() - began
    ends = [path.stat().st_mtime for path in sorted(folder.glob("there/server/*-round.*"))]
    return (ends[-1] - ends[0]) / (len(ends) - 1), whole_s


def _protocol(rounds: int) -> Protocol:
    clinics = "\n".join(
        f"  - {{name: clinic-{place:02d}, declared_patients: 10,"
        " source: {layout: uom, folder: none}}"
        for place in range(CLINICS)
    )
    return parse_protocol(
        f"study: no-operation\nclinics:\n{clinics}\n"
        f"release: {{kind: adapter, rounds: {rounds}, clip_norm: 0.5, dimension: {DIMENSION}}}\n"
        "privacy: {epsilon: 8.0, delta: 1.0e-5}\n"
        f"server: {{quorum: {CLINICS}, deadline_s: 300}}\n"
    )


def _public_start() -> PublicStart:
    nothing = np.zeros(BODY_DIMENSION, dtype=np.float32)
    basis, ones = np.zeros((OUTPUT_DIMENSION, DIMENSION)), np.ones(DIMENSION)
    return PublicStart(nothing, nothing, basis, ones, ones, np.ones(4))


def _answers(protocol: Protocol) -> list[Answer]:
    return [_ready(one.name) for one in protocol.members]


def _ready(clinic: str) -> Answer:
    """A release of its own each round: one of an earlier round would be refused as old."""
    ready = np.linspace(-1.0, 1.0, DIMENSION)
    return lambda request: Reply(clinic, Code.RELEASED, ready / (1.0 + request.round_number))


def _unjudged(round_number: int, frame: bytes) -> bytes:
    """These answers are timed, not released: no ledger stands behind them."""
    return frame


def _silent(done: int, total: int) -> None:
    """Rounds are counted, not told."""
