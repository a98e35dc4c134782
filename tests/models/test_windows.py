from dataclasses import replace

import numpy as np
import pytest

from models.correction import FEATURES, LAGS
from models.heads import prior_head
from models.trace import Trace
from models.windows import Windows, hold_last, windows_of
from tests.models.people import made_up_trace


def feature(windows: Windows, name: str) -> np.ndarray:
    return windows.features[:, FEATURES.index(name)]


def with_column(trace: Trace, name: str, values: np.ndarray) -> Trace:
    return replace(trace, columns={**trace.columns, name: values})


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (1, [np.nan, 1, 1, np.nan, 4, 4]),
        (2, [np.nan, 1, 1, 1, 4, 4]),
        (0, [np.nan, 1, np.nan, np.nan, 4, np.nan]),
    ],
)
def test_hold_last_by_hand(longest: int, expected: list[float]) -> None:
    values = np.array([np.nan, 1, np.nan, np.nan, 4, np.nan])
    np.testing.assert_equal(hold_last(values, longest), expected)


def test_targets_are_the_readings_at_the_horizons() -> None:
    trace = made_up_trace()
    windows = windows_of(trace, prior_head(), (30, 60, 120))
    glucose = trace["glucose_mg_dl"]
    for place, rows in enumerate((6, 12, 24)):
        due = np.isfinite(windows.target[:, place])
        np.testing.assert_array_equal(
            windows.target[due, place], glucose[windows.origin[due] + rows]
        )
    assert np.isnan(windows.target[-1, 2]) and np.isfinite(windows.target[-1, 0])


def test_every_origin_has_two_hours_of_history() -> None:
    windows = windows_of(made_up_trace(), prior_head())
    assert windows.origin[0] == LAGS
    assert len(windows) == len(made_up_trace()) - LAGS - 6


def test_a_long_gap_removes_origins_and_a_short_one_does_not() -> None:
    trace = made_up_trace()
    glucose = trace["glucose_mg_dl"].copy()
    glucose[300:305] = np.nan
    short = windows_of(with_column(trace, "glucose_mg_dl", glucose), prior_head())
    assert 305 in short.origin and 302 not in short.origin
    glucose[300:310] = np.nan
    long = windows_of(with_column(trace, "glucose_mg_dl", glucose), prior_head())
    assert not set(range(300, 310 + LAGS)) & set(long.origin)
    assert 310 + LAGS in long.origin


def test_nothing_after_the_origin_enters_but_the_target() -> None:
    trace = made_up_trace(doses=True)
    before = windows_of(trace, prior_head())
    later = 500
    changed = {name: column.copy() for name, column in trace.columns.items()}
    changed["glucose_mg_dl"][later:] += 40.0
    changed["bolus_u"][later + 1 :] *= 3.0
    changed["carbs_g"][later + 1 :] += 30.0
    after = windows_of(replace(trace, columns=changed), replace(prior_head(), background=None))
    early = before.origin < later
    np.testing.assert_array_equal(before.features[early], after.features[early])
    np.testing.assert_allclose(before.start[early], after.start[early], atol=1e-9)
    assert not np.array_equal(before.target[early], after.target[early])


def test_a_window_that_looked_ahead_would_be_seen() -> None:
    trace = made_up_trace()
    shifted = with_column(trace, "glucose_mg_dl", np.roll(trace["glucose_mg_dl"], -1))
    honest, peeking = windows_of(trace, prior_head()), windows_of(shifted, prior_head())
    later = honest.origin == 500
    assert not np.array_equal(honest.features[later], peeking.features[peeking.origin == 500])


def test_features_by_hand() -> None:
    trace = made_up_trace()
    windows = windows_of(trace, prior_head())
    origin = int(windows.origin[10])
    glucose = trace["glucose_mg_dl"]
    change = (glucose[origin - 1] - glucose[origin]) / 30
    assert feature(windows, "change_over_5_min")[10] == pytest.approx(np.clip(change, -6, 6))
    change = (glucose[origin - 23] - glucose[origin]) / 30
    assert feature(windows, "change_over_115_min")[10] == pytest.approx(np.clip(change, -6, 6))
    assert feature(windows, "glucose_level")[10] == pytest.approx((glucose[origin] - 150) / 60)
    angle = 2 * np.pi * trace.local_hour[origin] / 24
    assert feature(windows, "sine_of_day")[10] == pytest.approx(np.sin(angle))


def test_time_of_day_is_the_patients_own() -> None:
    madrid = windows_of(made_up_trace(), prior_head())
    tokyo = windows_of(replace(made_up_trace(), time_zone="Asia/Tokyo"), prior_head())
    assert not np.allclose(feature(madrid, "cosine_of_day"), feature(tokyo, "cosine_of_day"))


def test_steps_of_the_last_hour() -> None:
    trace = made_up_trace()
    steps = np.zeros(len(trace))
    steps[100] = 500.0
    windows = windows_of(with_column(trace, "steps", steps), prior_head())
    said = dict(zip(windows.origin.tolist(), feature(windows, "steps_last_hour"), strict=True))
    assert said[102] == 0.0 and said[115] == 0.0, "a watch may report them 15 minutes late"
    assert said[103] == said[114] == pytest.approx(np.log(501) / 5)
    assert not feature(windows_of(trace, prior_head()), "steps_last_hour").any()


def test_without_inputs_the_physiology_returns_to_its_base() -> None:
    windows = windows_of(made_up_trace(), prior_head())
    head = prior_head()
    base = head.values["Gb"]
    residual = windows.glucose_now - base
    expected = base + residual * head.residual_phi**6
    np.testing.assert_allclose(windows.start[:, 0], expected, atol=1e-6)
    assert not windows.sensitivity_slope.any()
    assert not feature(windows, "inputs_known").any()


def test_with_doses_insulin_sensitivity_lowers_glucose() -> None:
    windows = windows_of(made_up_trace(doses=True), prior_head())
    assert feature(windows, "inputs_known").all()
    assert (windows.sensitivity_slope.min(axis=0) < -1).all()
    assert windows.sensitivity_slope.max() < 1e-6


def test_a_fifteen_minute_sensor_has_a_third_of_the_origins() -> None:
    windows = windows_of(made_up_trace(sensor_period_min=15), prior_head())
    assert set(windows.origin % 3) == {0}
    assert feature(windows, "sensor_is_15_min").all()


def test_thinning_keeps_order_and_ends() -> None:
    windows = windows_of(made_up_trace(), prior_head())
    thin = windows.thinned(50)
    assert len(thin) == 50 and thin.patient == windows.patient
    assert thin.origin[0] == windows.origin[0] and thin.origin[-1] == windows.origin[-1]
    assert (np.diff(thin.origin) > 0).all()
    assert windows.thinned(10**6) is windows


def test_a_head_that_is_not_identified_leaves_doses_alone() -> None:
    trace = made_up_trace(doses=True)
    stranger = windows_of(trace, replace(prior_head(), identified=False))
    assert not stranger.sensitivity_slope.any()
    assert not np.allclose(stranger.start, windows_of(trace, prior_head()).start)
    assert not feature(stranger, "inputs_known").any()
