"""Items one after the other: what is not ok is told by its code, and nothing hides behind it."""

import pytest

from client.check_codes import REMEDIES
from client.preflight import Finding, Item, Outcome, Trouble, first_trouble, look_at
from privacy.ledger import LedgerError
from study.failure import ExitCode, Failure


def fails(error: Exception) -> Item:
    def look() -> str:
        raise error

    return Item("a", look, "policy")


def looked(*items: Item) -> list[Finding]:
    return look_at(items, lambda name: None)


def fine(name: str, *needs: str) -> Item:
    return Item(name, lambda: f"{name} seen", "policy", needs)


def test_what_is_ok_says_what_it_saw() -> None:
    (found,) = looked(fine("a"))
    assert found == Finding("a", Outcome.OK, "a seen")
    assert first_trouble([found]) is None


@pytest.mark.parametrize(
    ("error", "code", "outcome"),
    [
        (Trouble("clock-off", "x"), "clock-off", Outcome.FAILED),
        (
            Trouble("clock-unmeasured", "x", Outcome.UNMEASURED),
            "clock-unmeasured",
            "could not be measured",
        ),
        (OSError(5, "x"), "policy", Outcome.FAILED),
        (LedgerError("x"), "policy", Outcome.FAILED),
        (
            Failure(found="x", expected="", consequence="", remedy="", code=ExitCode.REFUSED),
            "policy",
            Outcome.FAILED,
        ),
    ],
)
def test_what_is_not_ok_has_code_and_remedy(error: Exception, code: str, outcome: str) -> None:
    (found,) = looked(fails(error))
    assert (found.code, found.outcome, found.remedy) == (code, outcome, REMEDIES[code])
    assert "x" in found.words
    assert first_trouble([found]) == found


def test_what_needs_it_is_not_tested_and_not_ok() -> None:
    found = looked(fails(OSError("x")), fine("b", "a"), fine("c", "b"), fine("d"))
    assert [one.outcome for one in found] == ["failed", "not tested", "not tested", "ok"]
    assert found[2].words == "needs b, which is not ok"
    assert first_trouble(found[1:]) == found[1]


def test_what_could_not_be_measured_holds_up_what_needs_it() -> None:
    found = looked(fails(Trouble("clock-unmeasured", "x", Outcome.UNMEASURED)), fine("b", "a"))
    assert found[1].outcome is Outcome.NOT_TESTED


def test_an_item_that_is_not_looked_at_holds_up_nobody() -> None:
    assert looked(fine("b", "a"))[0].outcome is Outcome.OK


def test_each_name_is_told_before_it_is_looked_at() -> None:
    told: list[str] = []
    look_at([fine("a"), fine("b")], told.append)
    assert told == ["a", "b"]


def test_an_error_nobody_foresaw_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        looked(fails(ZeroDivisionError()))
