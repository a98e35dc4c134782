"""`insula privacy audit`: the claim, what was shown and read, and what cannot be seen."""

import json

import pytest

from insula import main
from privacy.audit import Attack, Audit
from privacy.canaries import CanaryRun
from privacy.moments import MomentTest
from privacy.planted import PLANTED
from study import whole_audit
from study.failure import ExitCode
from study.inversion import InversionAudit

READ = InversionAudit(24, 1.0, 0.01, 45.0, 34.0)
LEAKY = InversionAudit(24, 1.0, 0.01, 3.0, 34.0)
RUN = CanaryRun(8.0, 1e-5, 1000, 4, 3.0, 5.8, 7.2, 7.9)


def verdict(planted: float = 9.0) -> Audit:
    """An audit of correct code, with planted faults that show so much."""
    faults = {name: Attack(planted, planted) for name in PLANTED}
    quiet = MomentTest(1.0, 0.0, 0.0, 0.0, 0.0)
    return Audit(4.377, Attack(0.95, 4.1), faults, quiet, 1000, 1.0)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Audits that take no time; what the command says of them is under test."""
    monkeypatch.setattr(whole_audit, "audit", lambda trials: verdict())
    monkeypatch.setattr(whole_audit, "attacked", lambda weights, sigma: READ)
    monkeypatch.setattr(whole_audit, "canaries", lambda night: RUN)
    return monkeypatch


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.slow
def test_the_command_prints_the_claim_beside_what_was_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["privacy", "audit", "--trials", "1000", "--nightly", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["claimed_epsilon"] == pytest.approx(4.377, abs=1e-3)
    assert 0.0 < found["lower_bound_epsilon"] < found["claimed_epsilon"]
    assert set(found["planted"]) == set(PLANTED)
    assert all(one["flagged"] for one in found["planted"].values())
    assert found["inversion"]["passed"] and found["inversion"]["bare_error_mg_dl"] < 1.0
    assert found["monitoring"]["can_falsify"] is False
    assert found["monitoring"]["bound_epsilon"] < 8.0
    assert 0.0 < found["cpu_s"] < 60.0
    assert code == (ExitCode.SUCCESS if found["passed"] else ExitCode.NOT_VERIFIED)


def test_a_failed_audit_says_so_and_ends_with_its_code(
    capsys: pytest.CaptureFixture[str], made_up: pytest.MonkeyPatch
) -> None:
    made_up.setattr(whole_audit, "audit", lambda trials: verdict(planted=0.5))
    assert main(["privacy", "audit"]) == ExitCode.NOT_VERIFIED
    heard = capsys.readouterr()
    assert heard.out == "NOT VERIFIED\n" and "NOT SEEN" in heard.err


def test_a_release_that_can_be_read_fails_the_audit(
    capsys: pytest.CaptureFixture[str], made_up: pytest.MonkeyPatch
) -> None:
    made_up.setattr(whole_audit, "attacked", lambda weights, sigma: LEAKY)
    assert main(["privacy", "audit", "--json"]) == ExitCode.NOT_VERIFIED
    assert json.loads(capsys.readouterr().out)["passed"] is False


@pytest.mark.usefixtures("made_up")
def test_what_was_read_of_a_patient_stands_beside_the_claim(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["privacy", "audit"]) == ExitCode.SUCCESS
    heard = capsys.readouterr()
    assert heard.out == "the claim stands\n"
    assert "wrong by 0.01 mg/dL without noise, by 45 with it; guessing is wrong by 34" in heard.err
    assert "MONITORING" not in heard.err


@pytest.mark.usefixtures("made_up")
def test_a_nightly_run_says_what_it_cannot_falsify(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", "audit", "--nightly"]) == ExitCode.SUCCESS
    heard = " ".join(capsys.readouterr().err.split())
    assert "MONITORING, no proof" in heard
    assert "cannot falsify the claim, not even with the noise left out" in heard


def test_an_estimate_above_the_claim_is_a_reason_to_look_and_no_verdict(
    capsys: pytest.CaptureFixture[str], made_up: pytest.MonkeyPatch
) -> None:
    loud = CanaryRun(8.0, 1e-5, 1000, 4, 3.0, 5.8, 17.7, 18.9)
    made_up.setattr(whole_audit, "canaries", lambda night: loud)
    assert main(["privacy", "audit", "--nightly"]) == ExitCode.SUCCESS
    assert "LOOK AT IT" in capsys.readouterr().err
