"""What a run's ledgers amount to for one patient: every figure of a claim, from records alone.

Nothing here reads what a run says about itself; `server.claim_sheet` compares the two.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from privacy.canonical import RELEASE
from privacy.gaussian_dp import (
    best_true_positive_rate,
    epsilon_of_mu,
    largest_advantage,
    mu_squared,
    replace_one,
    two_sites,
)
from privacy.verifier import RECORDS, LedgerVerdict, verify

FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class Spent:
    """One debit, and what its patients had spent when it was written: `mu`, and epsilon at delta.

    `released` is whether a receipt followed; a debit without one is spent all the same. `name` is
    what left under it: a vector of training, or metrics by their names.
    """

    study: str
    round: int
    sigma: float
    mu: float
    epsilon: float
    released: bool
    name: str = RELEASE


@dataclass(frozen=True)
class ClinicClaim:
    """One clinic: its ledger's verdict, debit after debit, and the budget left under its cap.

    A ledger that does not hold has no curve and nothing left: what it spent is unknown.
    """

    clinic: str
    ledger: LedgerVerdict
    curve: tuple[Spent, ...]
    mu_left: float
    epsilon_left: float


@dataclass(frozen=True)
class Meaning:
    """What mu is to a patient: other neighbours, and the best attack wrong about 1 % of others."""

    epsilon_replace_one: float
    epsilon_two_sites: float
    true_positive_rate: float
    largest_advantage: float
    false_positive_rate: float = FALSE_POSITIVE_RATE


@dataclass(frozen=True)
class Claim:
    """(epsilon, delta) of one patient over every release of any one clinic's ledger, add/remove.

    `epsilon`, `mu` and `meaning` are None, unknown, where any ledger does not hold.
    """

    delta: float
    epsilon: float | None
    epsilon_pld: float | None
    mu: float | None
    sigmas: tuple[float, ...]
    releases: int
    meaning: Meaning | None
    clinics: tuple[ClinicClaim, ...] = field(repr=False)
    unit: str = "patient"
    adjacency: str = "add_remove"

    @property
    def holds(self) -> bool:
        """Whether every record of every ledger holds."""
        return all(one.ledger.holds for one in self.clinics)


def claim_of(ledgers: Mapping[str, Path], delta: float) -> Claim:
    """The claim that these ledger folders, by clinic, bear out: the worst of them is the claim.

    Raises VerifierError where a folder holds no ledger.
    """
    clinics = tuple(_clinic(name, folder, delta) for name, folder in ledgers.items())
    worst = max(clinics, key=lambda one: one.ledger.mu)
    holds = all(one.ledger.holds for one in clinics)
    mu = worst.ledger.mu
    return Claim(
        delta=delta,
        epsilon=epsilon_of_mu(mu, delta) if holds else None,
        epsilon_pld=worst.ledger.epsilon_pld if holds else None,
        mu=mu if holds else None,
        sigmas=tuple(sorted({step.sigma for one in clinics for step in one.curve})),
        releases=max(one.ledger.debits for one in clinics),
        meaning=_meaning(mu, delta) if holds else None,
        clinics=clinics,
    )


def _clinic(name: str, folder: Path, delta: float) -> ClinicClaim:
    (verdict,) = verify(folder, delta=delta).ledgers
    if not verdict.holds or verdict.mu_cap is None:
        return ClinicClaim(name, verdict, (), 0.0, 0.0)
    left = math.sqrt(max(0.0, verdict.mu_cap**2 - verdict.mu**2))
    left = left if left > 1e-6 * verdict.mu_cap else 0.0  # what rounding leaves is no budget
    return ClinicClaim(name, verdict, _curve(folder, delta), left, epsilon_of_mu(left, delta))


def _curve(folder: Path, delta: float) -> tuple[Spent, ...]:
    """Every debit of a ledger that was found to hold, in its order."""
    records = [json.loads(line) for line in (folder / RECORDS).read_bytes().splitlines()]
    study, total, steps = "", 0.0, []
    receipts = _receipts(records)
    for record in records:
        if record["kind"] == "open":
            study = record["study"]
        elif record["kind"] == "debit":
            total += mu_squared(record["sigma"])
            mu, release = math.sqrt(total), (study, record["round"])
            epsilon = epsilon_of_mu(mu, delta)
            name = record.get("name", RELEASE)
            steps.append(Spent(*release, record["sigma"], mu, epsilon, release in receipts, name))
    return tuple(steps)


def _receipts(records: list[dict[str, object]]) -> set[tuple[object, object]]:
    study, found = None, set()
    for record in records:
        study = record["study"] if record["kind"] == "open" else study
        if record["kind"] == "receipt":
            found.add((study, record["round"]))
    return found


def _meaning(mu: float, delta: float) -> Meaning:
    if mu == 0.0:
        return Meaning(0.0, 0.0, FALSE_POSITIVE_RATE, 0.0)
    return Meaning(
        epsilon_replace_one=epsilon_of_mu(replace_one(mu), delta),
        epsilon_two_sites=epsilon_of_mu(two_sites(mu), delta),
        true_positive_rate=best_true_positive_rate(mu, FALSE_POSITIVE_RATE),
        largest_advantage=largest_advantage(mu),
    )
