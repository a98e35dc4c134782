"""The centre's commands on the command line: certificates, and where a study stands."""

import json
from pathlib import Path

import pytest

import insula
from server.deployment_status import RoundStatus, Status
from server.study_cli import in_words
from study.failure import ExitCode


def test_certificates_are_made_and_the_fingerprint_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "certificates", str(tmp_path / "tls"), "--host", "localhost", "--json"]
    assert insula.main([*words, "--host", "127.0.0.1"]) == ExitCode.SUCCESS
    said = json.loads(capsys.readouterr().out)
    assert len(said["ca_sha256"]) == 64 and (tmp_path / "tls" / "server.pem").is_file()
    assert insula.main(words) == ExitCode.REFUSED


@pytest.mark.parametrize("command", ["status", "resume"])
def test_a_folder_without_a_study_is_a_missing_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert insula.main(["study", command, str(tmp_path)]) == ExitCode.MISSING_INPUT
    assert "insula study start" in capsys.readouterr().err


def test_a_start_without_a_protocol_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", str(tmp_path / "absent.yaml"), "--out", str(tmp_path / "run")]
    words += ["--tls", str(tmp_path), "--nodes", str(tmp_path / "nodes.yaml")]
    assert insula.main(words) == ExitCode.MISSING_INPUT
    assert not (tmp_path / "run").exists()


def test_the_status_is_told_a_line_a_round() -> None:
    done = (RoundStatus(1, ("east", "north"), {"west": "NO_REPLY"}, 31.4),)
    found = Status("s", "stopped", "asking the clinics", 2, 3, 12.0, done, "1 release")
    assert in_words(found).splitlines() == [
        "s: stopped, round 2 of 3, asking the clinics for 12 s",
        "round 1: east, north took part, west NO_REPLY; 31 s",
        "It stopped because of 1 release",
    ]
