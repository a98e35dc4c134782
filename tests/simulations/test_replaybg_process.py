"""What runs in ReplayBG's environment: timed as said, and silent on stdout but for the answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulations import replaybg_process
from simulations.replaybg_rival import FOLDER, PACKAGE, PROCESS
from tests.simulations.replaybg_day import STEADY_MU_KG_MIN, WEIGHT_KG, some_values, write_day


def test_the_first_run_compiles_and_is_not_timed() -> None:
    calls: list[int] = []
    seconds = replaybg_process._seconds(lambda: calls.append(1), 3)
    assert len(calls) == 4 and 0.0 <= seconds < 1.0


def test_powell_finds_a_bowls_bottom() -> None:
    reached, seconds = replaybg_process._powell(lambda v: float(((v - 2.0) ** 2).sum()), [0.0, 5.0])
    assert reached == pytest.approx(0.0, abs=1e-6) and seconds > 0.0


def test_its_table_has_times(tmp_path: Path) -> None:
    data = replaybg_process._table(str(write_day(tmp_path / "day.csv")))
    assert data["t"].dt.hour.iloc[0] == 6 and len(data) == 288


def test_without_the_package_it_ends_badly_and_prints_nothing(tmp_path: Path) -> None:
    task = json.dumps({"table": "", "values": []})
    done = subprocess.run(
        [sys.executable, str(PROCESS)], input=task, capture_output=True, text=True, check=False
    )
    assert done.returncode and done.stdout == ""


@pytest.mark.slow
@pytest.mark.skipif(
    not (FOLDER / "venv" / f".{PACKAGE}").is_file(), reason="`make bench` has not installed it yet"
)
def test_replaybg_answers(tmp_path: Path, repository: Path) -> None:
    golden = json.loads((repository / "tests" / "golden" / "replaybg.json").read_text())
    task = {
        "table": str(write_day(tmp_path / "day.csv")),
        "weight_kg": WEIGHT_KG,
        "steady_mu_kg_min": STEADY_MU_KG_MIN,
        "names": golden["names"],
        "values": some_values(1, tuple(golden["names"])),
        "replays": 1,
    }
    done = subprocess.run(
        [str(FOLDER / "venv" / "bin" / "python"), str(PROCESS)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["objective"] == pytest.approx(golden["objective"]["1"])
    assert told["names"] == golden["names"] and told["replay_s"] > 0.0
