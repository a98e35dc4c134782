"""SIGKILL at every operation on the disk of a whole agent, and again after its restart."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTHING_LOST = ("over_cap", "undebited", "refunds", "two_vectors_in_a_round", "broken_chains")


def driven(order: str, scratch: Path, repository: Path) -> dict[str, int]:
    """What tests/client/crash_agent.py counted over all kill points."""
    done = subprocess.run(
        [sys.executable, "tests/client/crash_agent.py", order, str(scratch)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {str(name): int(count) for name, count in json.loads(done.stdout).items()}


@pytest.mark.slow
def test_no_kill_point_of_the_agent_costs_a_patient_anything(
    tmp_path: Path, repository: Path
) -> None:
    """Both ledgers, the stored vectors, receipts, countersignatures and what was witnessed."""
    count = driven("write_ahead", tmp_path, repository)
    assert count["points"] >= 48
    assert count["cases"] == 3 * count["points"]
    assert count["crashes"] >= 1.4 * count["cases"]
    assert {name: count[name] for name in NOTHING_LOST} == dict.fromkeys(NOTHING_LOST, 0)
    assert count["repairs"] > 0
    assert count["spent_without_release"] > 0


@pytest.mark.slow
def test_no_kill_point_of_metrics_costs_a_patient_anything(
    tmp_path: Path, repository: Path
) -> None:
    """The same with metrics for a second release: debited by name, drawn once, sent again."""
    count = driven("metrics", tmp_path, repository)
    assert count["points"] >= 48
    assert count["cases"] == 3 * count["points"]
    assert {name: count[name] for name in NOTHING_LOST} == dict.fromkeys(NOTHING_LOST, 0)
    assert count["metrics_unnamed"] == 0
    assert count["metrics_told"] >= 0.3 * count["cases"]
    assert count["spent_without_release"] > 0


@pytest.mark.slow
def test_planted_an_agent_that_records_after_it_sent_is_seen(
    tmp_path: Path, repository: Path
) -> None:
    count = driven("record_after", tmp_path, repository)
    assert count["over_cap"] > 0
    assert count["undebited"] > 0
    assert count["two_vectors_in_a_round"] > 0
