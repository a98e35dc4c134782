"""The twin's benchmarks say what they timed; nobody here asserts how long it took."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.heads import BOOK_PRIOR, NAMES
from models.openloop import open_loop
from models.posterior import Posterior, mode_of
from simulations import bench_twin
from simulations.bench import NAMES as EXPECTED
from simulations.bench import checked
from simulations.bench_twin import ByDifferences, rows
from study.failure import ExitCode, Failure


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "DAYS": 2,
        "HOURS": 14,
        "REGIMENS": 3,
        "MANY_REGIMENS": 5,
        "REFERENCE_MIN": 5,
        "REPEATS": 1,
        "POWELL_TOLERANCE": 0.1,
        "PATIENTS": 2,
    }.items():
        monkeypatch.setattr(bench_twin, name, value)
    bench_twin._person.cache_clear()
    yield
    bench_twin._person.cache_clear()


@pytest.mark.slow
def test_the_rows_are_those_that_readers_depend_on_and_larger_ones() -> None:
    found = {row["name"]: checked("bench_twin", row) for row in rows()}
    mine = {name for name in EXPECTED if name.startswith(("regimens", "map_14"))}
    more = {"regimens_1000x72h", "map_14_days_batched", "map_patient_day_of_twin"}
    assert set(found) == mine | more
    assert all(row["rival_s"] is None or row["rival_s"] > 0.0 for row in found.values())
    assert "same" in found["map_14_days"]["rival"]
    assert "posterior" in found["map_patient_day_of_twin"]["note"]
    assert "2 adolescents" in found["map_14_days_batched"]["note"]
    assert "time only" in found["regimens_100x72h"]["note"]


def test_without_simglucose_the_row_says_that_nothing_was_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(*_: object, **__: object) -> np.ndarray:
        raise Failure(
            found="none", expected="x", consequence="", remedy="", code=ExitCode.MISSING_INPUT
        )

    monkeypatch.setattr(bench_twin, "reference_glucose", absent)
    row = bench_twin.regimens_row("regimens_100x72h", 2)
    assert row["rival_s"] is None and "not installed" in row["note"]


def test_regimens_differ_in_insulin_and_in_nothing_else() -> None:
    low, same, high = bench_twin.regimens(3, 14)
    assert np.array_equal(low.carbs_mg_kg_min, high.carbs_mg_kg_min)
    paths = open_loop(BOOK_PRIOR.mean, [low, same, high], 140.0).interstitial_mg_dl
    assert len(np.unique(paths[:, -1])) == 3


def test_the_rival_of_14_days_finds_the_same_head() -> None:
    """It is the same search: only its derivatives cost a run each."""
    record = bench_twin._record(1)
    ours, theirs = (mode_of(kind.of(record, BOOK_PRIOR)) for kind in (Posterior, ByDifferences))
    assert theirs[1].cost == pytest.approx(ours[1].cost, rel=1e-2)
    z = np.zeros(len(NAMES))
    slopes = [kind.of(record, BOOK_PRIOR).expansion(z)[1] for kind in (Posterior, ByDifferences)]
    assert slopes[1] == pytest.approx(slopes[0], abs=2e-2 * np.abs(slopes[0]).max())
    assert isinstance(theirs[0], ByDifferences)


def test_the_patients_of_a_batch_are_different_people() -> None:
    one, other = bench_twin.timed_trace(0), bench_twin.timed_trace(1)
    assert not np.array_equal(one["glucose_mg_dl"], other["glucose_mg_dl"])
    assert one.weight_kg == bench_twin.timed_weight_kg(0)
