"""`insula twin try` as people and scripts call it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from client.site_table import write_site
from insula import main
from study.failure import ExitCode
from tests.client.recorded_person import recorded_person

pytestmark = pytest.mark.slow

SCENARIO = """
name: Dinner <b>out</b>
hours: 48
meals: [{at: "20:30", carbs_g: 60, fat_g: 35, protein_g: 30, bolus_u: 5, now: 50%, over_h: 2}]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(folder / "site.parquet", (replace(recorded_person(), weight_kg=70.0),))
    (folder / "dinner.yaml").write_text(SCENARIO)
    return folder


def test_json_and_page_hold_the_answer(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = site / "dinner.html"
    words = ["twin", "try", "P1", str(site / "dinner.yaml"), "--site", str(site)]
    assert main([*words, "--out", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["scenario"] == "Dinner <b>out</b>" and said["hours"] == 48
    assert said["measures"]["mean"]["low"] <= said["measures"]["mean"]["high"]
    assert len(said["curves"]["middle_mg_dl"]) == 576
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 2 and "Dinner &lt;b&gt;out" in text and "<b>out" not in text
    assert not any(word in text for word in ("http://", "https://", "<script"))
    assert "not for treatment" in text


def test_prose_says_what_why_and_how_sure(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "try", "P1", str(site / "dinner.yaml"), "--site", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "80 % of the twins" in said and "Fat slows the gut" in said
    assert "Research software, not for treatment." in said


def test_a_dose_in_the_wrong_unit_is_refused(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: a\nboluses: [{at: '12:00', units: 4000 mU}]\n")
    code = main(["twin", "try", "P1", str(wrong), "--site", str(site)])
    assert code == ExitCode.USAGE
    assert "1 U is 1,000 mU" in " ".join(capsys.readouterr().err.split())


def test_another_target_needs_the_correction_factor(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lower the factor, the more units a target 20 mg/dL lower asks for."""
    person = recorded_person()
    correcting = person["bolus_u"].copy()
    correcting[36::288] = 2.0  # three o'clock at night, no meal near
    columns = {**person.columns, "bolus_u": correcting}
    write_site(tmp_path / "site.parquet", (replace(person, columns=columns),))
    lower = tmp_path / "lower.yaml"
    lower.write_text("name: lower\ntarget: {from_mg_dl: 120, to_mg_dl: 100}\n")
    words = ["twin", "try", "P1", str(lower), "--site", str(tmp_path), "--json"]
    assert main(words) == ExitCode.REFUSED
    assert "--correction-factor 45" in capsys.readouterr().out
    change = []
    for factor in ("40", "20"):
        assert main([*words, "--correction-factor", factor]) == 0
        change.append(json.loads(capsys.readouterr().out)["measures"]["mean"]["change"])
    assert change[1] < change[0] < -0.5


def test_days_drawn_from_habits(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["twin", "try", "P1", str(site / "dinner.yaml"), "--site", str(site), "--habits"]
    page = site / "habits.html"
    assert main([*words, "--out", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["drawn_from_habits"] and said["days"] == 7
    assert "drawn from this person's habits" in said["sentences"][0]
    assert "7 drawn stretches" in page.read_text(encoding="utf-8")
