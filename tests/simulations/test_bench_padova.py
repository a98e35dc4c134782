"""The benchmark of virtual years says what it timed; nobody here asserts how long it took."""

import numpy as np
import pytest

from simulations import bench_padova
from simulations.bench import NAMES, checked
from simulations.bench_padova import rows
from study.failure import ExitCode, Failure

KEYS = {"name", "ours_s", "rival", "rival_s", "ratio", "note"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_padova, "YEAR_DAYS", 2)
    monkeypatch.setattr(bench_padova, "REFERENCE_MIN", 10)


@pytest.mark.slow
def test_one_row_compares_a_year_with_simglucose() -> None:
    (row,) = rows()
    assert set(row) == KEYS
    assert row["name"] in NAMES
    assert checked("bench_padova", row)["ratio"] == row["ratio"]
    ours, rival, ratio = row["ours_s"], row["rival_s"], row["ratio"]
    assert isinstance(ours, float)
    assert isinstance(rival, float)
    assert ratio == pytest.approx(rival / ours)
    assert "scaled to a year" in str(row["note"])
    assert "plain attributes" in str(row["note"])


def test_without_simglucose_the_row_says_that_nothing_was_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(*_: object, **__: object) -> np.ndarray:
        raise Failure(
            found="none", expected="x", consequence="", remedy="", code=ExitCode.MISSING_INPUT
        )

    monkeypatch.setattr(bench_padova, "reference_glucose", absent)
    (row,) = rows()
    assert row["rival_s"] is None
    assert row["ratio"] is None
    assert "not installed" in str(row["note"])
