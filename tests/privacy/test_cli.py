"""`insula privacy`: what it prints, and with which code it ends."""

import json
from pathlib import Path

import pytest

from insula import main
from privacy import cli
from privacy.ledger import Ledger
from study.failure import ExitCode


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of one debit."""
    folder = tmp_path / "ledger"
    with Ledger.open(folder, mu_cap=1.0, study="trial") as opened:
        opened.debit(1, 2.0, now_s=0.0)
    return folder


def test_verify_as_json(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "verify", str(ledger), "--json"]) == ExitCode.SUCCESS
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["holds"]
    assert verdict["ledgers"][0]["mu"] == 0.5
    assert verdict["epsilon"] == pytest.approx(1.9931, abs=1e-3)


def test_verify_in_words(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "verify", str(ledger)]) == ExitCode.SUCCESS
    heard = capsys.readouterr()
    assert heard.out == "every record holds\n"
    assert "0 by 0" in heard.err  # nobody countersigned the ledger of one clinic alone


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_bad_record_ends_with_its_code(
    ledger: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    path = ledger / "ledger.jsonl"
    path.write_text(path.read_text().replace('"sigma":2.0', '"sigma":9.0'))
    assert main(["privacy", "verify", str(ledger), *options]) == ExitCode.NOT_VERIFIED
    heard = capsys.readouterr()
    assert "record 1: contents and hash differ" in heard.out + heard.err
    if options:
        assert json.loads(heard.out)["epsilon"] is None
    else:
        assert heard.out == "NOT VERIFIED\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_to_verify_ends_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["privacy", "verify", str(tmp_path), *options]) == ExitCode.MISSING_INPUT
    assert "found no ledger.jsonl" in capsys.readouterr().err


def test_key_and_witness_are_asked_for(ledger: Path) -> None:
    for option in ("--key", "--witness"):
        code = main(["privacy", "verify", str(ledger), option, "00" * 32])
        assert code == ExitCode.NOT_VERIFIED


def test_codes_are_those_of_the_project() -> None:
    assert cli.NOT_VERIFIED == ExitCode.NOT_VERIFIED
    assert cli.MISSING_INPUT == ExitCode.MISSING_INPUT


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", command, "--help"]) == 0
    assert f"Example: insula privacy {command}" in capsys.readouterr().out
