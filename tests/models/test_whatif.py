"""What-if: nothing changed gives the measured curve, signs are right, refusals are clear."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration
from models.heads import Head, prior_head
from models.inputs import background_of, physiology_inputs
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.whatif import Regimen, WhatIfError, compare, under
from tests.models.virtual import columns, eventful, heads, read_by_sensor, trace_of

SAME = Regimen()
START = 2 * STEPS_PER_DAY


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(4, seed=1), heads(1, seed=1, spread=0.3)[0], seed=1)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    head = replace(prior_head(), background=background_of(trace))
    return calibration_of(head)


def calibration_of(head: Head) -> Calibration:
    return Calibration("p", head, np.eye(len(head.theta)), 0.0, (), 4.0, 1000)


def test_a_regimen_that_changes_nothing_returns_the_measured_curve(
    trace: Trace, calibration: Calibration
) -> None:
    same = compare(trace, calibration, (SAME, SAME), START)
    assert same.glucose_a_mg_dl == pytest.approx(trace["glucose_mg_dl"][START : START + 288])
    assert same.mean_difference_mg_dl == 0.0
    assert same.time_in_range_difference_points == 0.0
    assert same.minutes_below_70[0] == same.minutes_below_70[1]


@pytest.mark.parametrize(
    ("regimen", "sign"),
    [
        (Regimen(basal_scale=1.1), -1),
        (Regimen(basal_scale=0.9), 1),
        (Regimen(bolus_scale=1.2), -1),
        (Regimen(bolus_scale=0.8), 1),
        (Regimen(carbs_scale=1.2), 1),
        (Regimen(carbs_scale=0.8), -1),
        (Regimen(extra_bolus_u=((60, 2.0),)), -1),
        (Regimen(extra_carbs_g=((60, 30.0),)), 1),
    ],
)
def test_the_sign_of_an_effect_is_the_physiologys(
    regimen: Regimen, sign: int, trace: Trace, calibration: Calibration
) -> None:
    compared = compare(trace, calibration, (SAME, regimen), START)
    change = sign * (compared.glucose_b_mg_dl - compared.glucose_a_mg_dl)
    assert change.min() >= -1e-9
    assert sign * compared.mean_difference_mg_dl > 0.5


def test_swapping_the_regimens_swaps_the_signs(trace: Trace, calibration: Calibration) -> None:
    more = Regimen(basal_scale=1.3, bolus_scale=1.3)
    there = compare(trace, calibration, (SAME, more), START)
    back = compare(trace, calibration, (more, SAME), START)
    assert there.mean_difference_mg_dl == -back.mean_difference_mg_dl
    assert there.minutes_below_70 == back.minutes_below_70[::-1]
    assert there.minutes_below_70[1] > there.minutes_below_70[0]


def test_nothing_before_the_start_is_changed(trace: Trace) -> None:
    inputs = physiology_inputs(trace)
    changed = under(Regimen(0.5, 0.5, 0.5, ((0, 1.0),), ((0, 7.0),)), inputs, 100)
    assert np.array_equal(changed.insulin_mu_kg_min[:500], inputs.insulin_mu_kg_min[:500])
    assert np.array_equal(changed.carbs_mg_kg_min[:500], inputs.carbs_mg_kg_min[:500])


def test_a_regimen_scales_and_adds_what_it_says() -> None:
    table = columns(1)
    table["bolus_u"][150], table["carbs_g"][150] = 4.0, 40.0
    inputs = physiology_inputs(trace_of(table))
    regimen = Regimen(1.5, 0.5, 2.0, ((10, 3.0),), ((20, 12.0),))
    changed = under(regimen, inputs, 100)
    background = changed.background_mu_kg_min * 60.0 * 0.07
    assert background[499:501] == pytest.approx([1.0, 1.5])
    units = (changed.insulin_mu_kg_min - changed.background_mu_kg_min) * 0.07
    assert {int(m): round(float(units[m]), 9) for m in np.flatnonzero(units > 1e-9)} == {
        510: 3.0,
        750: 2.0,
    }
    grams = changed.carbs_mg_kg_min * 0.07
    assert grams[520:523] == pytest.approx([5.0, 5.0, 2.0])
    assert grams.sum() == pytest.approx(80.0 + 12.0)


def test_long_acting_insulin_is_scaled_with_the_basal() -> None:
    doses = np.zeros(4 * STEPS_PER_DAY)
    doses[96::STEPS_PER_DAY] = 24.0
    table = columns(4, basal_u_per_h=np.full(len(doses), np.nan), long_acting_u=doses)
    inputs = physiology_inputs(trace_of(table))
    changed = under(Regimen(basal_scale=1.2), inputs, START)
    ratio = changed.insulin_mu_kg_min[5 * START :] / inputs.insulin_mu_kg_min[5 * START :]
    assert ratio == pytest.approx(1.2)


def test_extra_events_near_the_end_do_not_wrap_around(trace: Trace) -> None:
    inputs = physiology_inputs(trace)
    late = Regimen(extra_bolus_u=((9999, 5.0),), extra_carbs_g=((STEPS_PER_DAY * 5 - 2, 50.0),))
    changed = under(late, inputs, len(inputs) - STEPS_PER_DAY)
    assert np.array_equal(changed.insulin_mu_kg_min, inputs.insulin_mu_kg_min)
    added = changed.carbs_mg_kg_min - inputs.carbs_mg_kg_min
    assert np.flatnonzero(added).tolist() == [len(added) - 2, len(added) - 1]


def test_both_regimens_share_the_correction(trace: Trace, calibration: Calibration) -> None:
    seen = []

    def correction(record: Trace, head: Head) -> tuple[FloatArray, FloatArray]:
        seen.append((record, head))
        return np.full(len(record), 0.3), np.full(len(record), 0.1)

    regimens = (SAME, Regimen(basal_scale=1.1))
    corrected = compare(trace, calibration, regimens, START, correction=correction)
    plain = compare(trace, calibration, regimens, START)
    assert seen == [(trace, calibration.head)]
    assert corrected.glucose_a_mg_dl == pytest.approx(plain.glucose_a_mg_dl)
    assert corrected.mean_difference_mg_dl < plain.mean_difference_mg_dl < 0.0


def test_gaps_in_the_readings_are_bridged(trace: Trace, calibration: Calibration) -> None:
    table = {name: column.copy() for name, column in trace.columns.items()}
    table["glucose_mg_dl"][START + 1 : START + 288 : 2] = np.nan
    bridged = compare(trace_of(table), calibration, (SAME, SAME), START)
    full = compare(trace, calibration, (SAME, SAME), START)
    assert np.isfinite(bridged.glucose_a_mg_dl).all()
    assert np.abs(bridged.glucose_a_mg_dl - full.glucose_a_mg_dl).max() < 25.0
    table["glucose_mg_dl"][START:] = np.nan
    unread = compare(trace_of(table), calibration, (SAME, SAME), START)
    assert np.isfinite(unread.glucose_a_mg_dl).all() and np.isnan(unread.measured_mg_dl).all()


def test_hours_set_the_length(trace: Trace, calibration: Calibration) -> None:
    compared = compare(trace, calibration, (SAME, SAME), START, hours=6)
    assert compared.glucose_b_mg_dl.shape == compared.measured_mg_dl.shape == (72,)


def test_a_twin_made_without_insulin_refuses(trace: Trace, calibration: Calibration) -> None:
    blind = calibration_of(replace(calibration.head, identified=False))
    with pytest.raises(WhatIfError, match=r"made without insulin or meals.*No regimen"):
        compare(trace, blind, (SAME, SAME), START)


@pytest.mark.parametrize(("start", "hours"), [(-1, 24), (3 * STEPS_PER_DAY + 1, 24), (5, 0)])
def test_hours_outside_the_record_are_refused(
    start: int, hours: int, trace: Trace, calibration: Calibration
) -> None:
    with pytest.raises(WhatIfError, match="Choose a start and hours within the record"):
        compare(trace, calibration, (SAME, SAME), start, hours)


def test_hours_without_records_are_refused(trace: Trace, calibration: Calibration) -> None:
    table = {name: column.copy() for name, column in trace.columns.items()}
    table["carbs_g"][START : START + 288] = np.nan
    with pytest.raises(WhatIfError, match="insulin or meals are unknown"):
        compare(trace_of(table), calibration, (SAME, SAME), START)


def test_scaling_a_basal_that_nobody_recorded_is_refused(calibration: Calibration) -> None:
    table = columns(3, basal_u_per_h=np.full(3 * STEPS_PER_DAY, np.nan))
    unrecorded = trace_of(table)
    head = replace(calibration.head, background=background_of(unrecorded))
    with pytest.raises(WhatIfError, match="no basal insulin of p is on record"):
        compare(unrecorded, calibration_of(head), (SAME, Regimen(basal_scale=1.1)), 288)


@pytest.mark.parametrize("scale", [-0.1, float("nan")])
def test_negative_scales_are_refused(scale: float) -> None:
    with pytest.raises(WhatIfError, match="expected none negative"):
        Regimen(basal_scale=scale)


@pytest.mark.parametrize("event", [(5, -1.0), (-5, 1.0)])
def test_negative_events_are_refused(event: tuple[int, float]) -> None:
    with pytest.raises(WhatIfError, match="expected none negative"):
        Regimen(extra_bolus_u=(event,))
