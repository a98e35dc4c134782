from dataclasses import replace

import numpy as np
import pytest

from models import regimen_search
from models.calibration import calibrate
from models.levers import Lever, levers_of
from models.regimen_search import Found, search
from models.sandbox import Asked, Ground, ground_of, lived
from models.scenario import Scaled, Scenario, Therapy
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground() -> Ground:
    """A day of somebody with lows and highs."""
    theta = heads(1, seed=3, spread=0.3)[0]
    theta[0] = 190.0
    trace = read_by_sensor(eventful(6, seed=1), theta, seed=4)
    return ground_of(trace, calibrate([trace])[0], 4 * STEPS_PER_DAY, 24, Asked(draws=8))


LEVERS = levers_of(eventful(6, seed=1))


@pytest.fixture(scope="module")
def found(ground: Ground) -> Found:
    return search([ground], LEVERS)


def test_who_is_too_high_gets_more_insulin(ground: Ground) -> None:
    high = replace(ground, left_mg_dl=ground.left_mg_dl + 90.0)
    assert search([high], LEVERS).outcome.shifts["mean"].high < 0.0


def test_the_risk_falls_by_settings_within_reach(found: Found) -> None:
    assert found.setting and found.moves >= 1
    for lever in LEVERS:
        assert found.setting.get(lever.name, lever.today) in lever.settings()
    assert found.outcome.shifts["gri"].high < 0.0 and not found.tells_nothing


def test_lows_stay_as_rare(found: Found) -> None:
    assert found.outcome.more_lows < 0.05


def test_without_the_constraint_it_would_have_gone_further(
    ground: Ground, found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: somebody near the bound of lows, once with the constraint and once without."""
    low = replace(ground, left_mg_dl=ground.left_mg_dl - 85.0)
    guarded = search([low], LEVERS)
    monkeypatch.setattr(regimen_search, "MORE_LOWS_CHANCE", 2.0)
    free = search([low], LEVERS)
    assert guarded.outcome.more_lows < 0.05
    assert free.outcome.shifts["gri"].middle <= guarded.outcome.shifts["gri"].middle


def test_nothing_to_gain_moves_nothing(ground: Ground) -> None:
    flat = replace(ground, left_mg_dl=ground.left_mg_dl * 0.0 - 1000.0)
    assert search([flat], LEVERS).setting == {}


def test_the_best_single_lever_is_found(ground: Ground) -> None:
    """With one lever the search ends where trying every setting ends, or within a least gain."""
    lever = next(one for one in LEVERS if one.name == "basal morning")
    by_search = search([ground], [lever])
    every = [{lever.name: value} for value in lever.settings() if value != lever.today]
    recorded = regimen_search._live([ground], [lever], [{}])[0]
    gains = regimen_search._gains(recorded, regimen_search._live([ground], [lever], every))
    reached = by_search.outcome.shifts["gri"]
    assert reached.middle <= gains.min() + 2 * regimen_search.LEAST_GAIN + 0.5


def test_scenarios_of_plans_are_those_of_the_language(ground: Ground) -> None:
    lever = Lever("basal night", "basal", LEVERS[0].window, 1.0, 0.05, "U/h")
    by_plan: FloatArray = regimen_search._live([ground], [lever], [{lever.name: 1.1}])
    scenario = Scenario("s", 24, Therapy(basal=(Scaled(1.1, lever.window),)))
    assert np.array_equal(by_plan, lived(ground, [scenario]))
