"""Moments of heads: what a patient answers, and the prior that answers add up to."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.head_prior import (
    FARTHEST_MEAN,
    LEAST_VARIANCE,
    MOST_VARIANCE,
    SIZES,
    UNIT,
    HeadMoments,
    K,
)
from models.heads import BOOK_PRIOR, LATENT, THETA_HIGH, THETA_LOW, Head, HeadPrior
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.sensitivity import max_leave_one_out
from tests.models.people import made_up_windows

WEIGHTS = np.arange(5, dtype=np.float32)
MEANS, BOTH = (HeadMoments(WEIGHTS, size) for size in SIZES)
VECTORS = pytest.mark.parametrize("vector", [MEANS, BOTH], ids=["means", "both"])


WINDOWS = made_up_windows()


def somebody(
    theta: FloatArray, *, doubt: FloatArray | None = None, known: bool = True
) -> PatientData:
    head = Head(theta, np.zeros(LATENT), 0.97, 4.0, identified=known)
    return PatientData("somebody", head, WINDOWS, doubt)


def population(count: int, seed: int = 0) -> tuple[list[PatientData], FloatArray, FloatArray]:
    """People of a population half a public sd off, with variances of their own, in z."""
    random = np.random.default_rng(seed)
    mean, variance = random.normal(0.0, 0.5, K), random.uniform(0.4, 2.0, K)
    z = mean + np.sqrt(variance) * random.standard_normal((count, K))
    sd = BOOK_PRIOR.sd
    head = somebody(BOOK_PRIOR.mean)
    people = [
        PatientData(
            str(place),
            Head(BOOK_PRIOR.mean + sd * one, np.zeros(LATENT), 0.97, 4.0),
            head.windows,
            np.zeros((K, K)),
        )
        for place, one in enumerate(z)
    ]
    return people, mean, variance


def learned(vector: HeadMoments, people: Sequence[PatientData]) -> HeadPrior:
    return vector.prior(vector.rows(vector.start(), people).mean(axis=0))


@VECTORS
def test_nothing_learned_is_the_public_prior(vector: HeadMoments) -> None:
    prior = vector.prior(vector.start())
    np.testing.assert_allclose(prior.mean, BOOK_PRIOR.mean)
    np.testing.assert_allclose(prior.covariance, BOOK_PRIOR.covariance)


@VECTORS
def test_the_body_stays_public(vector: HeadMoments) -> None:
    assert vector.weights(np.ones(vector.dimension)) is WEIGHTS


def test_the_mean_answer_is_the_population() -> None:
    people, _, _ = population(400)
    z = np.array([(one.head.theta - BOOK_PRIOR.mean) / BOOK_PRIOR.sd for one in people])
    prior = learned(BOTH, people)
    np.testing.assert_allclose((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd, z.mean(axis=0))
    held = np.clip(z.var(axis=0), LEAST_VARIANCE, MOST_VARIANCE)
    np.testing.assert_allclose(np.diag(prior.covariance) / BOOK_PRIOR.sd**2, held)


def test_means_alone_keep_the_public_variances() -> None:
    people, mean, _ = population(400)
    prior = learned(MEANS, people)
    assert np.abs((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd - mean).max() < 0.3
    np.testing.assert_allclose(np.diag(prior.covariance), BOOK_PRIOR.sd**2)


def test_what_is_not_known_of_a_head_counts_as_variance() -> None:
    """Heads that all shrank to the public mean, each with a doubt of half a public variance."""
    doubt = np.diag(0.5 * BOOK_PRIOR.sd**2)
    people = [somebody(BOOK_PRIOR.mean.copy(), doubt=doubt) for _ in range(4)]
    prior = learned(BOTH, people)
    np.testing.assert_allclose(np.diag(prior.covariance), 0.5 * BOOK_PRIOR.sd**2)
    certain = [somebody(BOOK_PRIOR.mean.copy()) for _ in range(4)]
    floor = LEAST_VARIANCE * BOOK_PRIOR.sd**2
    np.testing.assert_allclose(np.diag(learned(BOTH, certain).covariance), floor)


@VECTORS
def test_whoever_is_not_identified_says_nothing(vector: HeadMoments) -> None:
    rows = vector.rows(np.ones(vector.dimension), [somebody(BOOK_PRIOR.mean + 1.0, known=False)])
    assert rows.tolist() == [[0.0] * vector.dimension]


@VECTORS
def test_a_second_round_starts_where_the_first_ended(vector: HeadMoments) -> None:
    people, _, _ = population(20)
    reached = vector.rows(vector.start(), people).mean(axis=0)
    np.testing.assert_allclose(vector.rows(reached, people).mean(axis=0), 0.0, atol=1e-12)


@VECTORS
def test_a_row_is_its_own_patient_s_alone(vector: HeadMoments) -> None:
    people, _, _ = population(6)
    together = vector.rows(vector.start(), people)
    for place, one in enumerate(people):
        assert vector.rows(vector.start(), [one])[0].tolist() == together[place].tolist()


def test_rows_in_units_of_the_population_would_be_noticed() -> None:
    """Planted: whitening by the clinic's own spread, as a careless clinic would."""
    people, _, _ = population(6)
    z = np.array([one.head.theta for one in people])
    together = (z - z.mean(axis=0)) / z.std(axis=0)
    fewer = (z[:5] - z[:5].mean(axis=0)) / z[:5].std(axis=0)
    assert np.abs(together[:5] - fewer).max() > 0.01


@VECTORS
def test_nobody_moves_the_clipped_sum_by_more_than_the_clip_norm(vector: HeadMoments) -> None:
    people, _, _ = population(12)
    wild = BOOK_PRIOR.mean + 1e30 * BOOK_PRIOR.sd
    people += [somebody(wild), somebody(np.full(K, np.nan))]

    def rows(enrolled: Sequence[PatientData]) -> FloatArray:
        return vector.rows(vector.start(), enrolled)

    assert max_leave_one_out(rows, people, clip_norm=1.5) <= 1.5 * (1 + 1e-6)


@VECTORS
@pytest.mark.parametrize("size", [1.0, 1e3, 1e9])
def test_noise_of_any_size_gives_a_valid_prior(vector: HeadMoments, size: float) -> None:
    random = np.random.default_rng(3)
    prior = vector.prior(size * random.standard_normal(vector.dimension))
    values = np.linalg.eigvalsh(prior.covariance / np.outer(BOOK_PRIOR.sd, BOOK_PRIOR.sd))
    assert values.min() >= LEAST_VARIANCE * (1 - 1e-9)
    assert values.max() <= MOST_VARIANCE * (1 + 1e-9)
    assert np.abs((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd).max() <= FARTHEST_MEAN + 1e-9


@VECTORS
def test_public_variances_have_mean_one(vector: HeadMoments) -> None:
    variance = vector.prior_variance()
    assert variance.shape == (vector.dimension,) and variance.mean() == pytest.approx(1.0)
    assert (variance > 0).all()


def test_an_answer_is_measured_in_usual_ones() -> None:
    theta = BOOK_PRIOR.mean + UNIT / np.sqrt(K) * BOOK_PRIOR.sd
    assert np.linalg.norm(MEANS.rows(MEANS.start(), [somebody(theta)])) == pytest.approx(1.0)


def correlated() -> HeadPrior:
    """A public prior with a mean, spreads and correlations of its own."""
    random = np.random.default_rng(5)
    factor = np.eye(K) + 0.3 * random.standard_normal((K, K))
    scaled = BOOK_PRIOR.sd[:, None] * factor
    return HeadPrior(BOOK_PRIOR.mean + 0.5 * BOOK_PRIOR.sd, scaled @ scaled.T)


@pytest.mark.parametrize("size", SIZES)
def test_a_public_prior_with_correlations_is_where_nothing_learned_ends(size: int) -> None:
    public = correlated()
    prior = HeadMoments(WEIGHTS, size, public).prior(np.zeros(size))
    np.testing.assert_allclose(prior.mean, public.mean)
    np.testing.assert_allclose(prior.covariance, public.covariance, rtol=1e-9, atol=1e-12)


def test_people_of_the_public_prior_teach_nothing_beside_it() -> None:
    """A thousand people drawn from it: means 0 and squares 1 in its own unit."""
    public, random = correlated(), np.random.default_rng(2)
    theta = random.multivariate_normal(public.mean, public.covariance, 1000)
    vector = HeadMoments(WEIGHTS, SIZES[1], public)
    mean = vector.rows(vector.start(), [somebody(one) for one in theta]).mean(axis=0)
    assert np.abs(mean[:K]).max() * UNIT < 0.15
    assert np.abs(mean[K:]).max() * UNIT < 0.05


def test_means_are_learned_through_the_correlations() -> None:
    public = correlated()
    vector = HeadMoments(WEIGHTS, SIZES[0], public)
    theta = public.mean + 0.3 * BOOK_PRIOR.sd
    np.testing.assert_allclose(learned(vector, [somebody(theta)] * 3).mean, theta)
    np.testing.assert_allclose(learned(vector, [somebody(theta)] * 3).covariance, public.covariance)


def test_a_doubt_is_whitened_like_the_head_it_is_about() -> None:
    """Nothing known of a head beyond the public prior: its own squares are the public ones."""
    public = correlated()
    vector = HeadMoments(WEIGHTS, SIZES[1], public)
    patient = somebody(public.mean.copy(), doubt=public.covariance)
    np.testing.assert_allclose(vector.rows(vector.start(), [patient]), 0.0, atol=1e-9)


def test_whitening_by_sds_alone_would_be_noticed() -> None:
    """Planted: correlations forgotten on the way in, kept on the way out."""
    public = correlated()
    theta = public.mean + 0.7 * BOOK_PRIOR.sd
    forgotten = (theta - public.mean) / public.sd / UNIT
    vector = HeadMoments(WEIGHTS, SIZES[0], public)
    assert np.abs((vector.prior(forgotten).mean - theta) / BOOK_PRIOR.sd).max() > 0.05


@pytest.mark.parametrize("size", SIZES)
def test_sensitivity_holds_about_any_public_prior(size: int) -> None:
    vector = HeadMoments(WEIGHTS, size, correlated())
    people, _, _ = population(12)
    people += [
        somebody(BOOK_PRIOR.mean + 1e30 * BOOK_PRIOR.sd),
        somebody(np.full(K, np.inf)),
        somebody(np.full(K, np.nan)),
        somebody(BOOK_PRIOR.mean.copy(), doubt=1e200 * np.eye(K)),
        somebody(BOOK_PRIOR.mean.copy(), doubt=np.full((K, K), np.nan)),
        somebody(BOOK_PRIOR.mean.copy(), known=False),
    ]

    def rows(enrolled: Sequence[PatientData]) -> FloatArray:
        return vector.rows(vector.start(), enrolled)

    assert max_leave_one_out(rows, people, clip_norm=1.5) <= 1.5 * (1 + 1e-6)


def test_a_population_prior_of_the_clinic_s_own_breaks_the_bound() -> None:
    """Planted: heads about the clinic's own mean, so that one far patient moves everybody."""
    people, _, _ = population(12)
    people.append(somebody(BOOK_PRIOR.mean + 30.0 * BOOK_PRIOR.sd))

    def rows(enrolled: Sequence[PatientData]) -> FloatArray:
        own = np.mean([one.head.theta for one in enrolled], axis=0)
        vector = HeadMoments(WEIGHTS, SIZES[0], HeadPrior(own, BOOK_PRIOR.covariance))
        return vector.rows(vector.start(), enrolled)

    assert max_leave_one_out(rows, people, clip_norm=1.5) > 2.0 * 1.5


@VECTORS
def test_a_learned_mean_stays_where_readings_have_a_slope(vector: HeadMoments) -> None:
    """At a bound of theta physical values do not move: a twin that starts there stays there."""
    for sign in (-1.0, 1.0):
        prior = vector.prior(sign * np.full(vector.dimension, 1e3))
        assert (prior.mean > THETA_LOW).all() and (prior.mean < THETA_HIGH).all()
    far = BOOK_PRIOR.mean - FARTHEST_MEAN * BOOK_PRIOR.sd
    assert (far < THETA_LOW).any(), "without the guard it would not"
