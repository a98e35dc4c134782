"""The benchmark of the sandbox times what it says."""

import numpy as np
import pytest

import simulations.bench_sandbox as bench
from models.sandbox import lived

pytestmark = pytest.mark.slow


def test_every_regimen_is_lived_and_differs() -> None:
    glucose = lived(bench.timed_ground(2), bench.scenarios(3))
    assert glucose.shape == (3, 2, 864)
    assert np.abs(glucose[0] - glucose[2]).max() > 1.0


def test_rows_have_what_the_bench_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MANY", 2)
    monkeypatch.setattr(bench, "SOME", 2)
    monkeypatch.setattr(bench, "DRAWS", 2)
    monkeypatch.setattr(bench, "ALLOWED_S", {2: 1.0})
    monkeypatch.setattr(bench, "reference_minute_s", lambda: 0.01)
    one, many = bench.rows()
    assert (one["name"], many["name"]) == ("sandbox_1000x72h", "sandbox_200x32x72h")
    assert one["rival_s"] == pytest.approx(0.01 * 60 * 72 * 2)
    assert many["rival_s"] == pytest.approx(0.01 * 60 * 72 * 4) and many["ours_s"] > 0.0
