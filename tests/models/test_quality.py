"""Judging a twin by unseen days: no leak, right pairs, intervals that hold what they say."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration
from models.output_statistics import learned
from models.quality import (
    HORIZONS_MIN,
    HeldOut,
    course,
    forecast,
    held_out,
    pairs,
    residuals,
    scores,
    untaught,
)
from models.replay import Replay, cut_row, trained
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

DAYS = 12


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(DAYS, seed=4), heads(1, seed=4, spread=0.4)[0], seed=4)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    return trained(trace)


def changed(trace: Trace, name: str, values: FloatArray) -> Trace:
    return replace(trace, columns={**trace.columns, name: values})


@pytest.fixture(scope="module")
def judged(trace: Trace, calibration: Calibration) -> HeldOut:
    return held_out(trace, calibration)


def still(days: int, phi: float = 0.9, sd: float = 3.0) -> Replay:
    """Readings of an autoregression around a path of 120 mg/dL."""
    rng = np.random.default_rng(5)
    rows = days * STEPS_PER_DAY
    left = np.zeros(rows)
    for row in range(1, rows):
        left[row] = phi * left[row - 1] + sd * rng.normal()
    path = np.full(rows, 120.0)
    hours = (np.arange(rows) % STEPS_PER_DAY) / 12.0
    return Replay(0, path + left, np.ones(rows, dtype=bool), hours, path, phi, sd)


def as_it_is(replay: Replay) -> HeldOut:
    """These days by a twin of which nothing was learned."""
    statistics = learned([], np.full(24, 120.0), replay.phi, replay.sd_mg_dl)
    return HeldOut(replay, statistics, statistics, 120.0)


def test_every_horizon_is_scored_and_the_true_model_wins(judged: HeldOut) -> None:
    scored = scores(judged)
    assert tuple(score.horizon_min for score in scored) == (30, 60, 120, 240, 1440)
    for score in scored[1:]:
        rmse = score.rmse_mg_dl
        assert rmse["twin"] < min(rmse["persistence"], rmse["mean"])
    assert scored[0].rmse_mg_dl["twin"] < scored[-1].rmse_mg_dl["twin"]


def test_horizons_beyond_the_held_out_days_are_absent(judged: HeldOut) -> None:
    """Three days are held out, so that no course of 72 h has all of its readings."""
    assert HORIZONS_MIN[-1] == 72 * 60
    assert not len(pairs(judged.replay, 72 * 60)[0])


def test_errors_are_those_written_out_by_hand() -> None:
    shown = still(2)
    score = scores(as_it_is(shown))[0]
    y, ahead = shown.readings_mg_dl, 6
    twin = 120.0 + 0.9**ahead * (y[:-ahead] - 120.0)
    target = y[ahead:]
    assert score.count == len(y) - ahead
    assert score.rmse_mg_dl["twin"] == pytest.approx(np.sqrt(np.mean((twin - target) ** 2)))
    assert score.mard_pct["persistence"] == pytest.approx(
        100.0 * np.mean(np.abs(y[:-ahead] - target) / target)
    )
    assert score.rmse_mg_dl["mean"] == pytest.approx(np.sqrt(np.mean((120.0 - target) ** 2)))


def test_pairs_are_a_horizon_apart_and_between_readings() -> None:
    shown = still(2)
    readings = shown.readings_mg_dl.copy()
    readings[100] = np.nan
    origin, target = pairs(replace(shown, readings_mg_dl=readings), 60)
    assert np.all(target - origin == 12)
    assert 100 not in origin and 100 not in target


def test_no_pair_reaches_over_unknown_treatment() -> None:
    shown = still(3)
    usable = shown.usable.copy()
    usable[300] = False
    for horizon in (30, 240, 1440):
        origin, target = pairs(replace(shown, usable=usable), horizon)
        assert len(origin)
        assert not np.any((origin <= 300) & (target >= 300))


def test_courses_begin_once_a_day_at_midnight() -> None:
    shown = still(4)
    origin, target = pairs(shown, 1440)
    assert np.unique(origin).tolist() == [0, 288, 576]
    assert np.all((target - origin >= 1) & (target - origin <= 288))


def test_intervals_of_the_true_noise_cover_80_per_cent() -> None:
    for score in scores(as_it_is(still(40))):
        assert score.coverage_pct == pytest.approx(80.0, abs=3.0)


def test_planted_intervals_without_the_residual_cover_next_to_nothing() -> None:
    assert scores(as_it_is(replace(still(10), sd_mg_dl=1e-9)))[0].coverage_pct < 1.0


def test_a_course_is_the_forecast_row_by_row() -> None:
    shown = as_it_is(still(2))
    expected, low, high = course(shown, 10, 50)
    origin = np.full(50, 10)
    assert np.array_equal(expected, forecast(shown, origin, np.arange(11, 61)))
    assert np.all((low < expected) & (expected < high))


def test_residuals_of_an_autoregression_look_like_one() -> None:
    left = residuals(still(60))
    assert left.autocorrelation[15] == pytest.approx(0.9**3, abs=0.04)
    assert left.autocorrelation[60] == pytest.approx(0.9**12, abs=0.06)
    assert left.innovations_autocorrelation == pytest.approx(0.0, abs=0.03)


def test_a_bias_at_one_hour_is_found_at_that_hour() -> None:
    shown = still(20)
    at_seven = shown.local_hour.astype(int) == 7
    readings = shown.readings_mg_dl + np.where(at_seven, 40.0, 0.0)
    bias = residuals(replace(shown, readings_mg_dl=readings)).bias_by_hour_mg_dl
    assert int(np.argmax(bias)) == 7
    assert bias[7] == pytest.approx(40.0, abs=5.0)


def test_residuals_of_nothing_are_unknown_and_not_zero() -> None:
    shown = still(2)
    left = residuals(replace(shown, usable=np.zeros_like(shown.usable)))
    assert np.isnan(left.bias_by_hour_mg_dl).all()
    assert np.isnan(left.autocorrelation[60])


def test_a_sensor_alone_is_judged_too(trace: Trace) -> None:
    alone = replace(trace, columns={"glucose_mg_dl": trace["glucose_mg_dl"]})
    calibration = trained(alone)
    assert not calibration.identified
    shown = held_out(alone, calibration)
    assert np.ptp(shown.replay.path_mg_dl) < 1e-6
    assert [score.horizon_min for score in scores(shown)][:2] == [30, 60]


def test_the_mean_that_the_twin_is_held_against_is_of_the_training_days(
    trace: Trace, judged: HeldOut
) -> None:
    """Planted: the mean of the held-out days knows what is coming and is hard to beat."""
    cut = cut_row(trace)
    assert judged.mean_mg_dl == pytest.approx(trace["glucose_mg_dl"][:cut].mean())
    assert judged.mean_mg_dl != pytest.approx(trace["glucose_mg_dl"][cut:].mean(), abs=0.1)


def test_nothing_after_the_cut_reaches_what_is_learned(
    trace: Trace, calibration: Calibration, judged: HeldOut
) -> None:
    values = trace["glucose_mg_dl"].copy()
    values[cut_row(trace) :] *= 1.4
    other = held_out(changed(trace, "glucose_mg_dl", values), calibration)
    for name in ("usual_mg_dl", "weights", "half_width_mg_dl"):
        assert np.array_equal(getattr(other.statistics, name), getattr(judged.statistics, name))


def test_a_twin_of_unlogged_meals_is_trusted_less_and_foretells_better(trace: Trace) -> None:
    """Every meal is forgotten by chance in two of five cases: the open loop is led astray."""
    carbs = trace["carbs_g"].copy()
    forgotten = np.random.default_rng(0).random(len(carbs)) < 0.4
    carbs[forgotten] = 0.0
    forgetful = changed(trace, "carbs_g", carbs)
    calibration = trained(forgetful)
    taught = held_out(forgetful, calibration)
    assert taught.weight < 0.9
    for one in scores(taught)[2:]:
        assert one.rmse_mg_dl["twin"] < one.rmse_mg_dl["open_loop"]


def test_the_open_loop_is_the_twin_of_which_nothing_was_learned(
    trace: Trace, calibration: Calibration, judged: HeldOut
) -> None:
    plain = scores(untaught(trace, calibration))
    for one, other in zip(scores(judged), plain, strict=True):
        assert one.rmse_mg_dl["open_loop"] == other.rmse_mg_dl["twin"]
        assert one.rmse_mg_dl["open_loop"] != one.rmse_mg_dl["twin"]
