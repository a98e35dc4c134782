"""SIGKILL at every write, sync, rename, cut: never over the cap, never refunded or redrawn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def driven(order: str, scratch: Path, repository: Path) -> dict[str, int]:
    """What tests/privacy/crash_driver.py counted over all kill points."""
    done = subprocess.run(
        [sys.executable, "tests/privacy/crash_driver.py", order, str(scratch)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {str(name): int(count) for name, count in json.loads(done.stdout).items()}


@pytest.mark.slow
def test_no_kill_point_passes_the_cap_or_refunds(tmp_path: Path, repository: Path) -> None:
    count = driven("write_ahead", tmp_path, repository)
    assert count["cases"] >= 60
    assert count["crashes"] >= count["cases"]
    assert count["over_cap"] == count["refunds"] == count["undebited"] == 0
    assert count["two_vectors_in_a_round"] == 0
    assert count["repairs"] > 0
    assert count["spent_without_release"] > 0


@pytest.mark.slow
def test_planted_order_release_before_debit_is_seen(tmp_path: Path, repository: Path) -> None:
    count = driven("release_first", tmp_path, repository)
    assert count["over_cap"] > 0
    assert count["undebited"] > 0
    assert count["two_vectors_in_a_round"] > 0
