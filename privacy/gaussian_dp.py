"""Exact accounting of Gaussian releases in which everybody takes part (mu-GDP).

A sum of rows clipped to norm C, released with Gaussian noise of standard deviation sigma * C, is
1/sigma-GDP for one patient added or removed. Gaussian DP composes exactly, also when later releases
depend on earlier ones: mu^2 = sum 1/sigma^2. Nothing here is a bound; every figure is an equality.

Source: Dong, Roth, Su, Gaussian Differential Privacy, J. R. Stat. Soc. B 84 (2022), Corollary 1
(delta of epsilon and mu) and Corollary 2 (composition).
"""

import math
from collections.abc import Iterable

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri


class AccountingError(ValueError):
    """A privacy figure that cannot be computed: says what was found and what to do."""


def delta_of_epsilon(epsilon: float, mu: float) -> float:
    """Smallest delta at which mu-GDP implies (epsilon, delta)-DP.

    delta = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2)
    """
    _positive("mu", mu)
    at_least = float(ndtr(-epsilon / mu + mu / 2))
    return at_least - math.exp(epsilon + float(log_ndtr(-epsilon / mu - mu / 2)))


def epsilon_of_mu(mu: float, delta: float) -> float:
    """Smallest epsilon >= 0 at which mu-GDP implies (epsilon, delta)-DP; 0 for mu = 0."""
    _probability("delta", delta)
    if mu == 0:
        return 0.0
    if delta_of_epsilon(0.0, mu) <= delta:
        return 0.0
    beyond = mu * (mu / 2 - float(ndtri(delta)))  # here the first term alone is delta
    return float(brentq(lambda epsilon: delta_of_epsilon(epsilon, mu) - delta, 0.0, beyond))


def mu_of_epsilon(epsilon: float, delta: float) -> float:
    """Largest mu whose releases are still (epsilon, delta)-DP: the budget in GDP."""
    _probability("delta", delta)
    _positive("epsilon", epsilon)
    beyond = 1.0
    while delta_of_epsilon(epsilon, beyond) < delta:
        beyond *= 2
    return float(brentq(lambda mu: delta_of_epsilon(epsilon, mu) - delta, 1e-6, beyond, xtol=1e-14))


def mu_of_releases(sigmas: Iterable[float]) -> float:
    """Total mu of releases with noise multipliers `sigmas`: sqrt(sum 1/sigma^2); 0 for none."""
    return math.sqrt(math.fsum(mu_squared(sigma) for sigma in sigmas))


def mu_squared(sigma: float) -> float:
    """What one release with noise multiplier sigma adds to mu^2: 1/sigma^2."""
    _positive("sigma", sigma)
    return 1.0 / (sigma * sigma)


def sigma_for(epsilon: float, delta: float, releases: int) -> float:
    """Noise multiplier (in units of the clip norm) that spends (epsilon, delta) in `releases`.

    sigma = sqrt(releases) / mu(epsilon, delta)
    """
    if releases < 1:
        raise AccountingError(
            f"found {releases} releases; expected 1 or more. No noise was planned. "
            "What to do: plan at least one release."
        )
    return math.sqrt(releases) / mu_of_epsilon(epsilon, delta)


def replace_one(mu: float) -> float:
    """mu when one patient is exchanged for another instead of removed: the sum moves by 2 C."""
    return 2.0 * mu


def two_sites(mu: float) -> float:
    """mu of a patient who is enrolled at two sites: two independent releases of the same person."""
    return math.sqrt(2.0) * mu


def best_true_positive_rate(mu: float, false_positive_rate: float) -> float:
    """Share of members that the best possible attack finds at this false positive rate.

    Whoever sees every release and knows everybody else tests "is this patient in?" no better than
    N(0, 1) is told from N(mu, 1): Phi(mu + Phi^-1(false positive rate)).
    """
    _probability("false positive rate", false_positive_rate)
    return float(ndtr(mu + ndtri(false_positive_rate)))


def largest_advantage(mu: float) -> float:
    """Largest true minus false positive rate of any such attack: 2 Phi(mu/2) - 1."""
    return 2.0 * float(ndtr(mu / 2)) - 1.0


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise AccountingError(
            f"found {name} = {value}; expected a finite number above 0. No privacy figure was "
            f"computed. What to do: correct {name}; no release is free, none infinitely noisy."
        )


def _probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise AccountingError(
            f"found {name} = {value}; expected a number between 0 and 1, both excluded. No privacy "
            f"figure was computed. What to do: correct {name}; 1e-5 is usual for delta."
        )
