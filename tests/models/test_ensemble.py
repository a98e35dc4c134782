"""Draws of heads: the moments they should have, repeatable, and wide enough for effects."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.ensemble import EnsembleError, posterior
from models.heads import BOOK_PRIOR, NAMES, prior_head
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.trace import STEPS_PER_DAY, FloatArray
from models.whatif import Regimen, under
from tests.models.virtual import eventful, heads, read_by_sensor

SIZE = len(NAMES)


def correlated() -> FloatArray:
    root = np.random.default_rng(1).normal(size=(SIZE, SIZE))
    covariance: FloatArray = root @ root.T / SIZE + 0.1 * np.eye(SIZE)
    return covariance


@pytest.fixture
def calibration() -> Calibration:
    return Calibration("p", prior_head(), np.eye(SIZE), 0.0, (), 14.0, 4032, correlated())


def test_draws_have_the_mean_and_the_covariance_of_the_belief(calibration: Calibration) -> None:
    drawn = posterior(calibration, 20_000, seed=1)
    assert calibration.belief is not None
    assert drawn.mean(axis=0) == pytest.approx(calibration.head.theta, abs=1e-9)
    sd = np.sqrt(np.diag(calibration.belief))
    error = (np.cov(drawn.T) - calibration.belief) / np.outer(sd, sd)
    assert np.abs(error).max() < 0.05


def test_laplaces_covariance_instead_is_seen(calibration: Calibration) -> None:
    """Where no belief is on file the covariance is drawn from, and that is not the belief."""
    drawn = posterior(replace(calibration, belief=None), 20_000, seed=1)
    assert calibration.belief is not None
    assert np.abs(np.cov(drawn.T) - calibration.covariance).max() < 0.05
    assert np.abs(np.cov(drawn.T) - calibration.belief).max() > 0.2


def test_the_same_seed_gives_the_same_heads_and_another_gives_others(
    calibration: Calibration,
) -> None:
    assert np.array_equal(posterior(calibration, 9, 3), posterior(calibration, 9, 3))
    assert not np.array_equal(posterior(calibration, 9, 3), posterior(calibration, 9, 4))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_as_many_heads_come_as_were_asked_for(count: int, calibration: Calibration) -> None:
    assert posterior(calibration, count, 0).shape == (count, SIZE)


def test_an_ensemble_of_nobody_is_refused(calibration: Calibration) -> None:
    with pytest.raises(EnsembleError, match=r"0 heads .* None was drawn"):
        posterior(calibration, 0, 0)


def test_belief_is_wider_than_laplaces_and_narrower_than_the_prior() -> None:
    trace = read_by_sensor(eventful(3, seed=2), heads(1, seed=2)[0], seed=2)
    (calibration,) = calibrate([trace])
    assert calibration.belief is not None
    whole, narrow = BOOK_PRIOR.covariance, calibration.covariance
    assert np.linalg.eigvalsh(calibration.belief - narrow).min() > -1e-9
    assert np.linalg.eigvalsh(whole - calibration.belief).min() > -1e-6 * np.diag(whole).max()
    assert np.trace(calibration.belief / whole.max()) > np.trace(narrow / whole.max())


@pytest.mark.slow
def test_intervals_of_a_doses_effect_hold_the_truth() -> None:
    """Six people of the twin's own equations: 90 % intervals of basal +20 % miss one at most."""
    missed = 0
    for seed in range(20, 26):
        theta = heads(1, seed, spread=0.5)
        trace = read_by_sensor(eventful(4, seed), theta[0], seed)
        (calibration,) = calibrate([trace])
        inputs = physiology_inputs(trace)
        more = under(Regimen(basal_scale=1.2), inputs, 3 * STEPS_PER_DAY)
        drawn = np.concatenate([theta, posterior(calibration, 60, 1)])
        both = [open_loop(drawn, arm, 140.0).interstitial_mg_dl for arm in (inputs, more)]
        change = (both[1] - both[0])[:, 3 * STEPS_PER_DAY :].mean(axis=1)
        low, high = np.quantile(change[1:], [0.05, 0.95])
        missed += not low <= change[0] <= high
    assert missed <= 1
