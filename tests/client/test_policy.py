"""Without a clinic's own consent nothing leaves; the stricter of policy and protocol holds."""

from pathlib import Path

import pytest

from client.policy import POLICY, Policy, read_policy, write_policy
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()


def policy(**changes: object) -> Policy:
    agreed: dict[str, object] = {
        "approved_protocols": (PROTOCOL.digest(),),
        "epsilon_cap": 8.0,
        "minimum_patients": 3,
        "rehearsal": True,
    }
    return Policy.model_validate({**agreed, **changes})


def test_a_policy_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_policy(tmp_path, policy())
    assert read_policy(tmp_path) == policy()


def test_an_approved_protocol_with_enough_patients_may_go_on() -> None:
    policy().require(PROTOCOL, patients=3)


@pytest.mark.parametrize(
    ("own", "protocol", "patients", "found"),
    [
        ({"approved_protocols": ()}, PROTOCOL, 9, "nobody approved"),
        ({}, protocol_with(("rounds: 2", "rounds: 3")), 9, "nobody approved"),
        ({"epsilon_cap": 7.999}, PROTOCOL, 9, "epsilon 8"),
        ({"rehearsal": False}, PROTOCOL, 9, "simulated noise, which protects nobody"),
        ({}, PROTOCOL, 2, "2 enrolled patients"),
        ({}, PROTOCOL, 0, "0 enrolled patients"),
    ],
)
def test_what_the_clinic_did_not_allow_is_refused(
    own: dict[str, object], protocol: Protocol, patients: int, found: str
) -> None:
    with pytest.raises(Failure, match=found) as refusal:
        policy(**own).require(protocol, patients)
    assert refusal.value.code is ExitCode.REFUSED
    assert refusal.value.consequence == "Nothing left the clinic."


def test_the_protocol_s_minimum_holds_where_it_is_stricter() -> None:
    strict = protocol_with(("privacy:", "cohorts: {minimum_patients: 6}\nprivacy:"))
    allowed = policy(approved_protocols=(strict.digest(),))
    allowed.require(strict, patients=6)
    with pytest.raises(Failure, match="6 or more"):
        allowed.require(strict, patients=5)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "epsilon_cap: [",
        "epsilon_cap: 8",
        "epsilon_cap: -1\nminimum_patients: 3",
        "epsilon_cap: .inf\nminimum_patients: 3",
        "epsilon_cap: 8\nminimum_patients: 0",
        "epsilon_cap: 8\nminimum_patients: 3\nfail_open: true",
        "epsilon_cap: 8\nminimum_patients: 3\nrehearsal: 1",
        "epsilon_cap: 8\nminimum_patients: 3\nrehearsal: 'true'",
        "epsilon_cap: 8\nminimum_patients: 3\napproved_protocols: ['*']",
    ],
)
def test_no_usable_policy_is_a_refusal(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / POLICY).write_text(text)
    with pytest.raises(Failure, match="no usable policy") as refusal:
        read_policy(tmp_path)
    assert refusal.value.code is ExitCode.REFUSED


def test_a_policy_that_does_not_say_rehearsal_is_a_real_one(tmp_path: Path) -> None:
    (tmp_path / POLICY).write_text(
        f"epsilon_cap: 8\nminimum_patients: 3\napproved_protocols: [{PROTOCOL.digest()}]\n"
    )
    with pytest.raises(Failure, match="protects nobody"):
        read_policy(tmp_path).require(PROTOCOL, 9)


def test_exact_noise_is_allowed_by_either_policy() -> None:
    exact = protocol_with(("noise: simulated", "noise: exact"))
    for rehearsal in (True, False):
        policy(approved_protocols=(exact.digest(),), rehearsal=rehearsal).require(exact, 9)


def test_a_policy_that_approves_nothing_is_lawful_and_allows_nothing(tmp_path: Path) -> None:
    (tmp_path / POLICY).write_text("epsilon_cap: 8\nminimum_patients: 3\n")
    with pytest.raises(Failure, match="nobody approved"):
        read_policy(tmp_path).require(PROTOCOL, 9)
