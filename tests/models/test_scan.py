"""A minute of glucose: hand-computed steps, limits, and slopes against central differences."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scan import (
    GLUCOSE_CEILING_MG_DL,
    GLUCOSE_FLOOR_MG_DL,
    R1,
    R2,
    TABLE_UP_TO_MG_DL,
    clearance,
    glucose_head,
    glucose_slopes,
    next_glucose,
    power,
    risk_distance,
)
from models.trace import FloatArray

NUDGE = 1e-5
Step = Sequence[float]


def after(step: Step) -> float:
    """Glucose a minute on, of G, source, X, Gb, SG and the amplitude."""
    glucose, source, action, baseline, effectiveness, amplitude = step
    return next_glucose(glucose, source, action, glucose_head(effectiveness, baseline, amplitude))


def slopes(step: Step) -> FloatArray:
    """Its slopes by the same six."""
    glucose, source, action, baseline, effectiveness, amplitude = step
    head = glucose_head(effectiveness, baseline, amplitude)
    _, states, own = glucose_slopes(glucose, source, action, head)
    return np.array([*states, *own])


def differences(step: Step) -> FloatArray:
    scale = np.maximum(np.abs(step), 1e-2) * NUDGE
    rises = []
    for place, nudge in enumerate(scale):
        up, down = list(step), list(step)
        up[place] += nudge
        down[place] -= nudge
        rises.append((after(up) - after(down)) / (2.0 * nudge))
    return np.array(rises)


def test_glucose_takes_trapezoidal_steps() -> None:
    head = glucose_head(0.1, 60.0, 1.0)
    first = (110.0 * 0.9 + 10.0) / 1.1
    assert next_glucose(110.0, 10.0, 0.1, head) == pytest.approx(first)
    assert next_glucose(first, 0.0, 0.0, head) == pytest.approx(first * 0.95 / 1.05)


def test_the_table_is_the_power_it_stands_for() -> None:
    level = np.random.default_rng(1).uniform(60.0, 260.0, 2000)
    read = np.array([power(g) for g in level])
    assert np.abs(read[:, 0] - np.log(level) ** R2).max() < 1e-11
    slope = R2 * np.log(level) ** (R2 - 1.0) / level
    assert np.abs(read[:, 1] / slope - 1.0).max() < 1e-7


def test_the_table_reaches_its_ends() -> None:
    for level in (60.0, 60.1, TABLE_UP_TO_MG_DL - 0.3):
        assert power(level)[0] == pytest.approx(np.log(level) ** R2, rel=1e-10)


def test_risk_is_nought_at_gb_and_flat_below_60() -> None:
    head = glucose_head(0.02, 119.0, 1.0)
    assert risk_distance(120.0, head) == 0.0
    assert risk_distance(119.0, head) == 0.0
    assert risk_distance(80.0, head) == pytest.approx(np.log(80.0) ** R2 - np.log(119.0) ** R2)
    assert risk_distance(30.0, head) == risk_distance(60.0, head)


def test_only_insulin_above_rest_is_amplified() -> None:
    head = glucose_head(0.01, 120.0, 1.5)
    risk = 10.0 * R1 * risk_distance(80.0, head) ** 2
    assert clearance(80.0, 0.02, head) == pytest.approx(0.01 + 0.02 * (1.0 + 1.5 * risk))
    assert clearance(80.0, -0.02, head) == pytest.approx(-0.01)
    assert clearance(130.0, 0.02, head) == pytest.approx(0.03)


def test_glucose_stays_between_floor_and_ceiling() -> None:
    head = glucose_head(0.02, 120.0, 1.0)
    assert next_glucose(100.0, -500.0, 0.0, head) == GLUCOSE_FLOOR_MG_DL
    assert next_glucose(100.0, 5000.0, 0.0, head) == GLUCOSE_CEILING_MG_DL
    assert next_glucose(100.0, 1.0, -1.95, head) == GLUCOSE_CEILING_MG_DL


def test_a_held_value_has_no_slope() -> None:
    held = slopes((100.0, -500.0, 0.0, 120.0, 0.02, 1.0))
    assert not held.any()


@settings(max_examples=200, deadline=None)
@given(
    glucose=st.one_of(st.floats(20.0, 58.0), st.floats(62.0, 115.0), st.floats(130.0, 300.0)),
    source=st.floats(0.0, 6.0),
    action=st.one_of(st.floats(-0.02, -1e-3), st.floats(1e-3, 0.1)),
    amplitude=st.floats(0.1, 3.0),
)
def test_every_slope_agrees_with_central_differences(
    glucose: float, source: float, action: float, amplitude: float
) -> None:
    step = (glucose, source, action, 121.3, 0.02, amplitude)
    assert slopes(step) == pytest.approx(differences(step), rel=2e-4, abs=1e-7)


def test_a_wrong_slope_by_gb_would_be_seen() -> None:
    """The fault that once hid behind right trajectories: the slope of rho by Gb left out."""
    step = (75.0, 2.0, 0.05, 121.3, 0.02, 1.5)
    found = slopes(step)
    found[3] = 0.0
    with pytest.raises(AssertionError):
        assert found == pytest.approx(differences(step), rel=2e-4, abs=1e-7)
