"""A privacy budget before it is spent: the noise it needs, and what it means for a patient."""

from dataclasses import dataclass

from privacy.accountants import PLD, ClosedForm
from privacy.gaussian_dp import (
    best_true_positive_rate,
    epsilon_of_mu,
    largest_advantage,
    mu_of_epsilon,
    replace_one,
    sigma_for,
    two_sites,
)

FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class Plan:
    """(epsilon, delta) for one patient, add/remove, over all releases of one site.

    `sigma` is in clip norms, `mu` the same budget as Gaussian DP. The last figures say what it
    means: epsilon were a patient exchanged for another, or enrolled at two sites; the share of
    members found by the best attack that is wrong about 1 non-member in 100; and its largest
    true minus false positive rate.
    """

    epsilon: float
    delta: float
    releases: int
    mu: float
    sigma: float
    epsilon_pld: float
    epsilon_replace_one: float
    epsilon_two_sites: float
    true_positive_rate: float
    false_positive_rate: float
    largest_advantage: float


def plan(epsilon: float, delta: float, releases: int) -> Plan:
    """The plan that spends exactly (epsilon, delta) in this many releases.

    Raises AccountingError for impossible figures and for epsilon above 50.
    """
    sigma = sigma_for(epsilon, delta, releases)
    sigmas = [sigma] * releases
    mu = mu_of_epsilon(epsilon, delta)
    return Plan(
        epsilon=ClosedForm().epsilon(sigmas, delta),
        delta=delta,
        releases=releases,
        mu=mu,
        sigma=sigma,
        epsilon_pld=PLD().epsilon(sigmas, delta),
        epsilon_replace_one=epsilon_of_mu(replace_one(mu), delta),
        epsilon_two_sites=epsilon_of_mu(two_sites(mu), delta),
        true_positive_rate=best_true_positive_rate(mu, FALSE_POSITIVE_RATE),
        false_positive_rate=FALSE_POSITIVE_RATE,
        largest_advantage=largest_advantage(mu),
    )
