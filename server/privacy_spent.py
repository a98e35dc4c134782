"""What a study's releases spent on each patient, in every figure that a run writes down."""

from functools import cache

from privacy.accountants import PLD
from privacy.gaussian_dp import epsilon_of_mu, mu_of_releases, replace_one, two_sites
from server.run_record import PrivacySpent
from study.protocol import Protocol


def privacy_spent(protocol: Protocol, releases: int) -> PrivacySpent:
    """What so many releases of this protocol spend on each patient."""
    mu, delta = mu_of_releases([protocol.sigma] * releases), protocol.privacy.delta
    return PrivacySpent(
        unit=protocol.privacy.unit,
        adjacency=protocol.privacy.adjacency,
        epsilon=epsilon_of_mu(mu, delta),
        delta=delta,
        mu=mu,
        sigma=protocol.sigma,
        releases=releases,
        pld_epsilon=_pld_epsilon(protocol.sigma, releases, delta),
        replace_one_epsilon=epsilon_of_mu(replace_one(mu), delta),
        two_site_epsilon=epsilon_of_mu(two_sites(mu), delta),
    )


@cache
def _pld_epsilon(sigma: float, releases: int, delta: float) -> float:
    return PLD().epsilon([sigma] * releases, delta)
