"""A privacy budget before it is spent: the noise it needs, and what it means for a patient."""

import math
from dataclasses import dataclass

from privacy.accountants import PLD, ClosedForm
from privacy.gaussian_dp import (
    AccountingError,
    best_true_positive_rate,
    epsilon_of_mu,
    largest_advantage,
    mu_of_epsilon,
    replace_one,
    sigma_for,
    two_sites,
)
from privacy.metric import FEWEST_PATIENTS

FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class Tighter:
    """The noise that a smaller budget would need."""

    epsilon: float
    sigma: float
    noise_on_average: float


@dataclass(frozen=True)
class MetricPlan:
    """Metrics at the end of a study: what they cost training, and how noisy they come out.

    `sigma` is their noise multiplier; `standard_error` is of each published mean over all declared
    patients, in the unit of `bound`; `training_sigma` the noise that training then has.
    """

    metrics: int
    share: float
    bound: float
    sigma: float
    standard_error: float
    training_sigma: float


@dataclass(frozen=True)
class Plan:
    """(epsilon, delta) for one patient, add/remove, over all releases of one site.

    `sigma` is in clip norms, `mu` the same budget as Gaussian DP; `noise_on_average` is the noise
    on each coordinate of the mean row of all sites, in clip norms. The last figures say what it
    means: epsilon were a patient exchanged for another, or enrolled at two sites; the share of
    members found by the best attack that is wrong about 1 non-member in 100; and its largest
    true minus false positive rate. `tighter` is the noise at half and a quarter of epsilon.
    """

    epsilon: float
    delta: float
    releases: int
    sites: int
    patients: int
    mu: float
    sigma: float
    noise_on_average: float
    epsilon_pld: float
    epsilon_replace_one: float
    epsilon_two_sites: float
    true_positive_rate: float
    false_positive_rate: float
    largest_advantage: float
    tighter: tuple[Tighter, ...]


def plan(epsilon: float, delta: float, releases: int, sites: int = 1, patients: int = 1) -> Plan:
    """The plan that spends exactly (epsilon, delta) in this many releases.

    `sites` of `patients` each average their releases. Raises AccountingError for impossible
    figures and for epsilon above 50.
    """
    if min(sites, patients) < 1:
        raise AccountingError(
            f"found {sites} sites of {patients} patients; expected 1 or more of each. No noise was "
            "planned. What to do: give the declared sizes."
        )
    sigma = sigma_for(epsilon, delta, releases)
    sigmas = [sigma] * releases
    mu = mu_of_epsilon(epsilon, delta)
    return Plan(
        epsilon=ClosedForm().epsilon(sigmas, delta),
        delta=delta,
        releases=releases,
        sites=sites,
        patients=patients,
        mu=mu,
        sigma=sigma,
        noise_on_average=noise_on_average(sigma, sites, patients),
        epsilon_pld=PLD().epsilon(sigmas, delta),
        epsilon_replace_one=epsilon_of_mu(replace_one(mu), delta),
        epsilon_two_sites=epsilon_of_mu(two_sites(mu), delta),
        true_positive_rate=best_true_positive_rate(mu, FALSE_POSITIVE_RATE),
        false_positive_rate=FALSE_POSITIVE_RATE,
        largest_advantage=largest_advantage(mu),
        tighter=tuple(
            _tighter(epsilon / share, delta, releases, sites, patients) for share in (2, 4)
        ),
    )


def plan_metrics(figures: Plan, metrics: int, share: float, bound: float) -> MetricPlan:
    """What so many metrics cut to `bound` cost if they get `share` of the budget's mu^2."""
    if not (0.0 < share <= 0.5 and bound > 0.0 and metrics > 0):
        raise AccountingError(
            f"found {metrics} metrics cut to {bound} with a share of {share}; expected 1 or more, "
            "a bound above 0 and a share above 0 and up to 0.5. Nothing was planned. What to do: "
            "give those of the protocol."
        )
    if figures.patients < FEWEST_PATIENTS:
        raise AccountingError(
            f"found clinics of {figures.patients} patients; expected {FEWEST_PATIENTS} or more, as "
            "smaller ones tell no metric and pay for none. Nothing was planned. What to do: leave "
            "the metrics out, or give the number and size of the clinics that will tell."
        )
    sigma = 1.0 / (figures.mu * math.sqrt(share))
    error = sigma * bound * math.sqrt(metrics / figures.sites) / figures.patients
    training = figures.sigma / math.sqrt(1.0 - share)
    return MetricPlan(metrics, share, bound, sigma, error, training)


def metrics_in_words(figures: MetricPlan) -> str:
    """The same as a person reads it."""
    return (
        f"Of this budget {100 * figures.share:g} % of mu squared goes to {figures.metrics} "
        f"metric(s) at the end, each patient's cut to {figures.bound:g}: the published means have "
        f"a standard error of {figures.standard_error:.2f}, and training has noise of "
        f"{figures.training_sigma:.4g} clip norms instead."
    )


def in_words(figures: Plan) -> str:
    """A plan as a person reads it."""
    return (
        f"epsilon {figures.epsilon:g} at delta {figures.delta:g} in {figures.releases} releases "
        f"needs noise of {figures.sigma:.4g} clip norms each (mu {figures.mu:.4f}; "
        f"epsilon {figures.epsilon_pld:.4f} by privacy loss distributions).\n"
        f"On the mean of {figures.sites} site(s) of {figures.patients} patients that is "
        f"{figures.noise_on_average:.4f} clip norms a coordinate"
        + "".join(
            f"; {one.noise_on_average:.4f} at epsilon {one.epsilon:g}" for one in figures.tighter
        )
        + ".\n"
        f"One patient exchanged for another: epsilon {figures.epsilon_replace_one:.1f}. "
        f"A patient of two clinics: epsilon {figures.epsilon_two_sites:.1f}.\n"
        f"The best attack that is wrong about {100 * figures.false_positive_rate:g} % of those who "
        f"did not take part finds {100 * figures.true_positive_rate:.1f} % of those who did."
    )


def noise_on_average(sigma: float, sites: int, patients: int) -> float:
    """Noise on each coordinate of the mean row of all sites: sigma / (patients sqrt(sites))."""
    return sigma / (patients * math.sqrt(sites))


def _tighter(epsilon: float, delta: float, releases: int, sites: int, patients: int) -> Tighter:
    sigma = sigma_for(epsilon, delta, releases)
    return Tighter(epsilon, sigma, noise_on_average(sigma, sites, patients))
