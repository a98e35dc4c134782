"""bench.json: its rows and ratios, whatever a module or a rival does."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import simulations.bench as bench
from study.failure import ExitCode, Failure


def row(**changes: Any) -> dict[str, Any]:
    return {
        "name": "dp_step",
        "ours_s": 0.5,
        "rival": "opacus",
        "rival_s": 2.0,
        "note": "",
        **changes,
    }


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def broken() -> list[dict[str, Any]]:
    raise Failure(
        found="no compiler",
        expected="one",
        consequence="Nothing was timed.",
        remedy="install one",
        code=ExitCode.MISSING_INPUT,
    )


def test_the_ratio_is_the_rivals_time_over_ours_whatever_the_module_says() -> None:
    assert bench.checked("bench_x", row(ratio=99.0))["ratio"] == 4.0


def test_a_rival_that_is_not_installed_costs_its_ratio_only() -> None:
    timed = bench.checked("bench_x", row(rival_s=None, note="rival not installed"))
    assert timed["ratio"] is None and timed["ours_s"] == 0.5


@pytest.mark.parametrize(
    "wrong", [{"name": "dp step"}, {"ours_s": 0.0}, {"ours_s": float("nan")}, {"name": None}]
)
def test_a_row_that_readers_could_not_use_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Failure, match=r"correct rows\(\) in simulations/bench_x\.py"):
        bench.checked("bench_x", row(**wrong))


def test_a_row_without_a_key_is_refused() -> None:
    short = row()
    del short["note"]
    with pytest.raises(Failure, match="left out of bench"):
        bench.checked("bench_x", short)


def test_one_broken_module_costs_only_its_own_rows() -> None:
    console = quiet()
    benches = {"bench_a": broken, "bench_b": lambda: [row(), row(name="round_20_clinics")]}
    rows, code = bench.collect(benches, console)
    assert [each["name"] for each in rows] == ["dp_step", "round_20_clinics"]
    assert code is ExitCode.MISSING_INPUT
    assert isinstance(console.file, io.StringIO)
    assert "bench_a: found no compiler" in console.file.getvalue()


def test_bench_json_is_written_and_what_was_not_timed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(), row(name="map_14_days", rival_s=None)]
    monkeypatch.setattr(bench, "modules", lambda: {"bench_a": lambda: rows})
    out = tmp_path / "bench.json"
    assert bench.main(["--out", str(out)]) == ExitCode.SUCCESS
    written = json.loads(out.read_text())
    assert [each["name"] for each in written["rows"]] == ["dp_step", "map_14_days"]
    assert set(written["rows"][0]) == {"name", "ours_s", "rival", "rival_s", "ratio", "note"}
    said = capsys.readouterr()
    assert said.out == ""
    assert "not timed: regimens_100x72h" in said.err
    assert "dp_step" not in said.err[said.err.index("not timed") :]


def test_every_module_of_that_name_is_found(repository: Path) -> None:
    here = {path.stem for path in (repository / "simulations").glob("bench_*.py")}
    found = bench.modules()
    assert set(found) == here and here
    assert all(callable(rows) for rows in found.values())


def test_the_page_has_every_row_and_what_it_means() -> None:
    timed = [
        bench.checked("bench_x", row(note="sixteen patients")),
        bench.checked("bench_x", row(name="map_14_days", rival_s=None)),
    ]
    text = bench.page(timed)
    assert "| dp_step | 0.5 | 2 | 4 | opacus |" in text
    assert "| map_14_days | 0.5 | - | - | opacus |" in text
    assert "- `dp_step`: sixteen patients." in text


def test_the_command_writes_the_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "modules", lambda: {"bench_x": lambda: [row()]})
    out, written = tmp_path / "bench.json", tmp_path / "benchmarks.md"
    assert bench.main(["--out", str(out), "--page", str(written)]) == ExitCode.SUCCESS
    assert json.loads(out.read_text())["rows"][0]["name"] in written.read_text()


def test_one_module_alone(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    assert bench.main(["--only", "bench_gate", "--out", str(out)]) == 0
    assert [each["name"] for each in json.loads(out.read_text())["rows"]] == ["gate_10k"]
