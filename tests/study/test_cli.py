"""`insula study check` says what a protocol promises, or which field is wrong."""

import json
from pathlib import Path

import pytest

import insula
from privacy.gaussian_dp import epsilon_of_mu
from study.cli import claim, in_words
from study.failure import ExitCode
from study.protocol import parse_protocol
from tests.study.small_study import TEXT as SMALL_STUDY
from tests.study.test_protocol import TEXT

pytestmark = pytest.mark.slow


@pytest.fixture
def protocol_file(tmp_path: Path) -> Path:
    path = tmp_path / "agreed.yaml"
    path.write_text(TEXT)
    return path


def test_check_prints_one_object(protocol_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert insula.main(["study", "check", str(protocol_file), "--json"]) == ExitCode.SUCCESS
    told = json.loads(capsys.readouterr().out)
    agreed = parse_protocol(TEXT)
    assert told["protocol_sha256"] == agreed.digest()
    assert told["members"] == {"east": 4, "west": 6}
    assert told["observers"] == ["south"]
    assert told["sigma"] == agreed.sigma
    assert told["release"]["dimension"] == 8


def test_check_speaks_to_people_on_stderr_and_prints_the_digest(
    protocol_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert insula.main(["study", "check", str(protocol_file)]) == ExitCode.SUCCESS
    said = capsys.readouterr()
    assert said.out.strip() == parse_protocol(TEXT).digest()
    assert "east" in said.err
    assert "epsilon 8" in said.err


def test_check_names_the_field_that_is_wrong(
    protocol_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol_file.write_text(TEXT.replace("rounds: 2", "rounds: none"))
    code = insula.main(["study", "check", str(protocol_file), "--json"])
    assert code == ExitCode.BAD_PROTOCOL
    error = json.loads(capsys.readouterr().out)["error"]
    assert "line 14: release.rounds" in error["found"]


def test_the_claim_agrees_with_the_published_figures() -> None:
    """PRIVACY 1 and 2.4: epsilon 8 is 19.1 for replace-one, 12.3 at two sites; 25.5 % at 1 %."""
    promise = claim(parse_protocol(TEXT))
    assert promise["epsilon_replace_one"] == pytest.approx(19.1, abs=0.05)
    assert promise["epsilon_two_sites"] == pytest.approx(12.3, abs=0.05)
    assert promise["true_positive_rate"] == pytest.approx(0.255, abs=0.001)
    assert epsilon_of_mu(promise["mu"], promise["delta"]) == pytest.approx(8.0, abs=1e-9)
    assert promise["sigma"] == parse_protocol(TEXT).sigma


def test_the_words_carry_every_figure() -> None:
    said = in_words(claim(parse_protocol(TEXT)))
    for figure in ("epsilon 8", "1e-05", "2 releases", "0.849", "25.5", "19.12", "12.26"):
        assert figure in said


def papers(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Protocol, policy that approved it, and keys made by the command."""
    protocol, policy = tmp_path / "p.yaml", tmp_path / "policy.yaml"
    protocol.write_text(SMALL_STUDY)
    digest = parse_protocol(SMALL_STUDY).digest()
    policy.write_text(f"approved_protocols: ['{digest}']\nepsilon_cap: 8.0\nminimum_patients: 3\n")
    for name in ("c.key", "s.key"):
        assert insula.main(["study", "keygen", str(tmp_path / name)]) == 0
    return protocol, policy, tmp_path / "agreement.json"


def countersign_words(tmp_path: Path, *more: str) -> list[str]:
    words = ["study", "countersign", str(tmp_path / "agreement.json"), "--clinic", "east"]
    paths = ["--key", str(tmp_path / "s.key"), "--policy", str(tmp_path / "policy.yaml")]
    return [*words, *paths, *more]


def test_from_keys_to_both_signatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    protocol, _, agreement = papers(tmp_path)
    coordinator = capsys.readouterr().out.split()[0]
    sign = ["study", "sign", str(protocol), "--key", str(tmp_path / "c.key"), "--out"]
    assert insula.main([*sign, str(agreement)]) == 0
    assert insula.main([*sign, str(agreement)]) == ExitCode.REFUSED  # it may bear signatures
    assert insula.main(countersign_words(tmp_path, "--coordinator", coordinator)) == 0
    capsys.readouterr()
    check = ["study", "check", str(protocol), "--agreement", str(agreement), "--json"]
    assert insula.main(check) == 0
    found = json.loads(capsys.readouterr().out)["signatures"]
    assert found["coordinator"] == f"signed by {coordinator}"
    assert found["east"].startswith("signed by ")
    assert found["west"] == "not-countersigned"


def test_another_coordinator_or_an_edited_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol, policy, agreement = papers(tmp_path)
    sign = ["study", "sign", str(protocol), "--key", str(tmp_path / "c.key")]
    assert insula.main([*sign, "--out", str(agreement)]) == 0
    assert insula.main(countersign_words(tmp_path, "--coordinator", "0" * 64)) == ExitCode.REFUSED
    policy.write_text(policy.read_text().replace("8.0", "2.0"))
    capsys.readouterr()
    assert insula.main(countersign_words(tmp_path, "--json")) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "over-epsilon-cap"
    agreement.write_text(agreement.read_text().replace("rounds: 2", "rounds: 9"))
    assert insula.main(countersign_words(tmp_path, "--json")) == ExitCode.REFUSED
    reason = json.loads(capsys.readouterr().out)["error"]["reason"]
    assert reason == "bad-coordinator-signature"
    assert insula.main(["study", "check", str(protocol), "--agreement", str(agreement)]) == 0
    assert "coordinator: bad-coordinator-signature" in capsys.readouterr().err
