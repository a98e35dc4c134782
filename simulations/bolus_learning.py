"""How the advisor is taught: one row a patient, averaged over clinics, with or without privacy.

Weights are v = P^(1/2) w, P the second moment of phi over public virtual people, so that a row's
coordinates are alike and one clip norm serves all:

    loss = mean over a patient's meals of rho(y - phi . w),   row = -P^(-1/2) mean(phi psi)

psi is an error held within 60 mg/dL, and heavier where the dose was too large. A row depends on its
own patient, the shared weights and public numbers only. Under privacy a clinic's rows leave as
every other study's: `privacy.release` clips, sums on a grid and adds noise, a ledger debits first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.trace import FloatArray
from privacy.gaussian_dp import epsilon_of_mu, mu_of_epsilon, sigma_for
from privacy.ledger import Ledger
from privacy.noise import ExactNoise, NoiseSource, SimulatedNoise
from privacy.release import release_sum
from server.shrinkage import weights_by_size
from simulations.bolus_people import Lessons

STUDY = "bolus-advice"
HELD_WITHIN = 0.6
RIDGE = 0.02
"""Added to the second moment of each feature, as a share of the largest."""


@dataclass(frozen=True)
class Course:
    """How weights are moved: weight of a dose too large, rounds, rate, and the clip norm."""

    overdose_weight: float
    rounds: int
    rate: float
    clip_norm: float


@dataclass(frozen=True)
class Scale:
    """P^(1/2) and its inverse, (d, d) each, from public people: part of the protocol."""

    root: FloatArray = field(repr=False)
    inverse: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Budget:
    """What is promised to each patient, and whether noise is "exact" or "simulated".

    `declared` is how many patients each clinic declared: sums are divided by it, never by a count.
    """

    epsilon: float
    delta: float
    noise: str
    declared: int


@dataclass(frozen=True)
class Spent:
    """What the ledgers say: the largest epsilon of a clinic, its mu, sigma and releases."""

    epsilon: float
    mu: float
    sigma: float
    releases: int
    noise: str


def scale_of(public: Sequence[Lessons]) -> Scale:
    """The scale of public people; each counts the same, however many meals."""
    moment = np.mean([one.seen.T @ one.seen / len(one.seen) for one in public], axis=0)
    moment = moment + RIDGE * np.diag(np.diag(moment) + 1e-3)
    values, vectors = np.linalg.eigh(moment)
    root = (vectors * np.sqrt(values)) @ vectors.T
    return Scale(root, np.linalg.inv(root))


def rows_of(
    weights: FloatArray, people: Sequence[Lessons], scale: Scale, overdose_weight: float
) -> FloatArray:
    """One direction a patient, (P, d), in scaled coordinates; 0 for a patient without a meal."""
    rows = np.zeros((len(people), len(weights)))
    for row, one in zip(rows, people, strict=True):
        if len(one.left):
            error = one.left - one.seen @ weights
            error = np.clip(error, -HELD_WITHIN, HELD_WITHIN)
            error = np.where(error < 0.0, overdose_weight, 1.0) * error
            row[:] = scale.inverse @ (one.seen.T @ error) / len(one.left)
    return rows


def taught_plainly(
    start: FloatArray, people: Sequence[Lessons], scale: Scale, course: Course
) -> FloatArray:
    """Weights (d,) by the mean clipped row of all people, no noise: pooled, or one clinic's own.

    Also federated averaging without privacy: rows are the patients' whichever clinic holds them.
    Rows are clipped all the same: a few people whose settings are far off would lead otherwise.
    """
    weights = start
    for _ in range(course.rounds):
        rows = rows_of(weights, people, scale, course.overdose_weight)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        clipped = rows * np.minimum(1.0, course.clip_norm / np.maximum(norms, 1e-300))
        weights = weights + course.rate * scale.inverse @ clipped.mean(axis=0)
    return weights


def taught_privately(
    start: FloatArray,
    clinics: Sequence[Sequence[Lessons]],
    scale: Scale,
    course: Course,
    budget: Budget,
    home: Path,
    seed: int,
) -> tuple[FloatArray, Spent]:
    """Weights (d,) by noisy sums alone, and what they cost each patient by the clinics' ledgers.

    `home` gets a ledger a clinic; every round is debited, released, stored and receipted there.
    """
    sigma = sigma_for(budget.epsilon, budget.delta, course.rounds)
    share = weights_by_size([budget.declared] * len(clinics))
    weights, cap = start, mu_of_epsilon(budget.epsilon, budget.delta)
    ledgers = [
        Ledger.open(home / "clinics" / f"clinic-{number}" / "ledger", mu_cap=cap, study=STUDY)
        for number in range(len(clinics))
    ]
    try:
        for number in range(1, course.rounds + 1):
            mean = np.zeros(len(weights))
            for place, (people, ledger) in enumerate(zip(clinics, ledgers, strict=True)):
                rows = rows_of(weights, people, scale, course.overdose_weight)
                noise = _noise(budget, seed, place, number)
                released = _released(ledger, number, rows, course.clip_norm, sigma, noise)
                mean += share[place] * released / budget.declared
            weights = weights + course.rate * scale.inverse @ mean
        spent = max(ledger.mu_spent() for ledger in ledgers)
    finally:
        for ledger in ledgers:
            ledger.close()
    epsilon = epsilon_of_mu(spent, budget.delta)
    return weights, Spent(epsilon, spent, sigma, course.rounds, budget.noise)


def _noise(budget: Budget, seed: int, clinic: int, round_number: int) -> NoiseSource:
    if budget.noise == "exact":
        return ExactNoise()
    return SimulatedNoise(seed, f"bolus {budget.epsilon:g}", clinic, round_number)


def _released(
    ledger: Ledger,
    number: int,
    rows: FloatArray,
    clip_norm: float,
    sigma: float,
    noise: NoiseSource,
) -> FloatArray:
    """This round's noisy sum of a clinic, (d,): debit, noise, store, receipt, in this order."""
    found = ledger.cached(number)
    if found is None:
        ledger.debit(number, sigma, float(number))
        release = release_sum(rows, clip_norm, sigma, noise)
        ledger.store(number, release.values)
        ledger.receipt(number, release.sha256, float(number))
        found = release.values
    return found
