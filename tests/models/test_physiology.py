"""The physiology: an independent plain loop, exact gradients, conservation and monotony."""

from math import cos, exp, log, pi, sin

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.adjoint import Drive, simulate
from models.heads import BOOK_PRIOR, NAMES, physical
from models.inputs import Background, Inputs, physiology_inputs
from models.openloop import KABS, by_minute_of, by_row_of, open_loop, rates_of, set_hour
from models.physiology import (
    BIOAVAILABILITY,
    INSULIN_DELAY_MIN,
    INTERSTITIAL_LAG_MIN,
    KE_PER_MIN,
    VG_DL_PER_KG,
    VI_L_PER_KG,
)
from models.tape import run_taped
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.virtual import columns, eventful, heads, trace_of

START = 140.0


def advance(y: float, inflow: float, rate: float, h: float) -> tuple[float, float]:
    """State after, and its mean over, a trapezoidal step of h minutes of y' = inflow - rate y."""
    after = (y * (1.0 - h * rate / 2.0) + h * inflow) / (1.0 + h * rate / 2.0)
    return after, (y + after) / 2.0


def loss(g: float, action: float, p: dict[str, float]) -> float:
    """SG + rho(G) X, 1/min."""
    rho = 1.0
    if g < p["Gb"] and action > 0:
        distance = log(max(g, 60)) ** 0.8124 - log(p["Gb"]) ** 0.8124
        rho += p["risk"] * 14.407 * distance**2
    return p["SG"] + rho * action


def meal_kabs(hour: float, p: dict[str, float]) -> float:
    """kabs of a local hour: linear in its logarithm between 8, 13, 16.5 and 20 h."""
    hours = np.array([-4.0, 8.0, 13.0, 16.5, 20.0, 32.0])
    names = ("dinner", "breakfast", "lunch", "snack", "dinner", "breakfast")
    tilt = np.interp(hour, hours, [p[f"kabs_{name}"] for name in names])
    return p["kabs"] * exp(float(tilt))


def plain_loop(theta: FloatArray, inputs: Inputs, steps_per_min: int = 1) -> FloatArray:
    """The equations once more, one state after the other, with any step: interstitial (n,)."""
    p = dict(zip(NAMES, physical(theta).tolist(), strict=True))
    h = 1.0 / steps_per_min
    s1 = s2 = ip = x = e1 = e2 = q1 = q2 = qg = 0.0
    g = ig = START
    rows = []
    for minute in range(len(inputs.carbs_mg_kg_min)):
        if minute % 5 == 0:
            rows.append(ig)
        phase = 2.0 * pi * inputs.local_hour[minute // 5] / 24.0
        kabs = meal_kabs(inputs.local_hour[minute // 5], p)
        s = exp(p["SI_cos"] * cos(phase) + p["SI_sin"] * sin(phase))
        due = minute - 8
        u = inputs.insulin_mu_kg_min[due] - inputs.resting_mu_kg_min if due >= 0 else 0.0
        m = inputs.carbs_mg_kg_min[minute] * p["meal_gain"]
        for _ in range(steps_per_min):
            s1, u1 = advance(s1, u, p["kd"], h)
            s2, u2 = advance(s2, p["kd"] * u1, p["ka2"], h)
            ip, insulin = advance(ip, p["ka2"] * u2, 0.127, h)
            x, action = advance(x, p["p2"] * p["SI"] * s * insulin / 0.135, p["p2"], h)
            e1, slow = advance(e1, p["kE"] * s * insulin / 0.135, p["kE"], h)
            e2, slower = advance(e2, p["kE"] * slow, p["kE"], h)
            q1, m1 = advance(q1, m, p["kempt"], h)
            q2, m2 = advance(q2, p["kempt"] * m1, p["kempt"], h)
            qg, gut = advance(qg, p["kempt"] * m2, kabs, h)
            source = max(p["SG"] * p["Gb"] - p["SE"] * slower, 0.0) + 0.9 * kabs * gut / 1.45
            early = (g + h / 2.0 * source) / (1.0 + h / 2.0 * loss(g, action, p))
            before, (g, _) = g, advance(g, source, loss(early, action, p), h)
            ig, _ = advance(ig, (before + g) / 14.0, 1.0 / 7.0, h)
    return np.array(rows)


def run(theta: FloatArray, inputs: Inputs) -> FloatArray:
    """Interstitial glucose (B, n) of the differentiable path."""
    simulated = simulate(
        torch.tensor(theta),
        Drive.of([inputs]),
        torch.full((len(theta),), START, dtype=torch.float64),
    )
    return np.asarray(simulated.interstitial_mg_dl)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(2, seed=4))


def test_it_is_the_equations_of_the_docstring(inputs: Inputs) -> None:
    for theta in heads(4, seed=1):
        assert run(theta[None], inputs)[0] == pytest.approx(plain_loop(theta, inputs), abs=1e-8)


def test_halving_the_step_changes_little(inputs: Inputs) -> None:
    for theta in heads(8, seed=2):
        halved = plain_loop(theta, inputs, steps_per_min=2)
        assert np.abs(run(theta[None], inputs)[0] - halved).max() < 0.3


def test_at_rest_glucose_stays_at_its_baseline() -> None:
    resting = physiology_inputs(trace_of(columns(1)))
    theta = heads(5, seed=3)
    start = torch.tensor(physical(theta)[:, 0])
    simulated = simulate(torch.tensor(theta), Drive.of([resting]), start)
    assert np.ptp(simulated.glucose_mg_dl.numpy(), axis=1).max() < 1e-9


def means(theta: FloatArray, inputs: Inputs) -> FloatArray:
    """Each minute's means of the chains, (B, T, .), in the order of `openloop.STATES`."""
    by_minute, by_row = by_minute_of([inputs] * len(theta)), by_row_of([inputs] * len(theta))
    return run_taped(physical(theta), np.full(len(theta), START), by_minute, by_row, True)[1]


def test_no_gram_of_carbohydrate_is_lost() -> None:
    table = columns(10)
    table["carbs_g"][100] = 60.0
    inputs = physiology_inputs(trace_of(table))
    theta = heads(5, seed=5, spread=0.3)
    values = physical(theta)
    kabs = np.empty((5, len(inputs)))
    for b, row in np.ndindex(*kabs.shape):
        rates = rates_of(values[b])
        set_hour(rates, values[b], float(inputs.local_hour[row]))
        kabs[b, row] = rates[0, KABS]
    absorbed = (np.repeat(kabs, 5, axis=1) * means(theta, inputs)[..., 8]).sum(axis=1)
    left = open_loop(theta, inputs, START).states[:, -1, 6:9].sum(axis=1)
    eaten = inputs.carbs_mg_kg_min.sum() * values[:, NAMES.index("meal_gain")]
    assert absorbed + left == pytest.approx(eaten, rel=1e-9)


def test_no_unit_of_insulin_is_lost() -> None:
    table = columns(10)
    table["bolus_u"][100] = 5.0
    plasma = means(heads(5, seed=6, spread=0.3), physiology_inputs(trace_of(table)))[..., 2]
    assert plasma.sum(axis=1) * KE_PER_MIN == pytest.approx(5.0 * 1000.0 / 70.0, rel=1e-9)


def test_insulin_arrives_after_its_delay() -> None:
    table = columns(1)
    table["bolus_u"][12] = 5.0
    plasma = means(BOOK_PRIOR.mean[None], physiology_inputs(trace_of(table)))[0, :, 2]
    assert int(np.flatnonzero(plasma)[0]) == 60 + INSULIN_DELAY_MIN


def test_the_constants_are_the_published_ones() -> None:
    assert (VG_DL_PER_KG, VI_L_PER_KG, KE_PER_MIN) == (1.45, 0.135, 0.127)
    assert (BIOAVAILABILITY, INTERSTITIAL_LAG_MIN, INSULIN_DELAY_MIN) == (0.9, 7.0, 8)


@pytest.mark.parametrize(
    ("column", "direction"), [("bolus_u", -1.0), ("basal_u_per_h", -1.0), ("carbs_g", 1.0)]
)
def test_glucose_is_monotone_in_what_is_taken(column: str, direction: float) -> None:
    trace = eventful(2, seed=7)
    theta = heads(8, seed=10)
    before = physiology_inputs(trace)
    more = dict(trace.columns)
    more[column] = trace[column] * 1.2
    after = physiology_inputs(trace_of(more), background=None)
    kept = Inputs(**{**vars(after), "resting_mu_kg_min": before.resting_mu_kg_min})
    change = direction * (run(theta, kept) - run(theta, before))
    assert change.min() > -1e-9
    assert change.max() > 1.0


def test_glucose_is_positive_under_any_dose() -> None:
    table = columns(2)
    table["bolus_u"][::30] = 40.0
    glucose = run(heads(8, seed=11), physiology_inputs(trace_of(table)))
    assert glucose.min() > 0.0


def test_more_sensitivity_lowers_and_a_positive_disturbance_raises(inputs: Inputs) -> None:
    theta = torch.tensor(heads(3, seed=12))
    start = torch.full((3,), START, dtype=torch.float64)
    steady = torch.full((1, len(inputs)), 0.2, dtype=torch.float64)
    drive = Drive.of([inputs])
    plain = simulate(theta, drive, start).interstitial_mg_dl
    raised = simulate(theta, drive, start, disturbance_mg_dl_min=steady).interstitial_mg_dl
    sensitive = simulate(theta, drive, start, ln_sensitivity=steady).interstitial_mg_dl
    assert bool((raised[:, 1:] > plain[:, 1:]).all())
    after_boluses = sensitive.mean(dim=1) - plain.mean(dim=1)
    assert bool((after_boluses < 0.0).all())


def test_patients_of_one_batch_do_not_touch_each_other(inputs: Inputs) -> None:
    other = physiology_inputs(eventful(2, seed=13))
    theta = torch.tensor(heads(2, seed=14))
    start = torch.tensor([120.0, 180.0], dtype=torch.float64)
    together = simulate(theta, Drive.of([inputs, other]), start).interstitial_mg_dl
    alone = simulate(theta[1:], Drive.of([other]), start[1:]).interstitial_mg_dl
    assert torch.equal(together[1:], alone)


def test_the_scheme_is_of_second_order(inputs: Inputs) -> None:
    """Halving the step quarters the error: a slip to first order would only halve it."""
    theta = BOOK_PRIOR.mean
    fine = plain_loop(theta, inputs, steps_per_min=8)
    coarse, halved = (plain_loop(theta, inputs, n) - fine for n in (1, 2))
    ratio = np.sqrt(np.mean(coarse**2) / np.mean(halved**2))
    assert 3.3 < ratio < 5.5


def test_a_day_without_insulin_raises_glucose_for_good() -> None:
    table = columns(1, basal_u_per_h=np.zeros(288))
    starved = physiology_inputs(trace_of(table), Background(1.0, 0.0))
    theta = heads(8, seed=15)
    theta[:, [NAMES.index("SI_cos"), NAMES.index("SI_sin")]] = 0.0
    path = run(theta, starved)
    assert (np.diff(path[:, 60:], axis=1) > -1e-9).all()
    assert (path[:, -1] > physical(theta)[:, 0] + 20.0).all()


def test_24_hours_without_insulin_in_type_1_end_above_300() -> None:
    """A usual dose of 0.4 U/kg/d of basal insulin is left out, at the prior's middle."""
    table = columns(2, basal_u_per_h=np.zeros(576))
    starved = physiology_inputs(trace_of(table), Background(0.4 * 70.0 / 24.0, 0.0))
    path = run(BOOK_PRIOR.mean[None], starved)[0]
    assert path[STEPS_PER_DAY] > 300.0


def test_a_strong_lack_of_insulin_ends_at_the_ceiling_and_not_in_nonsense() -> None:
    table = columns(2, basal_u_per_h=np.zeros(576))
    starved = physiology_inputs(trace_of(table), Background(6.0, 0.0))
    theta = BOOK_PRIOR.mean.copy()
    theta[NAMES.index("SI")] = log(2e-2)
    path = run(theta[None], starved)[0]
    assert np.isfinite(path).all() and 900.0 < path[-1] <= 1000.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), units=st.floats(0.1, 20.0), row=st.integers(0, 280))
def test_a_bolus_never_raises_glucose(seed: int, units: float, row: int) -> None:
    trace = eventful(1, seed=16)
    more = dict(trace.columns) | {"bolus_u": trace["bolus_u"].copy()}
    more["bolus_u"][row] += units
    theta = heads(1, seed)
    after, before = (run(theta, physiology_inputs(t)) for t in (trace_of(more), trace))
    assert (after - before).max() < 1e-9
