"""Weights and shrinkage against brute force and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from models.trace import FloatArray
from server.shrinkage import (
    PATIENT_VARIANCE,
    Noise,
    enrolment_variance,
    likeliest_kappa,
    noise_variance,
    shrunk,
    trimmed_weights,
    weights_by_precision,
    weights_by_size,
)

NOISE = Noise(sigma=0.85, clip_norm=0.5, dimension=32)


def brute_kappa(u: FloatArray, nu: float, q: FloatArray) -> float:
    """The best of a very fine grid, 0 included, by scipy's own normal density."""
    candidates = np.append(0.0, nu / q.mean() * np.logspace(-6, 6, 6_001))
    sd = np.sqrt(candidates[:, None] * q + nu)
    likelihood = np.asarray(norm.logpdf(u, scale=sd)).sum(axis=1)
    return float(candidates[likelihood.argmax()])


def cohort(seed: int, size: int) -> tuple[FloatArray, float, FloatArray]:
    random = np.random.default_rng(seed)
    q = random.gamma(1.0, 1.0, size) + 0.01
    nu, kappa = random.uniform(0.01, 1.0), random.uniform(0.0, 3.0)
    return random.normal(0.0, np.sqrt(kappa * q + nu)), nu, q / q.mean()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [1, 4, 32, 400])
def test_kappa_is_the_likeliest(seed: int, size: int) -> None:
    u, nu, q = cohort(seed, size)
    assert likeliest_kappa(u, nu, q) == pytest.approx(brute_kappa(u, nu, q), rel=5e-3, abs=1e-5)


def test_equal_coordinates_have_the_textbook_answer() -> None:
    """With q = 1 the likeliest kappa is mean(u^2) - nu, and 0 below."""
    u = np.array([1.0, -2.0, 3.0, -1.5])
    assert likeliest_kappa(u, 0.5, np.ones(4)) == pytest.approx((u**2).mean() - 0.5, rel=1e-6)
    assert likeliest_kappa(u, 5.0, np.ones(4)) == 0.0


def test_shrinkage_by_hand() -> None:
    u, nu = np.array([2.0, -2.0]), 1.0
    assert shrunk(u, nu, np.ones(2)) == pytest.approx(u * 3.0 / 4.0, rel=1e-6)


def test_a_coordinate_that_varies_more_in_public_is_shrunk_less() -> None:
    kept = shrunk(np.array([3.0, 3.0]), 1.0, np.array([1.9, 0.1])) / 3.0
    assert kept[0] > kept[1] > 0.0


@pytest.mark.parametrize("seed", range(20))
def test_a_release_without_signal_moves_nothing_or_next_to_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    u = random.normal(0.0, 1.0, 64)
    kept = shrunk(u, 1.0, np.ones(64))
    assert np.linalg.norm(kept) < 0.35 * np.linalg.norm(u)
    assert shrunk(0.9 * u / np.sqrt((u**2).mean()), 1.0, np.ones(64)).tolist() == [0.0] * 64


def test_nothing_released_stays_nothing() -> None:
    assert shrunk(np.zeros(5), 0.3, np.ones(5)).tolist() == [0.0] * 5


def test_a_loud_signal_is_kept() -> None:
    u = np.full(8, 100.0)
    assert shrunk(u, 1e-4, np.ones(8)) == pytest.approx(u, rel=1e-6)


def test_shrinkage_lowers_the_error_of_a_small_noisy_study() -> None:
    """Averaged over studies whose truth is drawn from the model; without it the error is nu."""
    random = np.random.default_rng(3)
    with_it, without = [], []
    for _ in range(200):
        truth = random.normal(0.0, 0.5, 32)
        u = truth + random.normal(0.0, 1.0, 32)
        with_it.append(((shrunk(u, 1.0, np.ones(32)) - truth) ** 2).mean())
        without.append(((u - truth) ** 2).mean())
    assert np.mean(with_it) < 0.3 * np.mean(without)


@given(scale=st.floats(1e-3, 1e3))
def test_units_do_not_matter(scale: float) -> None:
    u, nu, q = cohort(1, 16)
    moved = shrunk(scale * u, scale**2 * nu, q)
    assert moved == pytest.approx(scale * shrunk(u, nu, q), rel=1e-4, abs=1e-9 * scale)


def test_what_chance_enrolment_explains_is_not_kept() -> None:
    """kappa is 3 here; of it, tau is who happened to enrol, and tau >= 3 leaves nothing."""
    u, nu = np.array([2.0, -2.0]), 1.0
    assert shrunk(u, nu, np.ones(2), 1.0) == pytest.approx(u * 2.0 / 4.0, rel=1e-6)
    assert shrunk(u, nu, np.ones(2), 4.0).tolist() == [0.0, 0.0]


def noise_alone(clip_norm: float, sd: float = 100.0) -> float:
    """The longest step that noise which dwarfs every row is taken for, of 200 draws."""
    random = np.random.default_rng(11)
    draws = random.normal(0.0, sd, (200, 8))
    return max(float(np.linalg.norm(shrunk(u, sd**2, np.ones(8), 0.0, clip_norm))) for u in draws)


def test_noise_that_dwarfs_every_row_is_never_taken_for_one() -> None:
    assert noise_alone(clip_norm=0.5) < 0.01
    assert noise_alone(clip_norm=np.inf) > 50.0, "what it would be without knowing the clip norm"


def test_the_clip_norm_takes_nothing_from_what_is_possible() -> None:
    u = np.array([0.3, -0.3, 0.2, 0.1])
    assert shrunk(u, 1e-3, np.ones(4), 0.0, 1.0).tolist() == shrunk(u, 1e-3, np.ones(4)).tolist()


def test_knowing_of_chance_lowers_the_error_for_the_next_patients() -> None:
    """Rows vary among patients; the judge is the population's mean, not that of those enrolled."""
    random = np.random.default_rng(5)
    knowing, unknowing = [], []
    for _ in range(300):
        truth = random.normal(0.0, 0.3, 32)
        enrolled = truth + random.normal(0.0, 0.5, 32)
        u = enrolled + random.normal(0.0, 0.2, 32)
        knowing.append(((shrunk(u, 0.04, np.ones(32), 0.25) - truth) ** 2).mean())
        unknowing.append(((shrunk(u, 0.04, np.ones(32)) - truth) ** 2).mean())
    assert np.mean(knowing) < 0.5 * np.mean(unknowing)


def test_enrolment_variance_is_that_of_simulated_enrolments() -> None:
    """Patients' rows of total variance 0.6 C^2, three clinics, their weighted mean."""
    declared, k = [3, 8, 7], NOISE.dimension
    weights = weights_by_precision(declared, NOISE)
    random = np.random.default_rng(6)
    sd = np.sqrt(PATIENT_VARIANCE * NOISE.clip_norm**2 / k)
    means = [random.normal(0.0, sd, (4_000, k, n)).mean(axis=2) for n in declared]
    mean_row = sum(w * mean for w, mean in zip(weights, means, strict=True))
    expected = np.asarray(mean_row).var()
    assert enrolment_variance(declared, weights, NOISE) == pytest.approx(expected, rel=0.02)


def test_weights_by_size_are_shares() -> None:
    assert weights_by_size([5, 15]).tolist() == [0.25, 0.75]


def test_weights_by_precision_by_hand() -> None:
    """Noise of variance 32 * 0.85^2 = 23.12 squared clip norms; n = 5 and 10."""
    expected = np.array([1 / (0.6 / 5 + 23.12 / 25), 1 / (0.6 / 10 + 23.12 / 100)])
    expected /= expected.sum()
    assert weights_by_precision([5, 10], NOISE) == pytest.approx(expected, rel=1e-12)


def test_without_noise_weights_by_precision_are_shares() -> None:
    quiet = Noise(sigma=0.0, clip_norm=1.0, dimension=32)
    assert weights_by_precision([5, 15], quiet) == pytest.approx([0.25, 0.75])


def test_in_pure_noise_weights_go_with_the_square_of_size() -> None:
    loud = Noise(sigma=1e6, clip_norm=1.0, dimension=32)
    assert weights_by_precision([1, 3], loud) == pytest.approx([0.1, 0.9], rel=1e-6)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=20))
def test_weights_are_positive_and_sum_to_one(declared: list[int]) -> None:
    for weights in (weights_by_size(declared), weights_by_precision(declared, NOISE)):
        assert (weights > 0).all()
        assert weights.sum() == pytest.approx(1.0)


def test_noise_variance_is_that_of_simulated_releases() -> None:
    declared = [4, 9, 20]
    weights = weights_by_precision(declared, NOISE)
    random = np.random.default_rng(0)
    sums = random.normal(0.0, NOISE.sigma * NOISE.clip_norm, (3, 200_000))
    mean_row = (weights[:, None] * sums / np.array(declared)[:, None]).sum(axis=0)
    assert noise_variance(declared, weights, NOISE) == pytest.approx(mean_row.var(), rel=0.02)


@pytest.mark.parametrize("declared", [[6, 6, 6], [5, 8, 6, 20, 7], [3, 3, 3, 3, 40, 40, 40]])
@pytest.mark.parametrize("trim", [1])
def test_a_trimmed_mean_is_no_noisier_than_its_weights_say(declared: list[int], trim: int) -> None:
    noise = Noise(1.5, 0.5, 1)
    said = noise_variance(declared, trimmed_weights(declared, trim), noise)
    sd = noise.sigma * noise.clip_norm / np.asarray(declared, dtype=float)
    drawn = np.random.default_rng(4).normal(size=(20_000, len(declared))) * sd
    kept = np.sort(drawn, axis=1)[:, trim : len(declared) - trim]
    found = float(kept.mean(axis=1).var())
    assert found <= said * 1.02
    assert found > said / 20  # a bound that says nothing would be of no use


def test_nothing_trimmed_is_a_plain_mean() -> None:
    assert trimmed_weights([5, 9, 7, 4], 0).tolist() == [0.25] * 4
