"""Three accountants on random ledgers: equal where they must be, never below where they bound."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from privacy.accountants import LARGEST_EPSILON, PLD, PRV, Accountant, ClosedForm
from privacy.gaussian_dp import AccountingError, mu_of_epsilon

pytestmark = pytest.mark.slow

DELTA = 1e-5
ACCOUNTANTS: list[Accountant] = [ClosedForm(), PLD(), PRV()]


def random_ledger(seed: int, most_segments: int = 3) -> list[float]:
    """Noise of up to 60 releases in a few segments, worth an epsilon of 0.1 to 20."""
    rng = np.random.default_rng(seed)
    segments = int(rng.integers(1, most_segments + 1))
    sigmas = np.repeat(rng.uniform(0.3, 3.0, segments), rng.integers(1, 21, segments))
    epsilon = math.exp(rng.uniform(math.log(0.1), math.log(20.0)))
    scaled = sigmas * math.sqrt((1 / sigmas**2).sum()) / mu_of_epsilon(epsilon, DELTA)
    return [float(sigma) for sigma in scaled]


def assert_agree(sigmas: Sequence[float]) -> None:
    exact, pld, prv = (each.epsilon(sigmas, DELTA) for each in ACCOUNTANTS)
    assert 0 <= pld - exact < 1e-3
    assert 0 <= prv - exact < 0.02


@pytest.mark.parametrize("seed", range(20))
def test_random_ledgers_agree(seed: int) -> None:
    assert_agree(random_ledger(seed))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_many_more_random_ledgers_agree(block: int) -> None:
    for seed in range(100 + 30 * block, 130 + 30 * block):
        assert_agree(random_ledger(seed))


def test_a_release_of_each_size() -> None:
    for sigma in (0.7, 3.0, 40.0):
        assert_agree([sigma])


@pytest.mark.parametrize("planted", [0.97, 1.03])
def test_an_accountant_that_is_off_by_three_in_a_hundred_is_seen(planted: float) -> None:
    exact, pld = (
        each.epsilon([planted_sigma], DELTA)
        for each, planted_sigma in ((ClosedForm(), 1.0), (PLD(), planted))
    )
    assert not 0 <= pld - exact < 1e-3


@pytest.mark.parametrize("accountant", ACCOUNTANTS, ids=lambda each: each.name)
def test_nothing_released_costs_nothing(accountant: Accountant) -> None:
    assert accountant.epsilon([], DELTA) == 0.0


@pytest.mark.parametrize("accountant", ACCOUNTANTS, ids=lambda each: each.name)
def test_no_figure_beyond_fifty(accountant: Accountant) -> None:
    assert LARGEST_EPSILON == 50.0
    sigma = 1 / mu_of_epsilon(50.1, DELTA)
    with pytest.raises(AccountingError, match="protects nobody"):
        accountant.epsilon([sigma], DELTA)


@pytest.mark.parametrize("accountant", ACCOUNTANTS, ids=lambda each: each.name)
def test_impossible_noise_is_refused(accountant: Accountant) -> None:
    with pytest.raises(AccountingError, match="found sigma"):
        accountant.epsilon([1.0, 0.0], DELTA)
