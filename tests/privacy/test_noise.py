"""The noise: exact against its mass function, without state, and simulated noise says it is."""

import math
import os
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chisquare

from privacy import noise
from privacy.noise import DOUBT, FIRST_BITS, ExactNoise, NoiseError, SimulatedNoise

IntArray = npt.NDArray[np.int64]
SMALLEST_P = 1e-6


def fit(drawn: IntArray, variance: float, reach_sd: float = 4.0) -> float:
    """p-value of chi-square against exp(-x^2 / (2 variance)); each tail is one cell."""
    reach = math.ceil(reach_sd * math.sqrt(variance))
    x = np.arange(-20 * reach, 20 * reach + 1)
    mass = np.exp(-(x**2) / (2 * variance))
    mass /= mass.sum()
    cell = np.clip(x, -reach, reach) + reach
    expected = np.bincount(cell, weights=mass) * len(drawn)
    observed = np.bincount(np.clip(drawn, -reach, reach) + reach, minlength=2 * reach + 1)
    return float(chisquare(observed, expected).pvalue)


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.parametrize("variance", [1, 2, 9, 100])
def test_exact_noise_has_the_mass_of_the_discrete_gaussian(variance: int) -> None:
    drawn = ExactNoise().integers(math.sqrt(variance) * (1 - 1e-15), 200_000)
    assert fit(drawn, variance) > SMALLEST_P


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.parametrize("planted", [0.97, 1.03])
def test_chi_square_sees_another_variance(planted: float) -> None:
    assert fit(ExactNoise().integers(3.0, 1_000_000), planted * 9) < SMALLEST_P


@pytest.mark.usefixtures("repeatable_entropy")
def test_chi_square_sees_a_zero_that_comes_twice_as_often() -> None:
    drawn = ExactNoise().integers(3.0, 200_000)
    extra = np.zeros((drawn == 0).sum(), dtype=np.int64)
    assert fit(np.concatenate([drawn, extra]), 9) < SMALLEST_P


@pytest.mark.usefixtures("repeatable_entropy")
def test_wide_noise_in_bins_of_its_scale() -> None:
    """At the scale of a release (sigma 4.25 in 2^16 steps) it is a Gaussian to every digit here."""
    scale = 4.25 * 2**16
    drawn = ExactNoise().integers(scale, 100_000)
    edges = np.array([-np.inf, *np.linspace(-3, 3, 25), np.inf])
    share = np.diff([0.5 * math.erfc(-e / math.sqrt(2)) for e in edges])
    observed, _ = np.histogram(drawn / scale, edges)
    assert chisquare(observed, share * len(drawn)).pvalue > SMALLEST_P
    assert len(np.unique(drawn % 2**10)) == 2**10  # low digits are used


@pytest.mark.usefixtures("repeatable_entropy")
def test_variance_is_rounded_up_never_down() -> None:
    drawn = ExactNoise().integers(0.5, 200_000)
    assert fit(drawn, 1.0) > SMALLEST_P


@pytest.mark.usefixtures("repeatable_entropy")
def test_neighbouring_draws_are_uncorrelated() -> None:
    drawn = ExactNoise().integers(50.0, 100_000) / 50.0
    assert abs(float(np.mean(drawn[1:] * drawn[:-1]))) < 5 / math.sqrt(len(drawn))


def test_asking_for_none_and_for_one() -> None:
    assert ExactNoise().integers(3.0, 0).shape == (0,)
    assert ExactNoise().integers(3.0, 1).dtype == np.int64


@pytest.mark.parametrize("gamma", [Fraction(1, 3), Fraction(1), Fraction(17, 5), Fraction(0)])
def test_digits_that_decide_late(gamma: Fraction) -> None:
    """53 bits above or below exp(-gamma) are settled at once."""
    with localcontext(prec=60):
        p = (-Decimal(gamma.numerator) / gamma.denominator).exp()
    first = math.floor(Fraction(p) * 2**FIRST_BITS)
    assert noise._settled(first - 1, gamma)
    assert not noise._settled(first + 1, gamma)


@pytest.mark.usefixtures("repeatable_entropy")
def test_straddling_digits_fall_with_the_probability_that_is_left() -> None:
    gamma = Fraction(1, 3)
    with localcontext(prec=60):
        scaled = Fraction((-Decimal(1) / Decimal(3)).exp()) * 2**FIRST_BITS
    left = float(scaled - math.floor(scaled))
    heads = sum(noise._settled(math.floor(scaled), gamma) for _ in range(2_000))
    assert heads / 2_000 == pytest.approx(left, abs=5 * math.sqrt(left * (1 - left) / 2_000))


@pytest.mark.slow
@pytest.mark.usefixtures("repeatable_entropy")
def test_coins_in_doubt_are_settled_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all doubt and no float, the sampler draws the same distribution, only slower."""
    monkeypatch.setattr(noise, "DOUBT", 2.0)
    assert fit(ExactNoise().integers(2.0, 3_000), 4, reach_sd=2.5) > SMALLEST_P
    assert 1000 * np.finfo(np.float64).eps < DOUBT


@pytest.mark.usefixtures("repeatable_entropy")
def test_uniform_integers_favour_none() -> None:
    drawn = noise._uniform(7, 70_000)
    assert chisquare(np.bincount(drawn, minlength=7)).pvalue > SMALLEST_P


def test_a_forked_process_draws_other_noise() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, ExactNoise().integers(1e6, 64).tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = np.frombuffer(os.read(reader, 64 * 8), dtype=np.int64)
    os.close(reader)
    os.close(writer)
    ours = ExactNoise().integers(1e6, 64)
    assert len(theirs) == 64
    assert np.mean(ours == theirs) < 0.1


def test_simulated_noise_repeats_and_streams_differ() -> None:
    first = SimulatedNoise(3, "north", 1).integers(1000.0, 200)
    assert first.tolist() == SimulatedNoise(3, "north", 1).integers(1000.0, 200).tolist()
    for other in (SimulatedNoise(4, "north", 1), SimulatedNoise(3, "south", 1), SimulatedNoise(3)):
        assert np.mean(first == other.integers(1000.0, 200)) < 0.1
    assert first.std() == pytest.approx(1000.0, rel=0.25)


def test_simulated_noise_moves_on() -> None:
    source = SimulatedNoise(3)
    assert source.integers(1000.0, 50).tolist() != source.integers(1000.0, 50).tolist()


def test_labels_say_which() -> None:
    assert (ExactNoise().label, SimulatedNoise(1).label) == ("exact", "simulated")


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 2.0**27])
def test_impossible_scales_are_refused(scale: float) -> None:
    for source in (ExactNoise(), SimulatedNoise(1)):
        with pytest.raises(NoiseError, match="No noise was drawn"):
            source.integers(scale, 3)
