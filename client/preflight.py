"""A list of things looked at one after the other: what each found, and the first that failed.

An item that needs another which failed is not looked at, and that is said: it is not ok.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from client.check_codes import REMEDIES
from privacy.ledger_records import LedgerError
from study.failure import Failure


class Outcome(StrEnum):
    """What came of one item; only OK lets a clinic take part."""

    OK = "ok"
    FAILED = "failed"
    UNMEASURED = "could not be measured"
    NOT_TESTED = "not tested"


class Trouble(Exception):
    """Why an item is not ok: a code of check_codes, and what was found."""

    def __init__(self, code: str, found: str, outcome: Outcome = Outcome.FAILED) -> None:
        self.code, self.found, self.outcome = code, found, outcome
        super().__init__(found)


@dataclass(frozen=True)
class Item:
    """One thing to look at: `look` says in words what it saw, or raises Trouble.

    A Failure or LedgerError that it meets is trouble of code `code`.
    """

    name: str
    look: Callable[[], str]
    code: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What came of one item; `code` and `remedy` are empty where it is ok."""

    item: str
    outcome: Outcome
    words: str
    code: str = ""
    remedy: str = ""


def look_at(items: Sequence[Item], progress: Callable[[str], None]) -> list[Finding]:
    """A finding of each item, in their order; `progress` is told each name before."""
    found: dict[str, Finding] = {}
    for item in items:
        progress(item.name)
        found[item.name] = _finding(item, found)
    return list(found.values())


def first_trouble(findings: Sequence[Finding]) -> Finding | None:
    """The first finding that is not ok, or nothing: then the clinic is ready."""
    return next((one for one in findings if one.outcome is not Outcome.OK), None)


def _finding(item: Item, before: Mapping[str, Finding]) -> Finding:
    for need in item.needs:
        if need in before and before[need].outcome is not Outcome.OK:
            return Finding(item.name, Outcome.NOT_TESTED, f"needs {need}, which is not ok")
    try:
        return Finding(item.name, Outcome.OK, item.look())
    except Trouble as trouble:
        return _not_ok(item.name, trouble)
    except Failure as failure:
        return _not_ok(item.name, Trouble(item.code, failure.found))
    except (LedgerError, OSError) as error:
        return _not_ok(item.name, Trouble(item.code, str(error)))


def _not_ok(name: str, trouble: Trouble) -> Finding:
    return Finding(name, trouble.outcome, trouble.found, trouble.code, REMEDIES[trouble.code])
