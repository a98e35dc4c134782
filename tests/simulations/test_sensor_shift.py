"""Another sensor's view of the same person: what may change, and what never does."""

from dataclasses import replace

import numpy as np
import pytest

from models.trace import STEPS_PER_DAY, FloatArray, Trace
from simulations.sensor_shift import HIGHEST_MG_DL, LOWEST_MG_DL, every_15_min, shifted
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
