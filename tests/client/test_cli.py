"""`insula site import`, from the words on the command line to the files in the site folder."""

import csv
import json
from pathlib import Path

import pytest

from client.site_table import read_site
from insula import main
from study.failure import ExitCode
from tests.client.ingest.exports import BOLUS, GLUCOSE, clock, readings, write, write_uom

FILES = ["quarantine.csv", "site-report.json", "site.parquet"]


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Two patients, one of whom has a bad row in the insulin and one no usable reading."""
    folder = tmp_path / "exports"
    write_uom(folder, GLUCOSE, readings(), "a")
    write_uom(folder, BOLUS, [f"{clock(60)},3", f"{clock(90)},-3"], "a")
    write_uom(folder, GLUCOSE, readings()[:20], "b")
    return folder


def run(source: Path, out: Path, *more: str) -> int:
    words = ["site", "import", str(source), "--layout", "uom", "--time-zone", "Europe/London"]
    return main([*words, "--out", str(out), *more])


def test_three_files_are_written(exports: Path, tmp_path: Path) -> None:
    assert run(exports, tmp_path / "site") == ExitCode.SUCCESS
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == FILES
    (trace,) = read_site(tmp_path / "site" / "site.parquet")
    assert (trace.patient, trace["bolus_u"][12]) == ("a", 3.0)


def test_every_bad_row_is_in_the_quarantine_file(exports: Path, tmp_path: Path) -> None:
    run(exports, tmp_path / "site")
    text = (tmp_path / "site" / "quarantine.csv").read_text()
    assert [*csv.DictReader(text.splitlines())] == [
        {
            "file": "UoMBolusa.csv",
            "row": "3",
            "column": "bolus_dose",
            "value": "-3",
            "reason": "outside 0 to 60 U, the most a pen of rapid insulin gives; "
            "is it a long-acting dose?",
        }
    ]


def test_json_is_one_object_on_stdout_and_the_report_on_disk(
    exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(exports, tmp_path / "site", "--json") == ExitCode.SUCCESS
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("site") == str(tmp_path / "site")
    assert printed == json.loads((tmp_path / "site" / "site-report.json").read_text())
    assert [one["patient"] for one in printed["patients"]] == ["a", "b"]


def test_prose_goes_to_stderr(
    exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(exports, tmp_path / "site")
    out, err = capsys.readouterr()
    assert out == ""
    said = " ".join(err.split())
    assert "1 patients, 1 days" in said
    assert "1 patients cannot be used." in said
    assert "1 rows were put aside" in said


def test_a_site_without_a_usable_patient_gets_a_report_and_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_uom(tmp_path / "exports", GLUCOSE, readings()[:20])
    assert run(tmp_path / "exports", tmp_path / "site", "--json") == ExitCode.BAD_DATA
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == FILES[:2]
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["found"] == "no patient with usable readings among 1"
    assert "site-report.json" in error["remedy"]


def test_a_missing_folder_writes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "absent", tmp_path / "site") == ExitCode.MISSING_INPUT
    assert not (tmp_path / "site").exists()


def test_a_file_without_header_writes_nothing_and_is_named(
    exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(exports / f"{GLUCOSE}c.csv", [f"{clock(0)},7.5"])
    assert run(exports, tmp_path / "site", "--json") == ExitCode.BAD_DATA
    assert "UoMGlucosec.csv, row 1" in json.loads(capsys.readouterr().out)["error"]["found"]
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("missing", ["--layout", "--time-zone", "--out"])
def test_an_option_that_is_left_out_is_named(
    exports: Path, tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--layout", "uom", "--time-zone", "UTC", "--out", str(tmp_path / "site")]
    place = words.index(missing)
    del words[place : place + 2]
    assert main(["site", "import", str(exports), *words]) == ExitCode.USAGE
    assert missing in capsys.readouterr().err


def test_help_shows_an_example_that_runs(
    exports: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main(["site", "import", "--help"]) == ExitCode.SUCCESS
    shown = " ".join(capsys.readouterr().out.split())
    example = shown.split("Example: insula ")[1].split(" ╭")[0].split()
    assert example[:2] == ["site", "import"]
    monkeypatch.chdir(tmp_path)
    assert main(example) == ExitCode.SUCCESS
    assert (tmp_path / "site" / "site.parquet").is_file()
