"""A prior from others' heads: their mean, their spread and how uncertain each of them is."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head
from models.population import DIAGONAL_SHARE, population_prior
from models.trace import FloatArray

SIZE = len(NAMES)


def calibrations(theta: FloatArray, sd: float = 0.1) -> list[Calibration]:
    """One calibration per row of theta (n, K), each with posterior covariance sd^2 I."""
    return [
        Calibration(
            patient=str(i),
            head=Head(row, np.zeros(LATENT), 0.97, 4.0),
            covariance=sd**2 * np.eye(SIZE),
            objective=0.0,
            flags=(),
            known_days=14.0,
            readings=4000,
        )
        for i, row in enumerate(theta)
    ]


def drawn(count: int, seed: int = 0) -> FloatArray:
    """theta (n, K) whose first two parameters move together."""
    noise = np.random.default_rng(seed).standard_normal((count, SIZE))
    noise[:, 1] = 0.8 * noise[:, 0] + 0.6 * noise[:, 1]
    return BOOK_PRIOR.mean + noise


def test_mean_and_covariance_are_those_of_the_heads_and_of_their_uncertainty() -> None:
    theta = drawn(30)
    prior = population_prior(calibrations(theta, sd=0.5), BOOK_PRIOR)
    spread = np.cov(theta, rowvar=False) + 0.25 * np.eye(SIZE)
    np.testing.assert_allclose(prior.mean, theta.mean(axis=0))
    np.testing.assert_allclose(np.diag(prior.covariance), np.diag(spread))
    assert prior.covariance[0, 1] == pytest.approx((1.0 - DIAGONAL_SHARE) * spread[0, 1])


def test_correlations_between_parameters_are_learned() -> None:
    prior = population_prior(calibrations(drawn(2000), sd=0.01), BOOK_PRIOR)
    correlation = prior.covariance[0, 1] / (prior.sd[0] * prior.sd[1])
    assert correlation == pytest.approx(0.8 * (1.0 - DIAGONAL_SHARE), abs=0.05)


def test_fewer_heads_than_parameters_still_give_a_proper_prior() -> None:
    prior = population_prior(calibrations(drawn(3)), BOOK_PRIOR)
    assert np.linalg.eigvalsh(prior.covariance).min() > 0.0


def test_heads_that_are_not_identified_say_nothing() -> None:
    known = calibrations(drawn(5))
    odd = calibrations(drawn(1) + 50.0)[0]
    unknown = replace(odd, head=replace(odd.head, identified=False))
    with_unknown = population_prior([*known, unknown], BOOK_PRIOR)
    np.testing.assert_array_equal(with_unknown.mean, population_prior(known, BOOK_PRIOR).mean)
    assert population_prior([*known, odd], BOOK_PRIOR).mean[0] > with_unknown.mean[0] + 5.0


def test_two_heads_are_no_population() -> None:
    assert population_prior(calibrations(drawn(2)), BOOK_PRIOR) is BOOK_PRIOR
    assert population_prior(calibrations(drawn(3)), BOOK_PRIOR) is not BOOK_PRIOR
