"""The rows beside ReplayBG: what it said of our values, or why it said nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulations import bench_replaybg, bench_twin, replaybg_fit, replaybg_rival
from simulations.bench import checked
from simulations.bench_replaybg import rows, virtual_day
from simulations.replaybg_model import read_day
from simulations.replaybg_rival import Example
from study.failure import ExitCode, Failure

TOLD = {
    "objective": 1048.6,
    "objective_s": 4e-4,
    "powell_objective": 1879.0,
    "powell_s": 5.0,
    "replay_s": 0.02,
}


def absent(*_: object, **__: object) -> Any:
    raise Failure(
        found="no network", expected="x", consequence="", remedy="", code=ExitCode.MISSING_INPUT
    )


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bench_twin, "DAYS", 2)
    monkeypatch.setattr(bench_twin, "REPEATS", 1)
    monkeypatch.setattr(bench_replaybg, "REPLAYS", 3)
    monkeypatch.setattr(bench_replaybg, "REPEATS", 1)
    monkeypatch.setattr(replaybg_fit, "FAMILIES", ((2, 0.0),))
    monkeypatch.setattr(replaybg_rival, "example", absent)
    bench_twin._person.cache_clear()
    yield
    bench_twin._person.cache_clear()


def test_without_network_both_rows_have_our_time_and_say_why_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaybg_rival, "installed", absent)
    found = {row["name"]: checked("bench_replaybg", row) for row in rows()}
    assert set(found) == {"map_patient_day", "regimens_100x24h"}
    for row in found.values():
        assert row["rival_s"] is None and row["ratio"] is None and "no network" in row["note"]
    assert "virtual adolescent" in found["map_patient_day"]["note"]
    assert "1117.1" not in found["map_patient_day"]["note"]


def test_with_it_the_figure_is_what_replaybg_says_of_our_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def answer(python: Path, task: dict[str, Any]) -> dict[str, float]:
        asked.append(task)
        return TOLD

    given = virtual_day(tmp_path)
    monkeypatch.setattr(replaybg_rival, "example", lambda: given)
    monkeypatch.setattr(replaybg_rival, "installed", lambda: Path("python"))
    monkeypatch.setattr(replaybg_rival, "answer", answer)
    found = {row["name"]: row for row in rows()}
    best, replays = found["map_patient_day"], found["regimens_100x24h"]
    assert best["rival_s"] == pytest.approx(640.0) and replays["rival_s"] == pytest.approx(0.06)
    assert "-ln posterior 1048.6, as ReplayBG itself counts our values" in best["note"]
    assert "known before was 1117.1" in best["note"] and "1879.0" in best["note"]
    (task,) = asked
    assert len(task["values"]) == len(task["names"]) and task["table"] == str(given.table)


def test_a_virtual_day_reads_as_one_of_theirs(tmp_path: Path) -> None:
    given: Example = virtual_day(tmp_path)
    day = read_day(given.table, given.weight_kg, given.steady_mu_kg_min)
    trace = bench_twin.timed_trace().rows(0, 288)
    eaten = day.meals_mg_kg_min.sum() * given.weight_kg / 1000.0
    assert eaten == pytest.approx(trace["carbs_g"].sum())
    assert day.labels and np.array_equal(
        day.glucose_mg_dl, trace["glucose_mg_dl"][np.isfinite(trace["glucose_mg_dl"])]
    )
    # Above the mean basal rate that is the steady state, a day's insulin is its boluses.
    units = day.insulin_mu_kg_min.sum() * given.weight_kg / 1000.0
    assert units == pytest.approx(trace["bolus_u"].sum(), rel=0.05)
