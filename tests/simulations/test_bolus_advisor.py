import numpy as np
import pytest

from models.trace import STEPS_PER_DAY
from simulations.active_insulin import ActiveInsulin, still_active
from simulations.bolus_advisor import DIMENSION, NAMES, Advisor, Desk
from simulations.bolus_hindsight import Hindsight
from simulations.bolus_record import Announced, Record

MEAL = 14 * STEPS_PER_DAY + 90


@pytest.fixture
def record() -> Record:
    """Two weeks at 150 mg/dL with breakfasts of 50 g, and one more that is announced now."""
    steps = [day * STEPS_PER_DAY + 90 for day in range(15)]
    meals = Announced(np.array(steps), np.full(15, 50.0))
    record = Record.blank(np.full(24, 10.0), 30.0, meals, 15 * STEPS_PER_DAY)
    record.sensor_mg_dl[: MEAL + 1] = 150.0
    record.bolus_u[steps[:-1]] = 5.0
    record.given[:-1] = 1.5
    return record


def seen_at(record: Record) -> tuple[dict[str, float], bool]:
    seen, near_low = Desk(record, Hindsight(record, 130.0)).seen(14)
    return dict(zip(NAMES, seen.tolist(), strict=True)), near_low


def test_what_is_seen_at_a_meal(record: Record) -> None:
    record.sensor_mg_dl[MEAL - 3] = 135.0
    seen, near_low = seen_at(record)
    assert not near_low
    assert seen["size"] == seen["size: breakfast"] == pytest.approx(1.5)
    assert seen["size: evening"] == seen["size: night"] == seen["size: large"] == 0.0
    assert seen["size: own need"] == pytest.approx(14 * 0.2 * 1.5 / (1.5 * (14 + 8)))
    assert seen["always"] == 1.0
    assert seen["above 120"] == pytest.approx(0.3) and seen["below 120"] == 0.0
    assert seen["coming in 30 min"] == pytest.approx(0.3)
    assert seen["active insulin"] < 1e-4
    assert seen["own mean"] == pytest.approx(0.1) and seen["own lows"] == 0.0


def test_nothing_after_the_moment_of_the_bolus_is_seen(record: Record) -> None:
    """Planted: a feature that reads on; then what comes would change it."""
    before = seen_at(record)
    rest = slice(MEAL + 1, None)
    record.sensor_mg_dl[rest], record.basal_u[rest], record.rescue_g[rest] = 40.0, 9.0, 99.0
    record.bolus_u[MEAL:] = 9.0
    assert seen_at(record) == before


@pytest.mark.parametrize(("now", "before"), [(84.0, 84.0), (100.0, 110.0), (np.nan, 150.0)])
def test_a_low_is_near_by_level_by_trend_and_in_the_dark(
    record: Record, now: float, before: float
) -> None:
    record.sensor_mg_dl[MEAL], record.sensor_mg_dl[MEAL - 3] = now, before
    seen, near_low = seen_at(record)
    assert near_low and np.isfinite(list(seen.values())).all()


def test_a_rise_does_not_make_a_low_safe(record: Record) -> None:
    record.sensor_mg_dl[MEAL], record.sensor_mg_dl[MEAL - 3] = 80.0, 60.0
    assert seen_at(record)[1]


def test_a_factor_is_what_the_weights_ask_for_within_its_range() -> None:
    weights = np.zeros(DIMENSION)
    weights[0], weights[8] = 0.1, 0.3
    advisor, seen = Advisor(weights, 0.5, 1.6), np.zeros(DIMENSION)
    seen[0], seen[8] = 1.5, 1.0
    assert advisor.factor(seen, 1.5, False) == pytest.approx(1.0 + 0.45 / 1.5)
    assert advisor.factor(10.0 * seen, 1.5, False) == 1.6
    assert advisor.factor(-10.0 * seen, 1.5, False) == 0.5
    assert advisor.factor(10.0 * seen, 1.5, True) == 1.0
    assert advisor.factor(-seen, 1.5, True) == pytest.approx(0.7)
    assert advisor.factor(seen * np.nan, 1.5, False) == 1.0


def test_a_tiny_meal_does_not_divide_by_nothing() -> None:
    advisor = Advisor(np.ones(DIMENSION), 0.5, 1.6)
    assert advisor.factor(np.ones(DIMENSION), 0.0, False) == 1.6


def test_active_insulin_is_that_of_the_running_account() -> None:
    """Two solutions of the same equations: step by step, and in closed form."""
    account, given = ActiveInsulin(), np.zeros(100)
    given[[3, 40, 90]] = (4.0, 2.0, 3.0)
    for units in given.tolist():
        account.give(units)
    assert still_active(given) == pytest.approx(account.units, rel=1e-9)
    assert still_active(np.zeros(5)) == still_active(np.zeros(0)) == 0.0
