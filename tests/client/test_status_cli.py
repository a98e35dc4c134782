"""`insula site status` as typed: a table for people, one JSON object for scripts."""

import json
from pathlib import Path

import pytest

from client.site_folder import LOG, parse_settings
from client.site_init import make_site
from insula import main
from study.failure import ExitCode
from tests.client.certificates import Authority
from tests.client.test_agent import consent
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(Authority().pem)
    plain = {"clinic": "east", "server": "localhost:1", "time_zone": "Europe/London"}
    make_site(tmp_path / "site", parse_settings(plain, "the test"), tmp_path / "ca.pem")
    return tmp_path / "site"


def test_a_new_site_says_what_is_not_there_yet(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "status", str(site)]) == ExitCode.SUCCESS
    said = " ".join(capsys.readouterr().out.split())
    assert "clinic east server localhost:1 study no protocol yet" in said
    assert "patients not imported yet" in said
    assert "spent" not in said


def test_what_was_spent_and_refused_is_told_in_the_clinic_s_own_time(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "site.key").unlink()
    consent(site, PROTOCOL)
    (site / "protocol.yaml").write_text(PROTOCOL.canonical())
    (site / LOG).write_text("1718000000 round 2 REFUSED: [bold]x\n")
    assert main(["site", "status", str(site)]) == ExitCode.SUCCESS
    said = " ".join(capsys.readouterr().out.split())
    assert "spent epsilon 0.000 of 8 at delta 1e-05 (mu 0.0000 of " in said
    assert "rounds released none of 2" in said
    assert "agreement signed" in said
    assert "REFUSED in round 2, 2024-06-10 07:13 Europe/London" in said


def test_a_ledger_that_does_not_hold_is_said_aloud(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "protocol.yaml").write_text(PROTOCOL.canonical())
    (site / "ledger" / "ledger.jsonl").write_text("{}\n")
    assert main(["site", "status", str(site)]) == ExitCode.SUCCESS
    said = " ".join(capsys.readouterr().out.split())
    assert "epsilon unknown" in said
    assert "DOES NOT HOLD" in said


def test_json_is_one_object(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "status", str(site), "--json"]) == ExitCode.SUCCESS
    told = json.loads(capsys.readouterr().out)
    assert (told["clinic"], told["left"], told["spent"]) == ("east", False, None)


def test_a_folder_that_is_no_site_is_a_missing_input(tmp_path: Path) -> None:
    assert main(["site", "status", str(tmp_path)]) == ExitCode.MISSING_INPUT
