"""The timed way out is the real one: it lets the release leave, and holds back another vector."""

import io

import numpy as np
import pytest

from client.egress import Egress, EgressError
from client.framing import read_reply
from privacy.gate import Gate, GateCode, GateError
from simulations import bench_gate
from simulations.bench_gate import OneReceipt, leave, rows

VALUES = np.array([0.5, -1.25, 0.0, 7.0])


def test_what_leaves_is_the_release_bit_for_bit() -> None:
    reply = read_reply(io.BytesIO(leave(VALUES, OneReceipt(VALUES))))
    assert reply.release is not None
    assert reply.release.tobytes() == VALUES.tobytes()


def test_another_vector_is_held_back_while_it_is_timed() -> None:
    with pytest.raises(GateError) as held:
        leave(VALUES + 1.0, OneReceipt(VALUES))
    assert held.value.code is GateCode.OTHER_VALUES


def test_the_judge_of_bytes_is_timed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(gate: Gate, number: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return arrays

    monkeypatch.setattr(Gate, "pass_out", blind)
    with pytest.raises(EgressError):
        leave(VALUES + 1.0, OneReceipt(VALUES))
    monkeypatch.setattr(Egress, "pass_out", lambda judge, number, frame: frame)
    assert leave(VALUES + 1.0, OneReceipt(VALUES))


def test_only_round_one_has_a_receipt() -> None:
    assert OneReceipt(VALUES).receipt_sha256(2) is None


def test_the_row_is_one_that_readers_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gate, "PARAMETERS", 100)
    (row,) = rows()
    assert row["name"] == "gate_10k"
    assert row["ours_s"] > 0.0 and row["rival_s"] > 0.0
    assert "100 parameters" in row["note"]
