"""What a cohort's patients spend over their lives: one ledger a cohort, beside every study's own.

A study's ledger knows its study. Another study of the same people, or the same one tried with other
settings, has a folder of its own and a budget of its own, unless the policy names their cohort:
then each release is debited here first, and all of them together stay within one cap. So k trials
of mu each cost mu sqrt(k), without anybody having to say that they were trials.
"""

import time
from pathlib import Path

from client.policy import LifetimeBudget, refused
from privacy.canonical import RELEASE
from privacy.gaussian_dp import mu_of_epsilon
from privacy.ledger import Ledger
from privacy.ledger_records import LedgerHeld

TRIES, PAUSE_S = 100, 0.02
"""Another study's agent holds the ledger for the milliseconds of one debit."""


class Lifetime:
    """The account of one cohort as the agent of one study uses it; opened for each debit."""

    def __init__(self, home: Path, budget: LifetimeBudget, study: str) -> None:
        self.folder = (home / budget.folder / budget.cohort).resolve()
        self._mu_cap = mu_of_epsilon(budget.epsilon, budget.delta)
        self._study = study
        if self.folder == (home / "ledger").resolve():
            raise refused(
                f"lifetime.folder of the policy at {self.folder}, the study's own ledger",
                "a folder beside the studies, such as ../cohorts",
            )

    def debit(self, round_number: int, sigma: float, now_s: float, name: str = RELEASE) -> None:
        """Spend one release; on the disk when this returns. LedgerError past the cohort's cap."""
        with self._opened() as ledger:
            ledger.debit(round_number, sigma, now_s, name)

    def mu_spent(self) -> float:
        """Total mu of the cohort over all its studies."""
        with self._opened() as ledger:
            return ledger.mu_spent()

    def _opened(self) -> Ledger:
        for _ in range(TRIES):
            try:
                return self._open()
            except LedgerHeld:
                time.sleep(PAUSE_S)
        return self._open()

    def _open(self) -> Ledger:
        return Ledger.open(self.folder, mu_cap=self._mu_cap, study=self._study)


def lifetime_of(home: Path, budget: LifetimeBudget | None, study: str) -> Lifetime | None:
    """The account that the policy names; nothing where it names no cohort."""
    return None if budget is None else Lifetime(home, budget, study)
