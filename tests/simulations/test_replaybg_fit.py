"""Our search on ReplayBG's objective: right densities, bounds kept, and the truth not beaten it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from simulations import replaybg_fit
from simulations.replaybg_fit import (
    BETA_HIGH_MIN,
    GB_HIGH,
    GB_LOW,
    Fit,
    fit_day,
    minus_ln_prior,
    objective,
    prior_squares,
)
from simulations.replaybg_model import FIRST_MEAL, GB, KA2, KD, KEMPT, Day, interstitial, read_day
from tests.simulations.replaybg_day import STEADY_MU_KG_MIN, WEIGHT_KG, some_values, write_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    path = tmp_path_factory.mktemp("day") / "day.csv"
    return read_day(write_day(path), WEIGHT_KG, STEADY_MU_KG_MIN)


@pytest.fixture(scope="module")
def truth(day: Day) -> np.ndarray:
    return np.array(some_values(11, day.names))


@pytest.fixture(scope="module")
def lived(day: Day, truth: np.ndarray) -> Day:
    """A day that those values really made, read with an error of 5 mg/dL."""
    error = np.random.default_rng(5).normal(0.0, 5.0, len(day.rows))
    start = replace(day, glucose_mg_dl=np.full(len(day.rows), 150.0))
    path = interstitial(truth, start)
    path[1:] += error[1:]
    return replace(day, glucose_mg_dl=path)


@pytest.fixture(scope="module")
def found(lived: Day) -> Fit:
    return fit_day(lived)


def test_the_prior_is_that_of_scipys_densities(day: Day) -> None:
    values = dict(zip(day.names, some_values(1, day.names), strict=True))

    def lognormal(name: str, mean: float, sd: float) -> float:
        return float(stats.lognorm.logpdf(values[name], sd, scale=np.exp(mean)))

    total = stats.norm.logpdf(values["Gb"], 119.13, 7.11)
    total += stats.norm.logpdf(values["p2"] ** 0.5, 0.11, 0.004)
    total += lognormal("SG", -3.8, 0.5) + lognormal("kempt", -1.9646, 0.7069)
    total += lognormal("ka2", -4.2875, 0.4274) + lognormal("kd", -3.509, 0.6187)
    total += sum(lognormal(f"kabs_{meal}", -5.4591, 1.4396) for meal in "BLDS")
    total += sum(stats.gamma.logpdf(values[f"SI_{part}"] * 1.45, 3.3, scale=5e-4) for part in "BLD")
    rescue = stats.lognorm.logpdf(0.012, 1.4396, scale=np.exp(-5.4591))
    assert minus_ln_prior(np.array(list(values.values()))) == pytest.approx(-total - rescue)


def test_its_squares_differ_from_it_by_a_constant(day: Day) -> None:
    constants = []
    for seed in range(5):
        values = np.array(some_values(seed, day.names))
        residuals, _ = prior_squares(values)
        constants.append(minus_ln_prior(values) - 0.5 * residuals @ residuals)
    assert constants == pytest.approx([constants[0]] * 5)


def test_the_squares_slopes_are_those_of_small_steps(day: Day) -> None:
    values = np.array(some_values(3, day.names))
    values[6] = 2.3 / 2900.0  # the gamma's mode, where its square's slope is a limit
    _, slopes = prior_squares(values)
    for place in range(len(values)):
        step = 1e-4 * max(values[place], 1e-4)
        up, down = values.copy(), values.copy()
        up[place], down[place] = up[place] + step, down[place] - step
        by_steps = (prior_squares(up)[0] - prior_squares(down)[0]) / (2.0 * step)
        assert slopes[:, place] == pytest.approx(by_steps, rel=1e-3, abs=1e-6)


@pytest.mark.slow
def test_the_search_does_at_least_as_well_as_the_values_that_made_the_day(
    lived: Day, truth: np.ndarray, found: Fit
) -> None:
    assert found.objective <= objective(truth, lived) + 1e-9
    assert found.objective == pytest.approx(objective(found.values, lived))
    off = interstitial(found.values, lived) - lived.glucose_mg_dl
    assert np.sqrt(np.mean(off**2)) == pytest.approx(5.0, abs=0.7)


@pytest.mark.slow
def test_bounds_are_kept_and_betas_whole(lived: Day, found: Fit) -> None:
    values = found.values
    assert GB_LOW <= values[GB] <= GB_HIGH and values[KA2] < values[KD]
    assert (values[FIRST_MEAL::2] <= values[KEMPT]).all()
    betas = values[FIRST_MEAL + 1 :: 2]
    assert ((betas >= 0.0) & (betas <= BETA_HIGH_MIN)).all()
    assert betas == pytest.approx(np.round(betas), abs=1e-9)
    assert np.array_equal(fit_day(lived).values, values)


@pytest.mark.slow
def test_a_baseline_that_wants_to_be_higher_stays_at_the_bound(
    lived: Day, found: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found.values[GB] > 101.0
    monkeypatch.setattr(replaybg_fit, "GB_HIGH", 100.0)
    assert fit_day(lived).values[GB] == pytest.approx(100.0)
