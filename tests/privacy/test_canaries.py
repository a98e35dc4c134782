"""One run with canaries: its bound is one, its ceiling is real, and it says which it is."""

import numpy as np
import pytest
from scipy.stats import binom

from privacy.canaries import (
    DOUBT,
    CanaryRun,
    canary_run,
    ceiling,
    chance_of,
    epsilon_shown,
    gaussian_mu,
    one_run_bound,
)
from privacy.gaussian_dp import mu_of_epsilon, sigma_for
from privacy.noise import SimulatedNoise

pytestmark = pytest.mark.slow

CLAIM, RELEASES = (8.0, 1e-5), 4
SIGMA = sigma_for(*CLAIM, RELEASES)


def run(noise: float, canaries: int = 1000, seed: int = 1) -> CanaryRun:
    """A run with so much of the noise that it should have."""
    coins, drawn = np.random.default_rng(seed), SimulatedNoise(seed, "canaries", 1)
    return canary_run(CLAIM, noise * SIGMA, RELEASES, canaries, coins, drawn)


def test_a_coin_is_right_half_of_the_time() -> None:
    assert chance_of(100, 100, 50, 0.0, 0.0) == pytest.approx(binom.sf(49, 100, 0.5))
    assert chance_of(100, 20, 20, 2.0, 0.0) == pytest.approx((1 / (1 + np.exp(-2.0))) ** 20)


def test_delta_adds_by_hand() -> None:
    """One canary, one guess, right: by luck 1/2, and P[1 > B >= 0] / 1 = 1/2 for 2 delta."""
    assert chance_of(1, 1, 1, 0.0, 0.01) == pytest.approx(0.5 + 2 * 0.01 * 0.5)


@pytest.mark.parametrize("right", [60, 80, 100])
def test_the_bound_is_where_the_chance_is_the_doubt(right: int) -> None:
    shown = epsilon_shown(1000, 100, right, 1e-5, 0.05)
    assert chance_of(1000, 100, right, shown, 1e-5) == pytest.approx(0.05, rel=0.01)


def test_half_right_shows_nothing() -> None:
    assert epsilon_shown(1000, 100, 50, 1e-5, 0.05) == 0.0


def test_a_thousand_canaries_cannot_falsify_eight_and_a_hundred_thousand_could() -> None:
    """Without delta m right guesses prove about ln(m / 8.5); with it far less."""
    few, many = (ceiling(m, 1e-12) for m in (1000, 100_000))
    assert few < 8.0 < many
    assert few == pytest.approx(np.log(1000 / -np.log(DOUBT)), abs=0.05)
    assert ceiling(1000, 1e-5) < 3.0


def test_noise_left_out_is_not_seen_by_the_bound_but_by_the_estimate() -> None:
    found = run(1e-9)
    assert not found.can_falsify
    assert found.bound_epsilon <= found.ceiling_epsilon < CLAIM[0]
    assert found.estimate_epsilon > 3 * CLAIM[0] and found.suspicious


def test_half_the_noise_is_seen_by_the_estimate() -> None:
    assert run(0.5).estimate_epsilon > 12.0


@pytest.mark.parametrize("seed", range(6))
def test_as_much_noise_as_claimed_is_not_suspicious(seed: int) -> None:
    found = run(1.0, seed=seed)
    assert not found.suspicious
    assert 1.0 < found.bound_epsilon < CLAIM[0]
    assert found.estimate_epsilon < found.middle_epsilon


def test_the_bound_is_too_high_no_more_often_than_it_says() -> None:
    """Two hundred runs of a program of epsilon 1 to the letter: each guess is right as allowed."""
    random, over = np.random.default_rng(5), 0
    for _ in range(200):
        took_part = random.random(300) < 0.5
        truthful = random.random(300) < 1 / (1 + np.exp(-1.0))
        scores = np.where(took_part == truthful, 1.0, -1.0) + random.normal(0, 1e-3, 300)
        over += one_run_bound(scores, took_part, 0.0) > 1.0
    assert over <= 2


def test_scores_of_nobody_show_nothing() -> None:
    assert gaussian_mu(np.zeros(3), np.array([True, False, False])) == (0.0, 0.0)


def test_the_estimate_is_of_the_distance_in_standard_deviations() -> None:
    random = np.random.default_rng(0)
    took_part = random.random(20_000) < 0.5
    scores = 3.0 * (random.normal(size=20_000) + mu_of_epsilon(*CLAIM) * took_part)
    low, middle = gaussian_mu(scores, took_part)
    assert low < middle and middle == pytest.approx(1.666, abs=0.06)
