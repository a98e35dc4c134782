"""Another sensor's view of the same person: what may change, and what never does."""

from dataclasses import replace

import numpy as np
import pytest

from models.trace import STEPS_PER_DAY, FloatArray, Trace
from simulations import sensor_shift
from simulations.sensor_shift import (
    ERROR_MEMORY,
    HIGHEST_MG_DL,
    LN_GAIN_SD,
    LN_SPREAD_SD,
    LOWEST_MG_DL,
    every_15_min,
    shifted,
)
from tests.models.people import made_up_trace

SEEDS = range(60)


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Three days with a gap of two hours and single readings lost."""
    whole = made_up_trace(2, doses=True)
    glucose = whole["glucose_mg_dl"].copy()
    glucose[200:224] = np.nan
    glucose[[40, 41, 300]] = np.nan
    return replace(whole, columns={**whole.columns, "glucose_mg_dl": glucose})


@pytest.fixture(scope="module")
def views(trace: Trace) -> list[Trace]:
    return [shifted(trace, np.random.default_rng(seed)) for seed in SEEDS]


def glucose(trace: Trace) -> FloatArray:
    return trace["glucose_mg_dl"]


def test_the_same_seed_is_the_same_sensor(trace: Trace) -> None:
    one, two = (glucose(shifted(trace, np.random.default_rng(5))) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_no_reading_is_made_where_none_was(trace: Trace, views: list[Trace]) -> None:
    absent = np.isnan(glucose(trace))
    for view in views:
        assert np.isnan(glucose(view)[absent]).all()


def test_readings_stay_within_what_sensors_show(views: list[Trace]) -> None:
    for view in views:
        seen = glucose(view)[np.isfinite(glucose(view))]
        assert seen.min() >= LOWEST_MG_DL and seen.max() <= HIGHEST_MG_DL


def test_doses_meals_and_clock_are_left_alone(trace: Trace, views: list[Trace]) -> None:
    for view in views:
        assert (view.patient, view.time_zone, view.start_utc_s) == (
            trace.patient,
            trace.time_zone,
            trace.start_utc_s,
        )
        for name in ("bolus_u", "carbs_g", "basal_u_per_h"):
            np.testing.assert_array_equal(view[name], trace[name])


def test_the_original_is_not_touched(trace: Trace) -> None:
    before = glucose(trace).copy()
    shifted(trace, np.random.default_rng(1))
    np.testing.assert_array_equal(glucose(trace), before)


def test_views_differ_from_each_other(views: list[Trace]) -> None:
    assert len({glucose(view).tobytes() for view in views}) > 55


def test_about_three_in_five_read_every_15_minutes(views: list[Trace]) -> None:
    slow = [view.sensor_period_min == 15 for view in views]
    assert 0.4 < np.mean(slow) < 0.8
    for view in views:
        measured = np.flatnonzero(np.isfinite(glucose(view)))
        if view.sensor_period_min == 15:
            assert len(set(measured % 3)) == 1, "one phase, every third row"
        else:
            assert len(set(measured % 3)) == 3


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_every_third_reading_is_kept_as_it_was(trace: Trace, phase: int) -> None:
    slow = glucose(every_15_min(trace, phase))
    np.testing.assert_array_equal(slow[phase::3], glucose(trace)[phase::3])
    assert np.isnan(np.delete(slow, np.s_[phase::3])).all()


def test_smoothing_never_looks_ahead(trace: Trace) -> None:
    """What a sensor shows now depends on the past alone: later glucose changes nothing before it.

    Gain and spread are left out of the comparison: they are drawn about the record's own mean.
    """
    cut = STEPS_PER_DAY
    later = glucose(trace).copy()
    later[cut:] = np.where(np.isfinite(later[cut:]), 200.0, np.nan)
    changed = replace(trace, columns={**trace.columns, "glucose_mg_dl": later})
    compared = 0
    for seed in SEEDS:
        here, there = (glucose(shifted(t, np.random.default_rng(seed))) for t in (trace, changed))
        ratio = here[:cut] / there[:cut]
        ratio = ratio[np.isfinite(ratio)]
        if np.allclose(ratio, 1.0, atol=1e-12):
            compared += 1
    assert compared > 20, "half of the views have no spread, and they are equal up to the cut"


def test_a_smoother_that_looks_ahead_would_be_noticed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def centred(values: FloatArray) -> FloatArray:
        mean: FloatArray = np.convolve(values, np.ones(3) / 3, mode="same")
        return mean

    monkeypatch.setattr("simulations.sensor_shift._mean_of_three", centred)
    with pytest.raises(AssertionError):
        test_smoothing_never_looks_ahead(trace)


def test_an_empty_record_stays_empty(trace: Trace) -> None:
    nothing = np.full(len(trace), np.nan)
    empty = replace(trace, columns={**trace.columns, "glucose_mg_dl": nothing})
    for seed in range(5):
        assert np.isnan(glucose(shifted(empty, np.random.default_rng(seed)))).all()


def with_glucose(trace: Trace, values: FloatArray) -> Trace:
    return replace(trace, columns={**trace.columns, "glucose_mg_dl": values})


def unchanged(values: FloatArray) -> FloatArray:
    return values


def test_extreme_readings_are_cut_as_sensors_cut_them(trace: Trace) -> None:
    rows = np.arange(len(trace))
    extreme = with_glucose(trace, np.where(rows % 60 < 30, 41.0, 399.0))
    for seed in SEEDS:
        seen = glucose(shifted(extreme, np.random.default_rng(seed)))
        assert np.nanmin(seen) >= LOWEST_MG_DL and np.nanmax(seen) <= HIGHEST_MG_DL


@pytest.mark.parametrize(("limit", "none"), [("LOWEST_MG_DL", -1e9), ("HIGHEST_MG_DL", 1e9)])
def test_uncut_readings_would_be_noticed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch, limit: str, none: float
) -> None:
    monkeypatch.setattr(sensor_shift, limit, none)
    with pytest.raises(AssertionError):
        test_extreme_readings_are_cut_as_sensors_cut_them(trace)


def test_smoothing_by_hand() -> None:
    smooth = sensor_shift._mean_of_three(np.array([3.0, 6.0, 9.0, 12.0]))
    assert smooth == pytest.approx([3.0, 4.0, 6.0, 9.0])


def test_short_gaps_are_bridged_by_hand_and_the_rest_of_long_ones_is_not() -> None:
    lost = np.nan
    values = np.array([lost, 10.0, lost, lost, 40.0, lost, lost, lost, lost, 90.0])
    bridged = sensor_shift._bridged(values)
    expected = [lost, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, lost, 90.0]
    np.testing.assert_allclose(bridged, expected)


def test_short_gaps_cost_no_other_reading(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_shift, "CHANCE_15_MIN", 0.0)
    values = np.where(np.isfinite(glucose(trace)), glucose(trace), 120.0)
    values[[40, 41, 300, 500, 501, 502]] = np.nan
    gappy = with_glucose(trace, values)
    for seed in SEEDS:
        seen = glucose(shifted(gappy, np.random.default_rng(seed)))
        np.testing.assert_array_equal(np.isnan(seen), np.isnan(values))


def test_gaps_that_smoothing_widens_would_be_noticed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_shift, "_bridged", unchanged)
    with pytest.raises(AssertionError):
        test_short_gaps_cost_no_other_reading(trace, monkeypatch)


def views_changed_by(
    only: str, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> tuple[FloatArray, list[FloatArray]]:
    """Calm glucose, and 200 views of it that differ by one effect alone."""
    monkeypatch.setattr(sensor_shift, "CHANCE_15_MIN", 0.0)
    monkeypatch.setattr(sensor_shift, "_mean_of_three", unchanged)
    none = {"ERROR_SD_MG_DL": (0.0, 0.0), "LN_GAIN_SD": 0.0, "LN_SPREAD_SD": 0.0}
    for name in none.keys() - {only}:
        monkeypatch.setattr(sensor_shift, name, none[name])
    calm = 180.0 + 20.0 * np.sin(np.arange(len(trace)) / 30.0)
    seeds = range(200)
    one = with_glucose(trace, calm)
    return calm, [glucose(shifted(one, np.random.default_rng(seed))) for seed in seeds]


def test_half_of_the_sensors_have_a_gain(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    calm, seen = views_changed_by("LN_GAIN_SD", trace, monkeypatch)
    for view in seen:
        np.testing.assert_allclose(view / calm, view[0] / calm[0])
    ln_gain = np.array([np.log(view[0] / calm[0]) for view in seen])
    moved = np.abs(ln_gain) > 1e-9
    assert moved.mean() == pytest.approx(0.5, abs=0.12)
    assert ln_gain[moved].std() == pytest.approx(LN_GAIN_SD, rel=0.25)


def test_half_of_the_sensors_stretch_about_the_mean(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, seen = views_changed_by("LN_SPREAD_SD", trace, monkeypatch)
    for view in seen:
        assert view.mean() == pytest.approx(calm.mean())
    ln_spread = np.array([np.log(view.std() / calm.std()) for view in seen])
    moved = np.abs(ln_spread) > 1e-9
    assert moved.mean() == pytest.approx(0.5, abs=0.12)
    assert ln_spread[moved].std() == pytest.approx(LN_SPREAD_SD, rel=0.25)


def test_half_of_the_sensors_err(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    calm, seen = views_changed_by("ERROR_SD_MG_DL", trace, monkeypatch)
    sd = np.array([(view - calm).std() for view in seen])
    erring = sd > 1e-9
    assert erring.mean() == pytest.approx(0.5, abs=0.12)
    assert sd[erring].mean() == pytest.approx(3.0, rel=0.25), "uniform from 0 to 6"


@pytest.mark.parametrize("effect", ["LN_GAIN_SD", "LN_SPREAD_SD", "ERROR_SD_MG_DL"])
def test_an_effect_that_is_left_out_would_be_noticed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch, effect: str
) -> None:
    tests = {
        "LN_GAIN_SD": test_half_of_the_sensors_have_a_gain,
        "LN_SPREAD_SD": test_half_of_the_sensors_stretch_about_the_mean,
        "ERROR_SD_MG_DL": test_half_of_the_sensors_err,
    }
    monkeypatch.setattr(sensor_shift, effect, (0.0, 0.0) if effect.startswith("ERR") else 0.0)
    with pytest.raises(AssertionError):
        tests[effect](trace, monkeypatch)


def test_errors_keep_their_spread_and_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_shift, "ERROR_SD_MG_DL", (5.0, 5.0))
    for memory in ERROR_MEMORY:
        monkeypatch.setattr(sensor_shift, "ERROR_MEMORY", (memory, memory))
        error = sensor_shift._correlated_error(100_000, np.random.default_rng(3))
        assert error.std() == pytest.approx(5.0, rel=0.05)
        assert np.corrcoef(error[1:], error[:-1])[0, 1] == pytest.approx(memory, abs=0.02)
