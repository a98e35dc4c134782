"""`insula report`, also as `insula study report`, as people and scripts call it."""

import json
from pathlib import Path

import pytest

from insula import main
from server.run_record import RunRecord, write_run_record
from study.failure import ExitCode

pytestmark = pytest.mark.slow


def test_it_prints_the_path_and_says_the_headline_aside(
    full_record: RunRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run_record(tmp_path, full_record)
    assert main(["report", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert Path(said.out.strip()) == tmp_path / "report.html"
    assert "2 of 3 clinics" in said.err
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("words", [["report"], ["study", "report"]])
def test_json_is_one_object_with_epsilon_in_it(
    words: list[str],
    thin_record: RunRecord,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_run_record(tmp_path, thin_record)
    assert main([*words, str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["epsilon"], said["delta"], said["noise"]) == (8.0, 1e-5, "exact")
    assert len(said["findings"]["same_patients"]) == 5
    assert said["report"].endswith("report.html")


def test_a_missing_run_ends_with_its_code_and_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "none"), "--json"]) == ExitCode.MISSING_INPUT
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["exit_code"] == ExitCode.MISSING_INPUT
    assert "insula simulate run" in said.err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    assert "Example: insula report runs/demo" in capsys.readouterr().out
