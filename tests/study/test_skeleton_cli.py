"""`insula study new`: a file that `study check` accepts, and never another's place taken."""

import json
from pathlib import Path

import pytest

import insula
from study.failure import ExitCode
from study.protocol import read_protocol

CLINICS = ["--clinic", "harbour=18", "--clinic", "lagoon=12"]


def test_what_it_writes_passes_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "islands.yaml"
    options = ["--kind", "prior", "--epsilon", "4", "--quorum", "1", "--deadline-s", "90", "--json"]
    assert insula.main(["study", "new", str(path), *CLINICS, *options]) == ExitCode.SUCCESS
    told = json.loads(capsys.readouterr().out)
    assert insula.main(["study", "check", str(path), "--json"]) == ExitCode.SUCCESS
    checked = json.loads(capsys.readouterr().out)
    assert told == {"protocol": str(path), "protocol_sha256": checked["protocol_sha256"]}
    protocol = read_protocol(path)
    assert (protocol.study, protocol.release.kind, protocol.server.quorum) == (
        "islands",
        "prior",
        1,
    )
    assert (protocol.privacy.epsilon, protocol.server.deadline_s) == (4.0, 90.0)


def test_it_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "islands.yaml"
    assert insula.main(["study", "new", str(path), *CLINICS]) == ExitCode.SUCCESS
    said = capsys.readouterr()
    assert said.out.strip() == str(path)
    assert "2 clinics that declare 30 patients" in said.err and "study rehearse" in said.err


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "islands.yaml"
    path.write_text("signed")
    assert insula.main(["study", "new", str(path), *CLINICS]) == ExitCode.USAGE
    assert path.read_text() == "signed"


@pytest.mark.parametrize(
    ("file", "words", "code"),
    [
        ("islands.yaml", ["--clinic", "Harbour=18"], ExitCode.BAD_PROTOCOL),
        ("islands.yaml", ["--clinic", "a=3", "--clinic", "a=4"], ExitCode.BAD_PROTOCOL),
        ("islands.yaml", [*CLINICS, "--quorum", "3"], ExitCode.BAD_PROTOCOL),
        ("islands.yaml", [*CLINICS, "--epsilon", "-1"], ExitCode.BAD_PROTOCOL),
        ("islands.yaml", ["--clinic", "a=3\n    role=1"], ExitCode.BAD_PROTOCOL),
        ("Our Study.yaml", CLINICS, ExitCode.BAD_PROTOCOL),
        ("islands.yaml", ["--clinic", "harbour"], ExitCode.USAGE),
        ("islands.yaml", [], ExitCode.USAGE),
        ("nowhere/islands.yaml", CLINICS, ExitCode.USAGE),
    ],
)
def test_what_cannot_be_agreed_is_not_written(
    tmp_path: Path, file: str, words: list[str], code: ExitCode
) -> None:
    path = tmp_path / file
    assert insula.main(["study", "new", str(path), *words]) == code
    assert not path.exists()
