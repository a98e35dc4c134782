"""`insula twin` as people and scripts call it, on a site table written by the importer's writer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from client.site_table import write_site
from insula import main
from models.trace import Trace
from study.failure import ExitCode
from tests.client.recorded_person import recorded_person

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinic of two: one with treatment on record, one with a sensor alone."""
    folder = tmp_path_factory.mktemp("site")
    person = recorded_person()
    sensor_alone = Trace(
        "P2", "Europe/London", 5, person.start_utc_s, {"glucose_mg_dl": person["glucose_mg_dl"]}
    )
    write_site(folder / "site.parquet", (replace(person, weight_kg=70.0), sensor_alone))
    return folder


def test_json_holds_both_curves_and_their_difference(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", "compare", "P1", "--site", str(site), "--basal", "+10%", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["hours"] == 24 and len(said["glucose_changed_mg_dl"]) == 288
    assert said["regimen"]["basal_scale"] == pytest.approx(1.1)
    difference = said["changed"]["mean_mg_dl"] - said["recorded"]["mean_mg_dl"]
    assert said["mean_difference_mg_dl"] == pytest.approx(difference)
    assert difference < 0.0
    assert said["words"].startswith("With 10 % more basal insulin")


def test_the_table_and_the_words_are_printed(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", "compare", "P1", "--site", str(site), "--bolus", "-10%"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Mean glucose, mg/dL" in said and "difference" in said
    assert "With 10 % less bolus insulin" in said
    assert "Research software, not for treatment." in said


def test_a_page_is_written_where_it_is_wanted(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "answer.html"
    words = ["twin", "compare", "P1", "--site", str(site), "--carbs", "+20%", "--out", str(page)]
    assert main(words) == 0
    assert "<svg" in page.read_text(encoding="utf-8")
    assert "Both curves" in capsys.readouterr().out


def test_a_day_can_be_named(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["twin", "compare", "P1", "--site", str(site), "--basal", "+10%", "--json"]
    assert main([*words, "--day", "2023-11-16"]) == 0
    assert json.loads(capsys.readouterr().out)["start_local"].startswith("2023-11-16T00:00")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["P2", "--basal", "+10%"], ExitCode.REFUSED, "population's and not this patient's"),
        (["P9", "--basal", "+10%"], ExitCode.MISSING_INPUT, "no patient P9"),
        (["P1"], ExitCode.USAGE, "changes nothing"),
        (["P1", "--basal", "more"], ExitCode.USAGE, "a change of 'more'"),
        (["P1", "--basal", "+10%", "--day", "2040-01-01"], ExitCode.REFUSED, "2040-01-01"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    words: list[str],
    code: ExitCode,
    said: str,
    site: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["twin", "compare", *words, "--site", str(site), "--json"]) == code
    heard = capsys.readouterr()
    assert said in heard.err
    assert json.loads(heard.out)["error"]["exit_code"] == code


def test_a_folder_without_a_site_table_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", "list", "--site", str(tmp_path)]) == ExitCode.MISSING_INPUT
    assert "insula site import" in capsys.readouterr().err


def test_the_list_says_who_can_be_asked(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "list", "--site", str(site), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["patients"]
    assert (first["patient"], first["can_be_asked"]) == ("P1", "yes")
    assert first["days_with_insulin_and_meals"] == pytest.approx(6.0)
    assert first["readings_pct"] == pytest.approx(100.0)
    assert (second["patient"], second["can_be_asked"]) == ("P2", "no")
    assert main(["twin", "list", "--site", str(site)]) == 0
    assert "P2" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["compare", "list"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", command, "--help"]) == 0
    assert f"Example: insula twin {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_real_clinic_is_imported_and_a_real_patient_asked(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = str(tmp_path / "uom")
    folder = ["site", "import", str(shared_data / "uom")]
    assert main([*folder, "--layout", "uom", "--time-zone", "Europe/London", "--out", site]) == 0
    capsys.readouterr()
    differences = []
    for change in ("-10%", "+10%"):
        assert main(["twin", "compare", "2301", "--site", site, "--basal", change, "--json"]) == 0
        differences.append(json.loads(capsys.readouterr().out)["mean_difference_mg_dl"])
    assert differences[0] > 0.5 and differences[1] < -0.5
