"""What the centre knows of budgets: never less than was paid, never more than may have been."""

import pytest

from privacy.gaussian_dp import epsilon_of_mu
from server.run_view import RoundView
from server.spending import epsilon_of, spending
from study.wire import Code
from tests.server.study_folder import CLINICS, twelve_rounds
from tests.study.small_study import TELLING, protocol_with

PROTOCOL = twelve_rounds()
FREE = {"OTHER_PROTOCOL", "NO_SUCH_ROUND", "BAD_SHARED_VECTOR"}


def rounds(*codes: str) -> tuple[RoundView, ...]:
    """Rounds that are over, in which lagoon gave these codes and everybody else released."""
    return tuple(
        RoundView(place, "over", {**dict.fromkeys(CLINICS, "RELEASED"), "lagoon": code})
        for place, code in enumerate(codes, start=1)
    )


def lagoon(*codes: str) -> tuple[int, int]:
    (one,) = (each for each in spending(PROTOCOL, rounds(*codes)) if each.clinic == "lagoon")
    return one.releases, one.most_releases


def test_all_rounds_together_spend_what_the_protocol_allows() -> None:
    for one in spending(PROTOCOL, rounds(*["RELEASED"] * 12)):
        assert one.epsilon == one.most_epsilon == pytest.approx(8.0, abs=1e-9)
        assert one.cap_epsilon == 8.0


@pytest.mark.parametrize("code", [code.name for code in Code if code is not Code.RELEASED])
def test_a_lost_answer_may_have_been_paid_for(code: str) -> None:
    """An agent debits before it sends: only a refusal before any patient is read is free."""
    assert lagoon("RELEASED", code) == (1, 1 if code in FREE else 2)


def test_the_round_that_is_asked_may_be_paid_for_already() -> None:
    asked = (*rounds("RELEASED"), RoundView(2, "asking", {}))
    for one in spending(PROTOCOL, asked):
        assert (one.releases, one.most_releases) == (1, 2)


def test_epsilon_is_that_of_the_releases() -> None:
    assert epsilon_of(PROTOCOL, 0) == 0.0
    expected = epsilon_of_mu(2.0 / PROTOCOL.sigma, PROTOCOL.privacy.delta)
    assert epsilon_of(PROTOCOL, 4) == pytest.approx(expected, rel=1e-9)


def test_observers_have_no_budget() -> None:
    assert [one.clinic for one in spending(PROTOCOL, ())] == list(CLINICS)


def test_metrics_may_have_been_told_once_every_round_is_over() -> None:
    protocol = protocol_with(*TELLING)
    done = tuple(
        RoundView(number, "over", dict.fromkeys(("east", "north", "west"), "RELEASED"))
        for number in (1, 2)
    )
    assert [one.most_releases for one in spending(protocol, done)] == [3, 3, 2], "west is too few"
    assert [one.most_releases for one in spending(protocol, done[:1])] == [1, 1, 1]
    east = spending(protocol, done)[0]
    assert east.epsilon < 7.5 and east.most_epsilon == pytest.approx(8.0, abs=1e-6)
