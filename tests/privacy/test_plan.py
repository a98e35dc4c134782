"""A plan: its figures are those of the accountants, and impossible ones are refused."""

import pytest

from privacy.gaussian_dp import AccountingError, epsilon_of_mu, mu_of_releases
from privacy.plan import plan

pytestmark = pytest.mark.slow


def test_the_usual_plan() -> None:
    figures = plan(8.0, 1e-5, 50)
    assert figures.epsilon == pytest.approx(8.0, abs=1e-9)
    assert figures.epsilon_pld == pytest.approx(8.0, abs=1e-4)
    assert figures.sigma == pytest.approx(4.244, abs=1e-3)
    assert figures.mu == pytest.approx(1.666, abs=1e-3)
    assert figures.epsilon_replace_one == pytest.approx(19.1, abs=0.05)
    assert figures.epsilon_two_sites == pytest.approx(12.3, abs=0.05)
    assert figures.true_positive_rate == pytest.approx(0.255, abs=1e-3)
    assert figures.false_positive_rate == 0.01
    assert figures.largest_advantage == pytest.approx(0.595, abs=1e-3)


@pytest.mark.parametrize("releases", [2, 7])
def test_the_largest_budget_that_is_allowed_can_be_planned(releases: int) -> None:
    assert plan(50.0, 1e-5, releases).epsilon == pytest.approx(50.0)


def test_fewer_releases_need_less_noise_for_the_same_promise() -> None:
    few, many = plan(4.0, 1e-5, 2), plan(4.0, 1e-5, 50)
    assert few.sigma == pytest.approx(many.sigma / 5)
    assert few.true_positive_rate == pytest.approx(many.true_positive_rate)


@pytest.mark.parametrize("wrong", [(0.0, 1e-5, 2), (8.0, 0.0, 2), (8.0, 1e-5, 0), (51.0, 1e-5, 1)])
def test_impossible_plans_are_refused(wrong: tuple[float, float, int]) -> None:
    with pytest.raises(AccountingError, match="What to do"):
        plan(*wrong)


def test_ten_sites_of_fifty_have_the_published_noise() -> None:
    """Sigma 4.244 / 7.645 / 14.098 at epsilon 8 / 4 / 2; on the mean 0.0268 / 0.048 / 0.089."""
    figures = plan(8.0, 1e-5, 50, sites=10, patients=50)
    assert figures.sigma == pytest.approx(4.2443, abs=1e-4)
    assert figures.noise_on_average == pytest.approx(0.0268, abs=1e-4)
    half, quarter = figures.tighter
    assert (half.epsilon, quarter.epsilon) == (4.0, 2.0)
    assert half.sigma == pytest.approx(7.6450, abs=1e-4)
    assert quarter.sigma == pytest.approx(14.0984, abs=1e-4)
    assert half.noise_on_average == pytest.approx(0.048, abs=1e-3)
    assert quarter.noise_on_average == pytest.approx(0.089, abs=1e-3)


@pytest.mark.parametrize("sizes", [(0, 50), (10, 0)])
def test_nobody_is_no_plan(sizes: tuple[int, int]) -> None:
    with pytest.raises(AccountingError, match="expected 1 or more of each"):
        plan(8.0, 1e-5, 50, *sizes)


@pytest.mark.parametrize(("sigma", "epsilon"), [(4.25, 8.0), (7.65, 4.0), (14.11, 2.0)])
def test_published_noise_is_ours_rounded_up(sigma: float, epsilon: float) -> None:
    """4.25 / 7.65 / 14.11 promise a little more than asked: 7.987, 3.997 and 1.998."""
    spent = epsilon_of_mu(mu_of_releases([sigma] * 50), 1e-5)
    assert 0.998 * epsilon < spent < epsilon
