"""The moments of released noise: correct noise passes, small faults do not."""

import numpy as np
import pytest

from privacy.moments import VALUES, moment_test, moments
from privacy.noise import ExactNoise
from privacy.planted import fixed_seed, half_noise, honest
from privacy.release import release_sum

pytestmark = pytest.mark.slow

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@pytest.fixture
def noise() -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(0)
    here, there = random.normal(size=(2, VALUES))
    return here, there


def test_gaussian_noise_passes(noise: tuple[FloatArray, FloatArray]) -> None:
    assert not moments(*noise).flagged


def test_the_figures_by_hand() -> None:
    found = moments(np.array([2.0, -2.0, 2.0, -2.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert found.sd_ratio == 2.0
    assert found.sd_z == pytest.approx(3.0 * 2.0 / np.sqrt(2.0))
    assert found.kurtosis_z == pytest.approx((1.0 - 3.0) * 2.0 / np.sqrt(24.0))
    assert found.lag_z == pytest.approx(-2.0)
    assert found.sites_z == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(6))
def test_a_deficit_of_a_hundredth_is_flagged(seed: int) -> None:
    here, there = 0.99 * np.random.default_rng(seed).normal(size=(2, VALUES))
    assert moments(here, there).flagged


def test_uniform_noise_of_the_right_size_is_flagged() -> None:
    here, there = np.random.default_rng(1).uniform(-np.sqrt(3), np.sqrt(3), (2, VALUES))
    found = moments(here, there)
    assert abs(found.sd_z) < 5.0 and found.flagged


def test_noise_that_remembers_is_flagged(noise: tuple[FloatArray, FloatArray]) -> None:
    here, there = noise
    remembers = (here + 0.02 * np.roll(here, 1)) / np.sqrt(1.0004)
    assert moments(remembers, there).flagged


def test_sites_that_share_their_noise_are_flagged(noise: tuple[FloatArray, FloatArray]) -> None:
    here, _ = noise
    assert moments(here, here).flagged


def test_silence_is_flagged() -> None:
    assert moments(np.zeros(100), np.zeros(100)).flagged


@pytest.mark.usefixtures("repeatable_entropy")
def test_the_shipped_noise_passes() -> None:
    assert not moment_test(honest, 1.0).flagged


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.parametrize("fault", [half_noise, fixed_seed])
def test_a_planted_fault_of_the_noise_is_flagged(fault: object) -> None:
    assert callable(fault)
    assert moment_test(fault, 1.0).flagged


@pytest.mark.usefixtures("repeatable_entropy")
def test_a_hundredth_less_through_the_release_path_is_flagged() -> None:
    def weak(site: object) -> FloatArray:
        return release_sum(np.zeros((1, VALUES)), 1.0, 0.99, ExactNoise()).values

    assert moment_test(weak, 1.0).flagged
