"""The fused recursion equals the differentiable one, and knows no future."""

import numpy as np
import pytest
import torch

from models import openloop
from models.adjoint import Drive, simulate
from models.heads import NAMES, physical
from models.inputs import physiology_inputs
from models.openloop import (
    IG,
    KABS,
    MEAL_HOURS,
    STATES,
    G,
    meal_weights,
    open_loop,
    rates_of,
    relax,
    set_hour,
)
from models.trace import FloatArray
from tests.models.virtual import eventful, heads, trace_of


def differentiable(theta: FloatArray, ln_s: FloatArray, d: FloatArray) -> FloatArray:
    drive = Drive.of([physiology_inputs(eventful(3, seed=1))])
    start = torch.full((len(theta),), 150.0, dtype=torch.float64)
    extras = (torch.tensor(ln_s)[None], torch.tensor(d)[None])
    return np.asarray(simulate(torch.tensor(theta), drive, start, *extras).interstitial_mg_dl)


def test_it_equals_the_differentiable_path() -> None:
    inputs = physiology_inputs(eventful(3, seed=1))
    rng = np.random.default_rng(2)
    ln_s, d = 0.3 * rng.normal(size=len(inputs)), 0.3 * rng.normal(size=len(inputs))
    theta = heads(6, seed=3)
    fused = open_loop(theta, inputs, 150.0, ln_s, d).interstitial_mg_dl
    assert np.abs(fused - differentiable(theta, ln_s, d)).max() < 1e-9


def test_a_parameter_read_from_the_wrong_place_is_seen() -> None:
    """Two parameters exchanged, as a slip in the places' order would: far above 1e-9."""
    inputs = physiology_inputs(eventful(3, seed=1))
    theta = heads(1, seed=3)
    slipped = theta.copy()
    slipped[:, [openloop.KD, openloop.KA2]] = theta[:, [openloop.KA2, openloop.KD]]
    slipped[:, openloop.SE] += 1e-6
    none = np.zeros(len(inputs))
    fused = open_loop(slipped, inputs, 150.0).interstitial_mg_dl
    assert np.abs(fused - differentiable(theta, none, none)).max() > 1e-6


def test_places_are_in_the_order_of_the_parameters() -> None:
    places = ("GB", "SG", "P2", "KA2", "KD", "KEMPT", "SI", "KABS", "GAIN", "RISK", "SE", "KE")
    folded = [name.upper().removeprefix("MEAL_") for name in NAMES]
    assert [getattr(openloop, place) for place in places] == [folded.index(p) for p in places]
    meals = ("BREAKFAST", "LUNCH", "SNACK", "DINNER")
    assert [getattr(openloop, m) for m in meals] == [folded.index(f"KABS_{m}") for m in meals]
    assert (folded.index("SI_COS"), folded.index("SI_SIN")) == (openloop.COS, openloop.SIN)


def test_the_first_row_is_the_start_and_one_head_needs_no_axis() -> None:
    inputs = physiology_inputs(eventful(1, seed=1))
    loop = open_loop(heads(1, seed=4)[0], inputs, 133.0)
    assert loop.interstitial_mg_dl.shape == (1, len(inputs))
    assert loop.states.shape == (1, len(inputs), len(STATES))
    assert loop.states[0, 0, [G, IG]].tolist() == [133.0, 133.0]
    assert not loop.states[0, 0, : len(STATES) - 2].any()


@pytest.mark.parametrize("column", ["bolus_u", "carbs_g"])
def test_a_row_depends_on_earlier_rows_only(column: str) -> None:
    trace = eventful(2, seed=5)
    planted = dict(trace.columns)
    planted[column] = planted[column].copy()
    planted[column][200] += 50.0
    before = open_loop(heads(1, seed=6), physiology_inputs(trace), 120.0).states
    after = open_loop(heads(1, seed=6), physiology_inputs(trace_of(planted)), 120.0).states
    assert np.array_equal(before[:, :201], after[:, :201])
    assert not np.array_equal(before[:, :206], after[:, :206])


def test_rates_hold_values_the_rules_divisor_and_what_glucose_needs() -> None:
    values = physical(heads(1, seed=7)[0])
    rates = rates_of(values)
    named = dict(zip(NAMES, values, strict=True))
    assert np.array_equal(rates[0], values)
    assert rates[1] == pytest.approx(1.0 / (1.0 + values / 2.0))
    assert rates[2, :3].tolist() == [named["SG"], named["Gb"], named["risk"]]


def test_a_compartment_relaxes_by_the_trapezoidal_rule_and_tells_its_mean() -> None:
    state = np.array([0.0, 4.0])
    mean = relax(state, 1, 2.0, 1.0, 1.0 / 1.5)
    assert state.tolist() == pytest.approx([0.0, 8.0 / 3.0])
    assert mean == pytest.approx(10.0 / 3.0)


def test_a_compartment_in_balance_stays() -> None:
    state = np.array([6.0])
    assert relax(state, 0, 0.3, 0.05, 1.0 / 1.025) == pytest.approx(6.0)
    assert state[0] == pytest.approx(6.0)


def test_heads_of_one_batch_do_not_touch_each_other() -> None:
    inputs = physiology_inputs(eventful(2, seed=8))
    theta = heads(3, seed=9)
    together = open_loop(theta, inputs, 120.0).states
    for place, alone in enumerate(theta):
        assert np.array_equal(open_loop(alone, inputs, 120.0).states[0], together[place])


def test_no_correction_is_a_correction_of_nothing() -> None:
    inputs = physiology_inputs(eventful(1, seed=8))
    none = np.zeros(len(inputs))
    theta = heads(1, seed=9)
    plain = open_loop(theta, inputs, 120.0).states
    assert np.array_equal(plain, open_loop(theta, inputs, 120.0, none, none).states)
    assert not np.array_equal(plain, open_loop(theta, inputs, 120.0, none + 0.1, none).states)
    assert not np.array_equal(plain, open_loop(theta, inputs, 120.0, none, none + 0.1).states)


def test_a_sequence_of_inputs_meets_one_head_or_one_each() -> None:
    given = [physiology_inputs(eventful(2, seed=seed)) for seed in (1, 2, 3)]
    theta = heads(3, seed=10)
    start = np.array([100.0, 150.0, 200.0])
    each = open_loop(theta, given, start).interstitial_mg_dl
    shared = open_loop(theta[0], given, start).interstitial_mg_dl
    for place in range(3):
        alone = open_loop(theta[place], given[place], start[place]).interstitial_mg_dl[0]
        assert np.array_equal(each[place], alone)
        same = open_loop(theta[0], given[place], start[place]).interstitial_mg_dl[0]
        assert np.array_equal(shared[place], same)


def test_each_head_may_have_its_own_sensitivity_and_disturbance() -> None:
    inputs = physiology_inputs(eventful(1, seed=8))
    theta = heads(2, seed=9)
    ln_s = 0.1 * np.random.default_rng(1).normal(size=(2, len(inputs)))
    both = open_loop(theta, inputs, 120.0, ln_s, 0.5 * ln_s).interstitial_mg_dl
    second = open_loop(theta[1], inputs, 120.0, ln_s[1], 0.5 * ln_s[1]).interstitial_mg_dl[0]
    assert np.array_equal(both[1], second)


@pytest.mark.parametrize(
    ("hour", "meal", "share"),
    [(8.0, 0, 0.0), (10.5, 0, 0.5), (13.0, 1, 0.0), (18.25, 2, 0.5), (20.0, 3, 0.0), (2.0, 3, 0.5)],
)
def test_meals_share_the_hours_between_them(hour: float, meal: int, share: float) -> None:
    before, weight = meal_weights(hour)
    assert before == meal and weight == pytest.approx(share)


def test_absorption_never_jumps() -> None:
    values = physical(heads(1, seed=7)[0])
    values[14:] = 0.5, -0.5, 0.3, -0.3
    rates = rates_of(values)
    course = []
    for hour in np.arange(0.0, 24.0, 0.01) + 1e-6:
        set_hour(rates, values, hour)
        course.append(rates[0, KABS])
    steps = np.abs(np.diff(np.log([*course, course[0]])))
    assert 1e-4 < steps.max() < 0.01
    for meal, hour in enumerate(MEAL_HOURS):
        set_hour(rates, values, hour)
        assert rates[0, KABS] == pytest.approx(values[KABS] * np.exp(values[14 + meal]))
        assert rates[1, KABS] == pytest.approx(1.0 / (1.0 + rates[0, KABS] / 2.0))
