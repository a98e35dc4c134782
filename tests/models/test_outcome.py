import numpy as np
import pytest

from models.glycemia import glycemia, glycemic_risk
from models.outcome import MEASURES, measures, outcomes, over_days


def test_measures_are_those_of_glycemia_bound_for_bound() -> None:
    g = np.array([53.9, 54.0, 69.9, 70.0, 180.0, 180.1, 250.0, 250.1, 400.0, 120.0])
    found, summary = measures(g), glycemia(g)
    assert found["mean"] == pytest.approx(summary.mean_mg_dl)
    assert found["time_in_range"] == pytest.approx(summary.in_range_pct)
    assert found["time_below_54"] == pytest.approx(summary.very_low_pct)
    assert found["time_below_70"] == pytest.approx(summary.very_low_pct + summary.low_pct)
    assert found["time_above_180"] == pytest.approx(summary.high_pct + summary.very_high_pct)
    assert found["gri"] == pytest.approx(glycemic_risk(g).gri)
    assert set(found) == set(MEASURES)


def test_gri_is_capped() -> None:
    assert measures(np.full(10, 40.0))["gri"] == 100.0


def test_the_middle_the_ends_and_the_odds() -> None:
    rng = np.random.default_rng(1)
    before = np.full((101, 288), 150.0)
    shift = np.arange(101)[:, None] - 40.0
    (found,) = outcomes(before, (before + shift)[None])
    assert found.shifts["mean"].middle == pytest.approx(10.0)
    assert (found.shifts["mean"].low, found.shifts["mean"].high) == pytest.approx((-30.0, 50.0))
    assert found.shifts["mean"].spans_nothing
    assert found.before["mean"] == 150.0
    lower = np.where(rng.uniform(size=(101, 288)) < 0.02, 60.0, 150.0)
    (found,) = outcomes(before, lower[None])
    assert found.more_lows > 0.8 and found.helps == 0.0


def test_what_a_draw_has_in_common_with_itself_cancels() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(150.0, 40.0, (20, 1))[:, [0] * 288]
    (found,) = outcomes(before, before[None] - 10.0)
    assert (found.shifts["mean"].low, found.shifts["mean"].high) == pytest.approx((-10.0, -10.0))


def test_days_are_joined_one_after_the_other() -> None:
    first, second = np.zeros((2, 3, 4)), np.ones((2, 3, 6))
    assert over_days([first, second]).shape == (2, 3, 10)


def test_the_risk_index_ends_at_100_unless_it_is_asked_not_to() -> None:
    """Half of the time below 54, half above 250: 3.0 and 1.6 each by 50."""
    glucose = np.repeat([40.0, 300.0], 50)
    assert measures(glucose)["gri"] == 100.0
    assert measures(glucose, capped=False)["gri"] == pytest.approx(230.0)
    assert outcomes(glucose[None], glucose[None, None], capped=False)[0].before["gri"] > 100.0
