"""Following a record: causal to the byte, silent where it must be, better than holding still."""

from dataclasses import replace

import numpy as np
import pytest

from models import following as module
from models.filter import FilterError
from models.following import DRIFTS, ROWS_AN_HOUR, Followed, best_drift, follow
from models.heads import BOOK_PRIOR
from models.inputs import Inputs, physiology_inputs
from models.openloop import open_loop
from models.rollout import HORIZONS_MIN, doses_ahead, doses_of_row
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.people import made_up_trace

pytestmark = pytest.mark.slow

THETA = BOOK_PRIOR.mean + 0.05 * BOOK_PRIOR.sd * np.random.default_rng(0).standard_normal(
    (24, len(BOOK_PRIOR.mean))
)
ROWS = STEPS_PER_DAY


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(made_up_trace(1, doses=True).rows(0, ROWS))


@pytest.fixture(scope="module")
def glucose() -> FloatArray:
    readings = made_up_trace(1, doses=True)["glucose_mg_dl"][:ROWS].copy()
    readings[100:130] = np.nan
    return readings


@pytest.fixture(scope="module")
def seen(inputs: Inputs, glucose: FloatArray) -> Followed:
    return follow(THETA, inputs, glucose, seed=2)


def test_a_forecast_each_hour_where_there_is_a_reading(seen: Followed, glucose: FloatArray) -> None:
    made = np.flatnonzero(np.isfinite(seen.mean_mg_dl[:, 0]))
    expected = [r for r in range(1, ROWS) if r % ROWS_AN_HOUR == 0 and np.isfinite(glucose[r])]
    assert made.tolist() == expected
    assert seen.mean_mg_dl.shape == (ROWS, len(HORIZONS_MIN))


def test_a_gap_has_no_surprise_and_the_filter_goes_on(seen: Followed) -> None:
    assert np.isnan(seen.off_mg_dl[100:130]).all() and np.isfinite(seen.off_mg_dl[130])
    assert np.isfinite(seen.ln_sensitivity).all()
    assert seen.off_sd_mg_dl[130] > 1.5 * seen.off_sd_mg_dl[99], "after a gap it is less sure"


def test_the_future_changes_nothing_before_it(
    inputs: Inputs, glucose: FloatArray, seen: Followed
) -> None:
    cut = 180
    other_glucose = glucose.copy()
    other_glucose[cut + 1 :] += 40.0
    later = 5 * (cut + 1)
    insulin, carbs = inputs.insulin_mu_kg_min.copy(), inputs.carbs_mg_kg_min.copy()
    insulin[later:] += 5.0
    carbs[later:] += 5.0
    changed = replace(inputs, insulin_mu_kg_min=insulin, carbs_mg_kg_min=carbs)
    other = follow(THETA, changed, other_glucose, seed=2)
    for name in ("mean_mg_dl", "low_mg_dl", "high_mg_dl", "off_mg_dl", "ln_sensitivity"):
        before, after = getattr(seen, name)[: cut + 1], getattr(other, name)[: cut + 1]
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(seen.ln_sensitivity[cut + 1 :], other.ln_sensitivity[cut + 1 :])


def test_a_filter_that_peeks_would_be_noticed(
    inputs: Inputs, glucose: FloatArray, seen: Followed
) -> None:
    """Planted: readings smoothed over the next quarter of an hour, as an eager import would."""
    kernel = np.ones(4) / 4
    peeking = np.convolve(np.nan_to_num(glucose, nan=120.0), kernel)[3:][:ROWS]
    other = peeking.copy()
    other[181:] = np.convolve(np.nan_to_num(glucose, nan=120.0) + 40.0, kernel)[3:][181:ROWS]
    eager = glucose.copy()
    eager[181:] += 40.0
    smooth = np.convolve(np.nan_to_num(eager, nan=120.0), kernel)[3:][:ROWS]
    first = follow(THETA, inputs, peeking, seed=2).ln_sensitivity[:181]
    second = follow(THETA, inputs, smooth, seed=2).ln_sensitivity[:181]
    assert not np.array_equal(first, second)


def test_it_beats_holding_the_last_reading_on_its_own_physiology(inputs: Inputs) -> None:
    truth = open_loop(BOOK_PRIOR.mean, inputs, 140.0).interstitial_mg_dl[0]
    readings = truth + np.random.default_rng(4).normal(0.0, 2.0, ROWS)
    seen = follow(THETA, inputs, readings, seed=1)
    origins = np.flatnonzero(np.isfinite(seen.mean_mg_dl[:, 1]))
    origins = origins[(origins > 36) & (origins + 12 < ROWS)]
    off = seen.mean_mg_dl[origins, 1] - readings[origins + 12]
    held = readings[origins] - readings[origins + 12]
    assert np.sqrt(np.mean(off**2)) < 0.8 * np.sqrt(np.mean(held**2))


def test_a_record_of_nothing_is_refused(inputs: Inputs) -> None:
    with pytest.raises(FilterError, match="no reading in this record"):
        follow(THETA, inputs, np.full(ROWS, np.nan), seed=1)


def test_it_begins_at_the_first_reading(inputs: Inputs, glucose: FloatArray) -> None:
    late = glucose.copy()
    late[:50] = np.nan
    seen = follow(THETA, inputs, late, seed=1)
    assert np.isnan(seen.ln_sensitivity[:50]).all() and np.isfinite(seen.ln_sensitivity[50])


def test_doses_of_a_row_are_what_the_open_loop_takes(inputs: Inputs) -> None:
    """Each row's doses, end to end, are insulin above rest ten minutes late, and meals."""
    together = np.concatenate([doses_of_row(inputs, row) for row in range(120)], axis=1)
    above = inputs.insulin_mu_kg_min - inputs.resting_mu_kg_min
    delay = np.flatnonzero(together[0])[0] - np.flatnonzero(above)[0]
    np.testing.assert_array_equal(together[0, delay:], above[: 600 - delay])
    np.testing.assert_array_equal(together[1], inputs.carbs_mg_kg_min[:600])


def test_what_is_ahead_holds_nothing_new(inputs: Inputs) -> None:
    row = 90
    fed = inputs.carbs_mg_kg_min.copy()
    fed[5 * row :] += 3.0
    later = replace(inputs, carbs_mg_kg_min=fed)
    rows = np.array([row])
    np.testing.assert_array_equal(doses_ahead(inputs, rows, 60), doses_ahead(later, rows, 60))


def test_a_noisy_sensor_and_a_good_twin_are_told_from_the_contrary(inputs: Inputs) -> None:
    """Readings of the twin's own physiology; then of a life with pushes that no meal explains."""
    truth = open_loop(BOOK_PRIOR.mean, inputs, 140.0).interstitial_mg_dl[0]
    random = np.random.default_rng(5)
    noise = np.zeros(ROWS)
    for row in range(1, ROWS):
        noise[row] = np.exp(-0.25) * noise[row - 1] + 6.0 * random.standard_normal()
    pushes = np.zeros(ROWS)
    for row in range(1, ROWS):
        pushes[row] = np.exp(-0.125) * pushes[row - 1] + 0.5 * 2.0 * random.standard_normal()
    pushed = open_loop(BOOK_PRIOR.mean, inputs, 140.0, disturbance_mg_dl_min=pushes)
    assert best_drift(THETA, inputs, truth + noise, 1) in DRIFTS[:2]
    assert best_drift(THETA, inputs, pushed.interstitial_mg_dl[0], 1) in DRIFTS[2:]


def test_the_settings_that_served_best_are_taken(inputs: Inputs, glucose: FloatArray) -> None:
    best = best_drift(THETA, inputs, glucose, 2)
    losses = {one: module._loss(follow(THETA, inputs, glucose, 2, one), glucose) for one in DRIFTS}
    assert losses[best] == min(losses.values()) < max(losses.values())
