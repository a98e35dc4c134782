"""Judging a twin by unseen days: no leak, right pairs, intervals that hold what they say."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.quality import (
    HORIZONS_MIN,
    QualityError,
    Replay,
    course,
    cut_row,
    forecast,
    interval,
    judged_days,
    pairs,
    replay_held_out,
    residuals,
    scores,
    trained,
)
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from tests.models.virtual import eventful, heads, read_by_sensor

DAYS = 12


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(DAYS, seed=4), heads(1, seed=4, spread=0.4)[0], seed=4)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    return trained(trace)


@pytest.fixture(scope="module")
def replay(trace: Trace, calibration: Calibration) -> Replay:
    return replay_held_out(trace, calibration)


def changed(trace: Trace, name: str, values: FloatArray) -> Trace:
    return replace(trace, columns={**trace.columns, name: values})


def still(days: int, phi: float = 0.9, sd: float = 3.0, draws: int = 100) -> Replay:
    """Readings of an autoregression around a path of 120 mg/dL that every head agrees on."""
    rng = np.random.default_rng(5)
    rows = days * STEPS_PER_DAY
    left = np.zeros(rows)
    for row in range(1, rows):
        left[row] = phi * left[row - 1] + sd * rng.normal()
    path = np.full(rows, 120.0)
    hours = (np.arange(rows) % STEPS_PER_DAY) / 12.0
    known = np.ones(rows, dtype=bool)
    return Replay(0, path + left, known, hours, path, np.tile(path, (draws, 1)), phi, sd, 120.0)


def test_the_last_quarter_of_the_days_is_held_out(trace: Trace) -> None:
    assert judged_days(trace) == DAYS
    assert cut_row(trace) == 9 * STEPS_PER_DAY
    assert trace.local_hour[cut_row(trace)] == 0.0


def test_at_most_a_fortnight_is_held_out() -> None:
    long = eventful(80, seed=1)
    assert cut_row(long) == (80 - 14) * STEPS_PER_DAY


def test_days_with_few_readings_are_not_counted(trace: Trace) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    glucose[11 * STEPS_PER_DAY + 100 :] = np.nan
    silent = changed(trace, "glucose_mg_dl", glucose)
    assert judged_days(silent) == DAYS - 1
    assert cut_row(silent) == 8 * STEPS_PER_DAY


def test_a_day_is_not_enough(trace: Trace) -> None:
    with pytest.raises(QualityError, match="has 1 days that a twin can be judged by"):
        cut_row(trace.rows(0, STEPS_PER_DAY))


def test_the_held_out_days_do_not_reach_the_parameters(
    trace: Trace, calibration: Calibration
) -> None:
    """Other readings, doses and meals on the held-out days: the same head to the last bit."""
    cut = cut_row(trace)
    other = trace
    for name, factor in (("glucose_mg_dl", 1.4), ("bolus_u", 0.3), ("carbs_g", 2.0)):
        values = trace[name].copy()
        values[cut:] *= factor
        other = changed(other, name, values)
    again = trained(other)
    assert np.array_equal(again.head.theta, calibration.head.theta)
    assert again.head.residual_phi == calibration.head.residual_phi
    assert again.head.background == calibration.head.background


def test_planted_a_twin_fitted_to_the_whole_record_fails_that_test(trace: Trace) -> None:
    values = trace["glucose_mg_dl"].copy()
    values[cut_row(trace) :] *= 1.4
    leaky = calibrate([trace])[0]
    again = calibrate([changed(trace, "glucose_mg_dl", values)])[0]
    assert not np.array_equal(again.head.theta, leaky.head.theta)


def test_every_horizon_is_scored_and_the_true_model_wins(replay: Replay) -> None:
    scored = scores(replay)
    assert tuple(score.horizon_min for score in scored) == (30, 60, 120, 240, 1440)
    for score in scored[1:]:
        rmse = score.rmse_mg_dl
        assert rmse["twin"] < min(rmse["persistence"], rmse["mean"])
    assert scored[0].rmse_mg_dl["twin"] < scored[-1].rmse_mg_dl["twin"]


def test_horizons_beyond_the_held_out_days_are_absent(replay: Replay) -> None:
    """Three days are held out, so that no course of 72 h has all of its readings."""
    assert HORIZONS_MIN[-1] == 72 * 60
    assert not len(pairs(replay, 72 * 60)[0])


def test_errors_are_those_written_out_by_hand() -> None:
    shown = still(2)
    score = scores(shown)[0]
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
    for score in scores(still(40)):
        assert score.coverage_pct == pytest.approx(80.0, abs=3.0)


def test_planted_intervals_without_the_residual_cover_next_to_nothing() -> None:
    """What heads alone disagree about is nothing here: their interval has no width."""
    assert scores(replace(still(10), sd_mg_dl=1e-9))[0].coverage_pct < 1.0


def test_disagreeing_heads_widen_the_interval_ahead_and_not_at_the_origin() -> None:
    shown = still(2)
    rng = np.random.default_rng(1)
    swing = np.sin(np.arange(2 * STEPS_PER_DAY) / 40.0) * rng.normal(0.0, 30.0, (100, 1))
    origin, target = pairs(shown, 240)
    low, high = interval(shown, origin, target)
    wide_low, wide_high = interval(replace(shown, draws_mg_dl=120.0 + swing), origin, target)
    assert np.mean(wide_high - wide_low) > 2.0 * np.mean(high - low)


def test_an_interval_never_goes_below_what_a_sensor_reads() -> None:
    shown = replace(still(2), sd_mg_dl=500.0)
    low, high = interval(shown, *pairs(shown, 240))
    assert low.min() == 10.0
    assert np.all(high > low)


def test_a_course_is_the_forecast_row_by_row() -> None:
    shown = still(2)
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
    shown = replay_held_out(alone, calibration)
    assert np.ptp(shown.path_mg_dl) < 1e-6
    assert [score.horizon_min for score in scores(shown)][:2] == [30, 60]


def test_a_15_minute_sensor_has_pairs_at_every_horizon(trace: Trace) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    glucose[np.arange(len(trace)) % 3 > 0] = np.nan
    slow = replace(trace, sensor_period_min=15, columns={**trace.columns, "glucose_mg_dl": glucose})
    assert judged_days(slow) == DAYS
    shown = replay_held_out(slow, trained(slow))
    assert [score.horizon_min for score in scores(shown)] == [30, 60, 120, 240, 1440]


def test_the_mean_that_the_twin_is_held_against_is_of_the_training_days(
    trace: Trace, replay: Replay
) -> None:
    """Planted: the mean of the held-out days knows what is coming and is hard to beat."""
    cut = cut_row(trace)
    assert replay.usual_mg_dl == pytest.approx(trace["glucose_mg_dl"][:cut].mean())
    assert replay.usual_mg_dl != pytest.approx(trace["glucose_mg_dl"][cut:].mean(), abs=0.1)
