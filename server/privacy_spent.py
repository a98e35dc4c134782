"""What a study's releases spent on each patient, in every figure that a run writes down."""

from functools import cache

from privacy.accountants import PLD
from privacy.gaussian_dp import epsilon_of_mu, mu_of_releases, replace_one, two_sites
from server.run_record import MetricsTold, PrivacySpent
from study.protocol import Protocol


def privacy_spent(
    protocol: Protocol, releases: int, metrics: MetricsTold | None = None
) -> PrivacySpent:
    """What so many releases of training, and the metrics that were told, spend on each patient.

    The largest over clinics: one whose metrics are suppressed spends less.
    """
    told = () if metrics is None or not metrics.clinics else (metrics.sigma,)
    sigmas = (*[protocol.sigma] * releases, *told)
    mu, delta = mu_of_releases(sigmas), protocol.privacy.delta
    return PrivacySpent(
        unit=protocol.privacy.unit,
        adjacency=protocol.privacy.adjacency,
        epsilon=epsilon_of_mu(mu, delta),
        delta=delta,
        mu=mu,
        sigma=protocol.sigma,
        releases=len(sigmas),
        pld_epsilon=_pld_epsilon(sigmas, delta),
        replace_one_epsilon=epsilon_of_mu(replace_one(mu), delta),
        two_site_epsilon=epsilon_of_mu(two_sites(mu), delta),
    )


@cache
def _pld_epsilon(sigmas: tuple[float, ...], delta: float) -> float:
    return PLD().epsilon(sigmas, delta)
