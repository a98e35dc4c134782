"""The posterior: against a dense Gaussian, its own differences, and what it finds again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import toeplitz

from models import nuisance
from models.heads import BOOK_PRIOR, NAMES
from models.inputs import physiology_inputs
from models.knowledge import ClinicKnowledge, mismatch
from models.nuisance import SPREADS, Spread, precision
from models.openloop import open_loop
from models.posterior import Nuisance, Posterior, Record, mode_of
from models.residuals import Noise
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.virtual import eventful, heads, read_by_sensor

KNOWN = ClinicKnowledge(30.0, 9.0)
NOISE = Noise(0.95, 4.0)


def record_of(days: int, seed: int, theta: FloatArray) -> Record:
    trace = read_by_sensor(eventful(days, seed), theta, seed)
    rows = np.arange(len(trace))
    glucose = trace["glucose_mg_dl"]
    return Record(physiology_inputs(trace), rows, rows, glucose, float(glucose[0]))


def posterior_of(record: Record, theta: FloatArray, spread: Spread) -> Posterior:
    slopes = nuisance.slopes(theta, record.inputs, record.start_mg_dl, record.places)
    return Posterior(record, BOOK_PRIOR, KNOWN, NOISE, Nuisance(slopes, spread))


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    theta = heads(1, seed=3, spread=0.4)[0]
    return posterior_of(record_of(2, 3, theta), theta, Spread(0.2, 0.15))


def test_the_cost_is_that_of_the_whole_covariance(posterior: Posterior) -> None:
    """r' C^-1 r + ln |C| with C = AR(1) + J S J', written out, for 576 readings."""
    z = np.random.default_rng(1).normal(size=len(NAMES)) * 0.3
    theta = posterior.theta(z)
    record = posterior.record
    lags = np.arange(len(record.rows))
    errors = toeplitz(NOISE.phi**lags) * NOISE.sd_mg_dl**2 / (1.0 - NOISE.phi**2)
    slopes = posterior.nuisance.slopes.toarray()
    own = np.linalg.inv(precision(record.inputs, posterior.nuisance.spread))
    whole = errors + slopes @ own @ slopes.T
    path = open_loop(theta, record.inputs, record.start_mg_dl).interstitial_mg_dl[0]
    left = path - record.glucose_mg_dl
    known = mismatch(KNOWN, theta[None], record.inputs.weight_kg)[0]
    expected = left @ np.linalg.solve(whole, left) + np.linalg.slogdet(whole)[1]
    expected += known @ known + z @ z
    found = float(posterior.costs(z[None])[0]) + posterior.volume
    assert found == pytest.approx(expected, rel=1e-9)


def test_forgetting_the_nuisances_is_seen(posterior: Posterior) -> None:
    z = np.zeros(len(NAMES))
    empty = replace(posterior.nuisance, slopes=0.0 * posterior.nuisance.slopes)
    assert replace(posterior, nuisance=empty).costs(z[None])[0] > 1.05 * posterior.costs(z[None])[0]


def test_the_expansion_is_the_costs(posterior: Posterior) -> None:
    z = np.random.default_rng(2).normal(size=len(NAMES)) * 0.3
    cost, gradient, _ = posterior.expansion(z)
    assert cost == pytest.approx(float(posterior.costs(z[None])[0]), rel=1e-10)
    step = 1e-4 * np.eye(len(z))
    rises = posterior.costs(z + step) - posterior.costs(z - step)
    assert gradient == pytest.approx(rises / 4e-4, abs=2e-3 * np.abs(gradient).max())


def test_the_curvature_is_no_less_than_the_priors(posterior: Posterior) -> None:
    _, _, curvature = posterior.expansion(np.zeros(len(NAMES)))
    assert np.linalg.eigvalsh(curvature - np.eye(len(NAMES))).min() > -1e-6


def test_points_of_a_batch_do_not_touch_each_other(posterior: Posterior) -> None:
    z = np.random.default_rng(3).normal(size=(4, len(NAMES))) * 0.3
    alone = [float(posterior.costs(each[None])[0]) for each in z]
    assert posterior.costs(z) == pytest.approx(alone, rel=1e-12)


def test_an_odd_meal_is_found_and_costs_little(posterior: Posterior) -> None:
    """One meal eaten twice as large as counted: its term says so, the others hardly move."""
    theta = BOOK_PRIOR.mean
    inputs = physiology_inputs(eventful(3, seed=4))
    first = nuisance.meals_of(inputs)
    eaten = inputs.carbs_mg_kg_min.copy()
    eaten[first[4] : first[5]] *= 2.0
    truth = open_loop(theta, replace(inputs, carbs_mg_kg_min=eaten), 140.0).interstitial_mg_dl[0]
    rows = np.arange(len(inputs))
    record = Record(inputs, rows, rows, truth, 140.0)
    there = posterior_of(record, theta, Spread(0.3, 0.02))
    terms = there.nuisances(np.zeros(len(NAMES)))
    assert terms[4] == pytest.approx(1.0, abs=0.15)
    assert np.abs(np.delete(terms, 4)).max() < 0.1


def test_a_spread_is_chosen_by_the_data() -> None:
    """Days that differ by 0.25 in ln sensitivity, and days that do not."""
    theta = heads(1, seed=5, spread=0.3)[0]
    inputs = physiology_inputs(eventful(12, seed=5))
    own = 0.3 * np.random.default_rng(5).normal(size=12)
    course = np.interp(np.arange(len(inputs)), STEPS_PER_DAY * (np.arange(12) + 0.5), own)
    rows = np.arange(len(inputs))
    noise = np.random.default_rng(6).normal(size=len(rows))
    chosen = []
    for ln_s in (course, 0.0 * course):
        path = open_loop(theta, inputs, 140.0, ln_s).interstitial_mg_dl[0] + noise
        posterior = posterior_of(Record(inputs, rows, rows, path, 140.0), theta, SPREADS[5])
        z = np.linalg.solve(posterior.root, theta - BOOK_PRIOR.mean)
        chosen.append(posterior.refined(z).nuisance.spread.day_sd)
    assert chosen[0] >= 0.15 and chosen[1] <= 0.02


def test_the_mode_beats_the_truth_and_its_neighbours() -> None:
    theta = heads(1, seed=1)[0]
    posterior, best = mode_of(Posterior.of(record_of(5, 1, theta), BOOK_PRIOR))
    truth = np.linalg.solve(posterior.root, theta - BOOK_PRIOR.mean)
    assert best.cost < float(posterior.costs(truth[None])[0])
    away = 0.5 / np.sqrt(np.diag(best.curvature))
    nearby = np.concatenate([best.z + np.diag(away), best.z - np.diag(away)])
    assert posterior.costs(nearby).min() > best.cost - 0.5


def test_a_learning_rate_weighs_what_was_seen_and_not_the_prior(posterior: Posterior) -> None:
    z = np.random.default_rng(7).normal(size=len(NAMES)) * 0.3
    slow = replace(posterior, learning_rate=0.25)
    seen = float(posterior.costs(z[None])[0]) - z @ z
    assert float(slow.costs(z[None])[0]) == pytest.approx(0.25 * seen + z @ z, rel=1e-10)
    whole, part = posterior.expansion(z), slow.expansion(z)
    assert part[0] == pytest.approx(0.25 * seen + z @ z, rel=1e-10)
    assert part[1] - z == pytest.approx(0.25 * (whole[1] - z), rel=1e-9, abs=1e-9)
    identity = np.eye(len(z))
    assert part[2] - identity == pytest.approx(0.25 * (whole[2] - identity), rel=1e-9, abs=1e-9)
