"""The rival is asked in its own environment, or it is said why it was not."""

import ast
import hashlib
import json
import sys
from pathlib import Path

import pytest

from simulations import replaybg_rival
from simulations.replaybg_rival import (
    EXAMPLE,
    PACKAGE,
    PROCESS,
    SOURCE_VARIABLE,
    answer,
    example,
    installed,
)
from study.failure import ExitCode, Failure


def shipped(folder: Path, day: bytes = b"t,glucose\n") -> Path:
    data = folder / EXAMPLE
    data.mkdir(parents=True)
    (data / "data_day_1.csv").write_bytes(day)
    (data / "patient_info.csv").write_text("patient,u2ss,bw\n2,9,9\n1,0.25,72\n")
    return data


def test_the_example_is_the_day_that_the_known_best_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shipped(tmp_path)
    own = hashlib.sha256(b"t,glucose\n").hexdigest()
    monkeypatch.setattr(replaybg_rival, "EXAMPLE_SHA256", own)
    found = example(tmp_path)
    assert found.table == data / "data_day_1.csv"
    assert (found.weight_kg, found.steady_mu_kg_min) == (72.0, 0.25)


def test_another_day_in_its_place_is_refused(tmp_path: Path) -> None:
    shipped(tmp_path)
    with pytest.raises(Failure, match="another first day") as caught:
        example(tmp_path)
    assert caught.value.code is ExitCode.MISSING_INPUT
    assert SOURCE_VARIABLE in caught.value.remedy


def test_a_repository_out_of_reach_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(Failure, match=r"git clone.*ended with"):
        example(tmp_path / "folder")


def test_an_environment_once_made_is_used_again(tmp_path: Path) -> None:
    """Nothing is installed: there is no Python in that folder that could."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / f".{PACKAGE}").touch()
    assert installed(tmp_path) == tmp_path / "venv" / "bin" / "python"


def test_an_index_out_of_reach_costs_the_comparison_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Failure, match="ReplayBG was not compared with"):
        installed(tmp_path)


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaybg_rival, "ANSWER_MAY_TAKE_S", 0.01)
    with pytest.raises(Failure, match="no end of"):
        answer(Path(sys.executable), {})


def test_without_replaybg_the_process_says_so_and_no_more() -> None:
    """This environment has none, and must not."""
    with pytest.raises(Failure, match="No module named 'py_replay_bg'"):
        answer(Path(sys.executable), {"table": ""})


def test_no_source_imports_a_package_of_the_gpl_and_the_process_nothing_of_ours(
    repository: Path,
) -> None:
    own = {"study", "models", "privacy", "client", "server", "simulations", "insula"}
    assert not imported(PROCESS) & own
    for path in (repository / "simulations").glob("*.py"):
        assert "py_replay_bg" not in imported(path)


def imported(path: Path) -> set[str]:
    """Top-level names that a file's import statements name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_that_check_sees_an_import(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    from py_replay_bg.data import ReplayBGData\n")
    assert "py_replay_bg" in imported(planted)


def test_an_answer_is_what_the_process_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = tmp_path / "echo.py"
    echo.write_text("import json, sys; json.dump({'got': json.load(sys.stdin)}, sys.stdout)")
    monkeypatch.setattr(replaybg_rival, "PROCESS", echo)
    assert answer(Path(sys.executable), {"values": [1.5]}) == {"got": {"values": [1.5]}}
    assert json.dumps(PACKAGE)
