"""`insula twin card` and `insula twin insulin`, as people and scripts call them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.site_table import read_site, write_site
from insula import main
from models.trace import STEPS_PER_DAY
from study.failure import ExitCode
from tests.client.judged_person import judged_person, sensor_alone, with_columns

pytestmark = pytest.mark.slow

HOSTILE = "../<script>"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Four people: a right twin on injections, a sensor alone, one day, and a hostile name."""
    person = judged_person()
    doses = np.zeros(len(person))
    doses[::STEPS_PER_DAY] = 15.0
    folder = tmp_path / "site"
    everybody = (
        with_columns(person, long_acting_u=doses),
        sensor_alone(),
        replace(person.rows(0, STEPS_PER_DAY), patient="short"),
        replace(person, patient=HOSTILE),
    )
    write_site(folder / "site.parquet", everybody)
    return folder


@pytest.mark.slow
def test_one_card_as_json_and_as_a_page(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "card.html"
    words = ["twin", "card", "p", "--site", str(site), "--out", str(page), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["patient"] == "p" and said["calibrated_on_days"] == 10.0
    assert any("Long-acting insulin of no stated product" in w["words"] for w in said["warnings"])
    assert "Research software, not for treatment" in page.read_text(encoding="utf-8")


def test_one_card_in_the_terminal(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "card", "alone", "--site", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "alone: Do not use for what-if" in said
    assert "No insulin and meals on record" in said
    assert "Research software, not for treatment." in said


@pytest.mark.slow
def test_everybody_gets_a_row_and_whoever_can_a_page(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names make no paths: planted is a patient who would be written beside the folder."""
    folder = tmp_path / "cards"
    assert main(["twin", "card", "--all", "--site", str(site), "--out", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["patients"]
    assert [one["patient"] for one in said] == ["p", "alone", "short", HOSTILE]
    assert said[2]["verdict"] == "none" and "has 1 days" in said[2]["reason"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"index.html", "card-001.html", "card-002.html", "card-004.html"}
    assert {path.name for path in tmp_path.iterdir()} == {"cards", "site"}
    assert "<script" not in (folder / "index.html").read_text(encoding="utf-8")


def test_the_overview_in_the_terminal(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "card", "--all", "--site", str(site)]) == 0
    said = capsys.readouterr().out
    assert "short" in said and "alone" in said
    assert "Research software, not for treatment." in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], ExitCode.USAGE, "neither a patient nor --all"),
        (["p", "--all"], ExitCode.USAGE, "both a patient and --all"),
        (["nobody"], ExitCode.MISSING_INPUT, "no patient nobody"),
        (["short"], ExitCode.REFUSED, "must not be used"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    words: list[str],
    code: ExitCode,
    said: str,
    site: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["twin", "card", *words, "--site", str(site), "--json"]) == code
    heard = capsys.readouterr()
    assert said in heard.err
    assert json.loads(heard.out)["error"]["exit_code"] == code


@pytest.mark.slow
def test_a_stated_product_is_kept_and_its_warning_goes(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_site(site / "site.parquet")
    words = ["twin", "insulin", "p", "Tresiba", "--site", str(site), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["half_life_h"] == 25.0
    after = read_site(site / "site.parquet")
    assert [one.long_acting_product for one in after] == ["Tresiba", None, None, None]
    for one, other in zip(before, after, strict=True):
        assert one["glucose_mg_dl"].tobytes() == other["glucose_mg_dl"].tobytes()
    assert main(["twin", "card", "p", "--site", str(site), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["long_acting_product"] == "Tresiba"
    assert not any("Long-acting" in warning["words"] for warning in said["warnings"])


def test_an_unknown_product_is_refused_and_nothing_is_written(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (site / "site.parquet").read_bytes()
    assert main(["twin", "insulin", "p", "NovoMix", "--site", str(site)]) == ExitCode.USAGE
    assert "tresiba" in capsys.readouterr().err
    assert (site / "site.parquet").read_bytes() == before


@pytest.mark.parametrize("command", ["card", "insulin"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", command, "--help"]) == 0
    assert f"Example: insula twin {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_real_patient_gets_a_whole_card(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, page = str(tmp_path / "uom"), tmp_path / "card.html"
    folder = ["site", "import", str(shared_data / "uom")]
    assert main([*folder, "--layout", "uom", "--time-zone", "Europe/London", "--out", site]) == 0
    capsys.readouterr()
    assert main(["twin", "card", "2307", "--site", site, "--out", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    horizons = [score["horizon_min"] for score in said["scores"]]
    assert horizons == [30, 60, 120, 240, 1440, 4320]
    assert all(20.0 < score["rmse_mg_dl"]["twin"] < 100.0 for score in said["scores"])
    assert said["flags"] and said["verdict"] in ("care", "stop")
    assert {effect["change"] for effect in said["effects"]} >= {"bolus-20%", "bolus+20%"}
    text = page.read_text(encoding="utf-8")
    assert all(flag in text for flag in said["flags"])
