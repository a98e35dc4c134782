"""What a body adds: by hand, nothing from the future, and believed as far as lessons say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.bending import at_leads, bent
from models.correction import (
    DISTURBANCE_BOUND_MG_DL_MIN,
    SHAPES,
    initial_weights,
)
from models.heads import LATENT, Head
from models.inputs import background_of
from models.output_statistics import forecast, interval, learned
from models.quality import held_out
from models.replay import Replay, cut_row, replay_halves, trained
from models.sharing import WeightArray
from models.trace import STEPS_PER_DAY, Trace
from models.windows import windows_of
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

DAYS = 5
OWN = np.arange(3 * STEPS_PER_DAY)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(DAYS, seed=4), heads(1, seed=4, spread=0.4)[0], seed=4)


@pytest.fixture(scope="module")
def head(trace: Trace) -> Head:
    theta = heads(1, seed=4, spread=0.4)[0]
    background = background_of(trace.rows(0, len(OWN)))
    return Head(theta, np.zeros(LATENT), 0.95, 5.0, background)


def pushing(bias: float) -> WeightArray:
    """A body that says the same at every moment: a disturbance of 2 tanh(bias) mg/dL/min."""
    weights = initial_weights(0).numpy().copy()
    last = sum(torch.Size(SHAPES[name]).numel() for name in SHAPES if name != "last.bias")
    weights[last : last + 3] = bias
    return weights


def test_a_body_that_says_nothing_adds_nothing(trace: Trace, head: Head) -> None:
    said = bent(initial_weights(1).numpy(), trace, head, OWN)
    seen = np.isfinite(said.added_mg_dl[:, 0])
    assert seen.sum() > 1000 and not seen[:20].any()
    assert np.abs(said.added_mg_dl[seen]).max() < 1e-4


def test_a_constant_push_moves_as_the_physiology_answers_it(trace: Trace, head: Head) -> None:
    said = bent(pushing(0.5), trace, head, OWN)
    windows = windows_of(trace, head)
    push = DISTURBANCE_BOUND_MG_DL_MIN * np.tanh(0.5)
    by_hand = push * windows.response.sum(axis=2)
    assert said.added_mg_dl[windows.origin] == pytest.approx(by_hand, abs=1e-2)
    assert said.forecast_mg_dl[windows.origin] == pytest.approx(windows.start + by_hand, abs=1e-2)


def test_nothing_of_a_row_s_future_enters_what_is_said_there(trace: Trace, head: Head) -> None:
    now = 4 * STEPS_PER_DAY
    columns = {name: trace[name].copy() for name in trace.columns}
    for values in columns.values():
        values[now + 1 :] = np.where(np.isfinite(values[now + 1 :]), 77.0, np.nan)
    columns["glucose_mg_dl"][now + 1 :] = np.nan
    changed = replace(trace, columns=columns)
    body = read_body()
    before, after = (
        bent(body, one, head, OWN).forecast_mg_dl[: now + 1] for one in (trace, changed)
    )
    assert np.array_equal(before, after, equal_nan=True)
    assert np.isfinite(after[now]).all()


def test_planted_windows_that_wait_for_a_reading_would_see_the_future(
    trace: Trace, head: Head
) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    glucose[1001:] = np.nan
    short = replace(trace, columns={**trace.columns, "glucose_mg_dl": glucose})
    assert 1000 not in windows_of(short, head).origin
    assert 1000 in windows_of(short, head, judged_only=False).origin


def test_the_latent_vector_is_of_the_rows_named_alone(trace: Trace, head: Head) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    first = slice(0, 2 * STEPS_PER_DAY)
    glucose[first] = np.clip(glucose[first] * 1.3, 40.0, 400.0)
    changed = replace(trace, columns={**trace.columns, "glucose_mg_dl": glucose})
    late = slice(4 * STEPS_PER_DAY, None)
    body, other = read_body(), np.arange(3 * STEPS_PER_DAY, 4 * STEPS_PER_DAY)
    same = [bent(body, one, head, other).forecast_mg_dl[late] for one in (trace, changed)]
    moved = [bent(body, one, head, OWN).forecast_mg_dl[late] for one in (trace, changed)]
    assert np.array_equal(same[0], same[1], equal_nan=True)
    assert not np.array_equal(moved[0], moved[1], equal_nan=True)


def test_leads_between_horizons_lie_between_and_beyond_fade() -> None:
    added = np.array([[3.0, 9.0, 5.0], [np.nan] * 3])
    origin = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    target = origin + np.array([0, 3, 6, 9, 12, 36, 288, 6])
    assert at_leads(added, origin, target).tolist() == [0.0, 1.5, 3.0, 6.0, 9.0, 2.5, 0.0, 0.0]


def life(seed: int, share: float, days: int = 20) -> Replay:
    """A path of 120 mg/dL, and readings off it by `share` of what a body foresaw, and by noise."""
    rng = np.random.default_rng(seed)
    rows = days * STEPS_PER_DAY
    foreseen = np.repeat(rng.normal(0.0, 20.0, rows // 6 + 1), 6)[:rows]
    readings = np.full(rows, 120.0) + rng.normal(0.0, 2.0, rows)
    readings[6:] += share * foreseen[:-6]
    hours = (np.arange(rows) % STEPS_PER_DAY) / 12.0
    known, added = np.ones(rows, dtype=bool), np.repeat(foreseen[:, None], 3, axis=1)
    return Replay(0, readings, known, hours, np.full(rows, 120.0), 0.3, 2.0, added)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_body_is_believed_as_far_as_it_foresaw(share: float) -> None:
    found = learned([life(1, share)], np.full(24, 120.0), 0.3, 2.0)
    assert found.of_body[1] == pytest.approx(share, abs=0.12)
    shown = life(2, share)
    origin = np.arange(len(shown.readings_mg_dl) - 6)
    off = forecast(found, shown, origin, origin + 6) - shown.readings_mg_dl[origin + 6]
    without = forecast(found, replace(shown, added_mg_dl=None), origin, origin + 6)
    other = without - shown.readings_mg_dl[origin + 6]
    low, high = interval(found, shown, origin, origin + 6)
    assert np.sqrt(np.mean(off**2)) < 1.05 * np.sqrt(np.mean(other**2))
    if share == 1.0:
        assert np.sqrt(np.mean(off**2)) < 0.3 * np.sqrt(np.mean(other**2))
    read = shown.readings_mg_dl[6:]
    assert 100 * np.mean((low <= read) & (read <= high)) == pytest.approx(80.0, abs=6.0)


def test_without_lessons_a_body_is_not_believed() -> None:
    assert learned([], np.full(24, 120.0), 0.9, 3.0).of_body.tolist() == [0.0] * 7


@pytest.mark.slow
def test_halves_and_held_out_days_carry_what_the_body_says(trace: Trace) -> None:
    body, twin = read_body(), trained(trace)
    judged = held_out(trace, twin, body=body)
    shown = judged.replay.added_mg_dl
    assert shown is not None and shown.shape == (len(trace) - cut_row(trace), 3)
    own = np.arange(cut_row(trace))
    by_itself = bent(body, trace, twin.head, own).added_mg_dl[cut_row(trace) :]
    assert np.array_equal(shown, by_itself, equal_nan=True)
    for half in replay_halves(trace, body=body):
        assert half.added_mg_dl is not None and len(half.added_mg_dl) == len(half.path_mg_dl)
    assert all(half.added_mg_dl is None for half in replay_halves(trace))
    assert (held_out(trace, twin).statistics.of_body == 0.0).all()


def read_body() -> WeightArray:
    """A body with a last layer that is not zero."""
    weights = initial_weights(3).numpy().copy()
    weights += 0.05 * np.random.default_rng(3).standard_normal(len(weights)).astype(np.float32)
    return weights
