"""Studies of one cohort share one budget, and trials of settings are charged like any study."""

import threading
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest

from client.lifetime import Lifetime, lifetime_of
from client.policy import LifetimeBudget, read_policy, write_policy
from privacy.gaussian_dp import mu_of_epsilon
from privacy.ledger import Ledger, LedgerError
from privacy.verifier import verify
from study.failure import Failure
from study.protocol import Protocol
from study.wire import Code, Reply
from tests.client.test_agent import Clinic, consent, request, spent
from tests.study.small_study import protocol_with

BUDGET = LifetimeBudget(cohort="adults-2026", epsilon=14.0)


def trial(number: int) -> Protocol:
    """The same study of the same people with another clip norm."""
    return protocol_with(
        ("study: small-study", f"study: trial-{number}"),
        ("clip_norm: 0.5", f"clip_norm: 0.{number}"),
    )


def site(tmp_path: Path, protocol: Protocol, budget: LifetimeBudget | None = BUDGET) -> Clinic:
    """A home for this study, whose policy names the cohort."""
    home = tmp_path / protocol.study
    home.mkdir(exist_ok=True)
    consent(home, protocol)
    write_policy(home, read_policy(home).model_copy(update={"lifetime": budget}))
    return Clinic(home, protocol)


def ask(clinic: Clinic, number: int) -> Reply:
    return clinic.ask(replace(request(number), protocol_sha256=clinic.protocol.digest()))


def of_the_cohort(tmp_path: Path, budget: LifetimeBudget = BUDGET) -> float:
    return Lifetime(tmp_path / "any", budget, "looking").mu_spent()


def test_a_policy_is_read_with_its_cohort_and_written_without_none(tmp_path: Path) -> None:
    clinic = site(tmp_path, trial(1))
    assert read_policy(clinic.home).lifetime == BUDGET
    site(tmp_path, trial(1), None)
    assert "lifetime" not in (clinic.home / "policy.yaml").read_text()


@pytest.mark.parametrize(
    "planted",
    [
        "{epsilon: 8}",
        "{cohort: a}",
        "{cohort: ../a, epsilon: 8}",
        "{cohort: a, epsilon: 0}",
        "{cohort: a, epsilon: .inf}",
        "{cohort: a, epsilon: 8, fail_open: true}",
    ],
)
def test_a_cohort_that_is_none_is_no_policy(planted: str, tmp_path: Path) -> None:
    clinic = site(tmp_path, trial(1), None)
    with (clinic.home / "policy.yaml").open("a") as policy:
        policy.write(f"lifetime: {planted}\n")
    with pytest.raises(Failure, match="no usable policy"):
        read_policy(clinic.home)


def test_k_trials_of_settings_cost_mu_times_the_root_of_k(tmp_path: Path) -> None:
    """Nobody has to say that they were trials: each release is charged to the cohort."""
    for number in (1, 2, 3):
        clinic = site(tmp_path, trial(number), BUDGET.model_copy(update={"epsilon": 50.0}))
        assert {ask(clinic, n).code for n in (1, 2)} == {Code.RELEASED}
        mu = clinic.protocol.mu
        assert spent(clinic.home, clinic.protocol) == pytest.approx(mu)
        wide = BUDGET.model_copy(update={"epsilon": 50.0})
        assert of_the_cohort(tmp_path, wide) == pytest.approx(mu * sqrt(number))


def test_the_cohort_s_cap_ends_a_study_whose_own_budget_is_not_used_up(tmp_path: Path) -> None:
    """Epsilon 8 and 8 are 12.3, and a third 8 is over 14."""
    for number in (1, 2):
        assert ask(site(tmp_path, trial(number)), 1).code is Code.RELEASED
        assert ask(site(tmp_path, trial(number)), 2).code is Code.RELEASED
    third = site(tmp_path, trial(3))
    assert ask(third, 1) == Reply("east", Code.REFUSED)
    assert "within the cap" in third.log()
    assert spent(third.home, third.protocol) == 0.0
    assert not list(third.home.glob("ledger/releases/*"))
    assert of_the_cohort(tmp_path) <= mu_of_epsilon(14.0, 1e-5)


def test_without_a_cohort_the_third_would_go(tmp_path: Path) -> None:
    """Planted: the policy forgets the cohort, and only the study's own ledger counts."""
    for number in (1, 2, 3):
        assert ask(site(tmp_path, trial(number), None), 1).code is Code.RELEASED
    assert not (tmp_path / "cohorts").exists()


def test_another_cohort_has_a_budget_of_its_own(tmp_path: Path) -> None:
    children = BUDGET.model_copy(update={"cohort": "children"})
    ask(site(tmp_path, trial(1)), 1)
    ask(site(tmp_path, trial(2), children), 1)
    assert of_the_cohort(tmp_path) == of_the_cohort(tmp_path, children) > 0.0


def test_a_repeated_round_is_charged_once(tmp_path: Path) -> None:
    clinic = site(tmp_path, trial(1))
    first = ask(clinic, 1)
    before = of_the_cohort(tmp_path)
    again = ask(clinic, 1)
    assert first.release is not None and again.release is not None
    assert first.release.tobytes() == again.release.tobytes()
    assert of_the_cohort(tmp_path) == before


def test_a_study_that_can_afford_no_more_costs_the_cohort_nothing(tmp_path: Path) -> None:
    clinic = site(tmp_path, trial(1))
    with Ledger.open(clinic.home / "ledger", mu_cap=clinic.protocol.mu, study="trial-1") as ledger:
        ledger.debit(1, clinic.protocol.sigma, 1.0)
        ledger.debit(1, clinic.protocol.sigma, 1.0)
    assert ask(clinic, 1).code is Code.REFUSED
    assert of_the_cohort(tmp_path) == 0.0


class Killed(BaseException):
    """The process ends here."""


def test_killed_between_the_two_debits_the_cohort_has_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = site(tmp_path, trial(1))

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as crash, clinic.agent() as agent:
        crash.setattr(agent._ledger, "debit", killed)
        with pytest.raises(Killed):
            agent.train(replace(request(1), protocol_sha256=clinic.protocol.digest()))
    assert of_the_cohort(tmp_path) > spent(clinic.home, clinic.protocol) == 0.0
    assert ask(clinic, 1).code is Code.RELEASED
    sigma = clinic.protocol.sigma
    assert of_the_cohort(tmp_path) == pytest.approx(sqrt(2) / sigma)


def test_a_cap_of_a_cohort_may_fall_and_never_rise(tmp_path: Path) -> None:
    ask(site(tmp_path, trial(1), BUDGET.model_copy(update={"epsilon": 9.0})), 1)
    raised = site(tmp_path, trial(2))
    assert ask(raised, 1).code is Code.REFUSED
    assert "keep the cap" in raised.log()


def test_the_cohort_s_ledger_is_verified_like_any(tmp_path: Path) -> None:
    for number in (1, 2):
        ask(site(tmp_path, trial(number)), 1)
    (one,) = verify(tmp_path / "cohorts" / "adults-2026").ledgers
    assert one.holds
    assert (one.debits, one.receipts, one.studies) == (2, 0, ("trial-1", "trial-2"))


def test_two_studies_that_release_at_once_wait_for_each_other(tmp_path: Path) -> None:
    accounts = [Lifetime(tmp_path / "any", BUDGET, f"study-{n}") for n in range(4)]
    workers = [threading.Thread(target=one.debit, args=(1, 99.0, 1.0)) for one in accounts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert of_the_cohort(tmp_path) == pytest.approx(sqrt(4) / 99.0)


def test_a_ledger_that_is_never_given_back_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.lifetime.PAUSE_S", 0.0)
    account = Lifetime(tmp_path / "any", BUDGET, "study")
    with account._open(), pytest.raises(LedgerError, match="held by another process"):
        account.debit(1, 9.0, 1.0)


def test_a_study_s_own_ledger_is_no_cohort_s(tmp_path: Path) -> None:
    own = LifetimeBudget(cohort="ledger", epsilon=8.0, folder=".")
    clinic = site(tmp_path, trial(1), own)
    assert ask(clinic, 1).code is Code.REFUSED
    assert "the study's own ledger" in clinic.log()


def test_no_cohort_no_account(tmp_path: Path) -> None:
    assert lifetime_of(tmp_path, None, "study") is None
