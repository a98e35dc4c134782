"""Exact Gaussian accounting: the table everybody can check, the inverses, the refusals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from privacy.gaussian_dp import (
    AccountingError,
    best_true_positive_rate,
    delta_of_epsilon,
    epsilon_of_mu,
    largest_advantage,
    mu_of_epsilon,
    mu_of_releases,
    replace_one,
    sigma_for,
    two_sites,
)

DELTA = 1e-5


@pytest.mark.parametrize(("epsilon", "sigma"), [(8.0, 4.25), (4.0, 7.65), (2.0, 14.11)])
def test_noise_of_fifty_releases(epsilon: float, sigma: float) -> None:
    assert sigma_for(epsilon, DELTA, releases=50) == pytest.approx(sigma, rel=2e-3)


@pytest.mark.parametrize(("epsilon", "sigma"), [(8.0, 0.85), (4.0, 1.53), (2.0, 2.82)])
def test_noise_of_two_releases(epsilon: float, sigma: float) -> None:
    assert sigma_for(epsilon, DELTA, releases=2) == pytest.approx(sigma, abs=0.006)


@pytest.mark.parametrize(("epsilon", "mu"), [(4.0, 0.925), (8.0, 1.666)])
def test_budgets_in_mu(epsilon: float, mu: float) -> None:
    assert mu_of_epsilon(epsilon, DELTA) == pytest.approx(mu, abs=5e-4)


@pytest.mark.parametrize(("epsilon", "replaced"), [(8.0, 19.1), (4.0, 9.1), (2.0, 4.4)])
def test_replacing_one_patient_costs_more_than_twice(epsilon: float, replaced: float) -> None:
    mu = replace_one(mu_of_epsilon(epsilon, DELTA))
    assert epsilon_of_mu(mu, DELTA) == pytest.approx(replaced, abs=0.05)


def test_a_patient_of_two_sites() -> None:
    assert epsilon_of_mu(two_sites(mu_of_epsilon(8.0, DELTA)), DELTA) == pytest.approx(
        12.3, abs=0.05
    )


@pytest.mark.parametrize(("epsilon", "found"), [(8.0, 0.255), (4.0, 0.081), (2.0, 0.034)])
def test_what_the_best_attack_finds(epsilon: float, found: float) -> None:
    rate = best_true_positive_rate(mu_of_epsilon(epsilon, DELTA), 0.01)
    assert rate == pytest.approx(found, abs=6e-4)


@pytest.mark.parametrize(("epsilon", "advantage"), [(8.0, 0.595), (4.0, 0.356), (2.0, 0.198)])
def test_largest_advantage(epsilon: float, advantage: float) -> None:
    assert largest_advantage(mu_of_epsilon(epsilon, DELTA)) == pytest.approx(advantage, abs=6e-4)


def test_two_studies_at_epsilon_4_are_not_8() -> None:
    mu = mu_of_epsilon(4.0, DELTA)
    together = mu_of_releases([1 / mu, 1 / mu])
    assert epsilon_of_mu(together, DELTA) == pytest.approx(5.99, abs=0.005)


def test_delta_is_the_integral_of_the_definition() -> None:
    """delta = integral of max(0, p - e^eps q) for p = N(mu, 1) and q = N(0, 1)."""
    mu, epsilon = 1.3, 2.0
    start = epsilon / mu + mu / 2  # where p = e^eps q
    excess, _ = quad(
        lambda x: norm.pdf(x, loc=mu) - math.exp(epsilon) * norm.pdf(x), start, start + 40
    )
    assert delta_of_epsilon(epsilon, mu) == pytest.approx(excess, rel=1e-9)


@given(st.floats(0.05, 40.0), st.sampled_from([1e-3, 1e-5, 1e-8]))
def test_epsilon_and_mu_are_inverse(epsilon: float, delta: float) -> None:
    assert epsilon_of_mu(mu_of_epsilon(epsilon, delta), delta) == pytest.approx(epsilon, rel=1e-8)


@given(st.lists(st.floats(0.3, 100.0), min_size=1, max_size=20))
def test_order_of_releases_is_free_and_each_costs(sigmas: list[float]) -> None:
    spent = mu_of_releases(sigmas)
    assert spent == mu_of_releases(sigmas[::-1])
    assert spent > mu_of_releases(sigmas[1:])


def test_nothing_released_costs_nothing() -> None:
    assert mu_of_releases([]) == 0.0
    assert epsilon_of_mu(0.0, DELTA) == 0.0


def test_a_mu_so_small_that_delta_alone_covers_it() -> None:
    assert epsilon_of_mu(1e-6, DELTA) == 0.0


def test_an_enormous_mu_does_not_overflow() -> None:
    assert epsilon_of_mu(100.0, DELTA) == pytest.approx(100.0**2 / 2, rel=0.1)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_impossible_noise_is_refused(sigma: float) -> None:
    with pytest.raises(AccountingError, match="found sigma"):
        mu_of_releases([1.0, sigma])


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
def test_impossible_delta_is_refused(delta: float) -> None:
    with pytest.raises(AccountingError, match="found delta"):
        epsilon_of_mu(1.0, delta)
    with pytest.raises(AccountingError, match="found delta"):
        mu_of_epsilon(1.0, delta)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(AccountingError, match="0 releases"):
        sigma_for(8.0, DELTA, releases=0)
    with pytest.raises(AccountingError, match="found epsilon"):
        sigma_for(0.0, DELTA, releases=1)
    with pytest.raises(AccountingError, match="false positive rate"):
        best_true_positive_rate(1.0, 0.0)
