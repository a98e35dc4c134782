"""Three ways to the same epsilon that share no code: exact, Google's PLD, and Opacus' PRV.

The headline is the closed form. The other two exist to catch it, or a ledger, in a mistake. Opacus
also offers an accountant named "gdp": an approximation for subsampling that under-reports by half
(0.45 of the true epsilon). It cannot be reached from here, and neither can Renyi accounting.
"""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from dp_accounting.pld import privacy_loss_distribution

from privacy.gaussian_dp import AccountingError, epsilon_of_mu, mu_of_releases

LARGEST_EPSILON = 50.0  # beyond it PRV's grid is known to fail, and no promise is left to make
ROUNDING = 1e-9  # 50 planned comes back from its noise as 50 and a rounding error


class Accountant(Protocol):
    """Epsilon of releases in which every patient takes part."""

    @property
    def name(self) -> str:
        """How reports call it."""

    def epsilon(self, sigmas: Sequence[float], delta: float) -> float:
        """Epsilon at delta of releases with these noise multipliers, add/remove one patient."""


class ClosedForm:
    """Exact Gaussian DP."""

    name = "closed form"

    def epsilon(self, sigmas: Sequence[float], delta: float) -> float:
        """Epsilon at delta; equality, not a bound."""
        epsilon = epsilon_of_mu(mu_of_releases(sigmas), delta)
        if epsilon > LARGEST_EPSILON * (1.0 + ROUNDING):
            raise AccountingError(
                f"found epsilon {epsilon:.1f}; expected at most {LARGEST_EPSILON:.0f}. No figure "
                "is given. What to do: more noise or fewer releases; this protects nobody."
            )
        return epsilon


class PLD:
    """Google's privacy loss distributions (dp-accounting), composed release by release."""

    name = "privacy loss distribution"

    def epsilon(self, sigmas: Sequence[float], delta: float) -> float:
        """Epsilon at delta, rounded up by less than 1e-3."""
        if _nothing_to_count(sigmas, delta):
            return 0.0
        composed = privacy_loss_distribution.identity()
        for sigma, releases in Counter(sigmas).items():
            one = privacy_loss_distribution.from_gaussian_mechanism(sigma)
            composed = composed.compose(one.self_compose(releases))
        return float(composed.get_epsilon_for_delta(delta))


class PRV:
    """Opacus' privacy random variables: an upper bound, about 0.01 above."""

    name = "privacy random variable"

    def epsilon(self, sigmas: Sequence[float], delta: float) -> float:
        """Upper bound of epsilon at delta, its error of 0.01 included."""
        from opacus.accountants import (
            PRVAccountant,
        )  # brings torch, which the verifier does without

        if _nothing_to_count(sigmas, delta):
            return 0.0
        accountant = PRVAccountant()
        accountant.history = [(sigma, 1.0, count) for sigma, count in Counter(sigmas).items()]
        with warnings.catch_warnings(), np.errstate(divide="ignore"):  # log(1 - q) at q = 1
            # Renyi orders only size PRV's grid here: a loose one is wide, never wrong.
            warnings.filterwarnings("ignore", "Optimal order is the (largest|smallest) alpha")
            return float(accountant.get_epsilon(delta))


def _nothing_to_count(sigmas: Sequence[float], delta: float) -> bool:
    """True when epsilon is 0 by the closed form; refuses what no accountant should be asked."""
    return math.isclose(ClosedForm().epsilon(sigmas, delta), 0.0)
