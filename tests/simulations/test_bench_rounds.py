"""The benchmark times whole studies: all clinics take part, and nothing is left out unsaid."""

from pathlib import Path

import pytest

from server.checkpoint import Checkpoints, vector_sha256
from simulations import bench_rounds
from simulations.bench import checked
from simulations.bench_rounds import rows, seconds_a_round_here


def test_a_timed_round_is_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_rounds, "ROUNDS_HERE", 2)
    assert seconds_a_round_here(tmp_path) > 0.0
    protocol = bench_rounds._protocol(2)
    start = bench_rounds._public_start().shared_vector(protocol).start()
    folder = tmp_path / "here" / "server"
    finished = Checkpoints(folder, protocol.digest(), vector_sha256(start)).finished()
    assert [len(one.took_part) for one in finished] == [20, 20]
    assert not finished[-1].refused


def test_without_the_extra_the_rival_is_said_not_to_be_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_rounds, "ROUNDS_HERE", 1)
    monkeypatch.setattr(bench_rounds, "is_installed", lambda: False)
    (row,) = rows()
    assert checked("bench_rounds", row)["ratio"] is None
    assert row["name"] == "round_20_clinics"
    assert "not timed" in row["note"]


def test_with_it_the_row_carries_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_rounds, "ROUNDS_HERE", 1)
    monkeypatch.setattr(bench_rounds, "is_installed", lambda: True)
    monkeypatch.setattr(bench_rounds, "under_flower", lambda folder: (0.5, 30.0))
    (row,) = rows()
    assert checked("bench_rounds", row)["ratio"] == pytest.approx(0.5 / row["ours_s"])
    assert "30 s from start to end" in row["note"]
    assert "not timed" not in row["note"]
