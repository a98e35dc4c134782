"""Rollouts: no look-ahead, agreement with the open loop, and derivatives that are derivatives."""

from dataclasses import replace

import numpy as np
import pytest

from models import rollout as rollout_module
from models.heads import Head, prior_head
from models.inputs import Inputs, background_of, physiology_inputs
from models.openloop import open_loop
from models.rollout import HORIZONS_MIN, Rollout, RolloutError, rollout
from models.trace import FloatArray, Trace
from tests.models.virtual import columns, eventful, heads, trace_of

ORIGINS = np.array([40, 100, 150, 200, 240, 275])


@pytest.fixture
def head() -> Head:
    return replace(prior_head(), theta=heads(1, seed=1)[0])


def quiet_after(trace: Trace, row: int) -> Inputs:
    """Inputs if boluses and meals stopped at `row` and the basal rate before it went on."""
    table = {name: column.copy() for name, column in trace.columns.items()}
    table["bolus_u"][row:] = table["carbs_g"][row:] = 0.0
    table["basal_u_per_h"][row:] = table["basal_u_per_h"][row - 1]
    return physiology_inputs(trace_of(table), background_of(trace))


def rolled(head: Head, inputs: Inputs, **changes: FloatArray) -> FloatArray:
    """The open loop (n,) that a rollout continues."""
    loop = open_loop(head.theta, inputs, head.values["Gb"], **changes)
    path: FloatArray = loop.interstitial_mg_dl[0]
    return path


def test_the_base_is_the_open_loop_of_somebody_who_stops_eating_and_dosing(head: Head) -> None:
    trace = eventful(2, seed=2)
    ahead = rollout(head, physiology_inputs(trace), ORIGINS)
    assert ahead.base.shape == (len(ORIGINS), 3)
    for place, row in enumerate(ORIGINS):
        quiet = rolled(head, quiet_after(trace, row))
        rows = row + np.array(HORIZONS_MIN) // 5
        assert ahead.base[place] == pytest.approx(quiet[rows], abs=1e-9)


@pytest.mark.parametrize("column", ["bolus_u", "carbs_g", "basal_u_per_h"])
@pytest.mark.parametrize("later", [0, 1, 12])
def test_nothing_from_the_origins_row_on_is_seen(column: str, later: int, head: Head) -> None:
    trace = eventful(2, seed=3)
    planted = {name: values.copy() for name, values in trace.columns.items()}
    planted[column][200 + later] += 60.0
    usual = background_of(trace)
    before = rollout(head, physiology_inputs(trace, usual), np.array([200]))
    after = rollout(head, physiology_inputs(trace_of(planted), usual), np.array([200]))
    for field in ("base", "d_sensitivity", "response"):
        assert np.array_equal(getattr(before, field), getattr(after, field))


def test_a_rollout_that_reads_the_record_is_seen(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: meals taken from the record instead of from the plate."""

    def looks_ahead(inputs: Inputs, rows: FloatArray, span: FloatArray) -> FloatArray:
        minutes = np.minimum(5 * rows[:, None] + span, len(inputs.carbs_mg_kg_min) - 1)
        return np.asarray(inputs.carbs_mg_kg_min[minutes.astype(int)])

    trace = eventful(2, seed=3)
    planted = {name: values.copy() for name, values in trace.columns.items()}
    planted["carbs_g"][201] += 60.0
    monkeypatch.setattr(rollout_module, "_meals_ahead", looks_ahead)
    before = rollout(head, physiology_inputs(trace), np.array([200]))
    after = rollout(head, physiology_inputs(trace_of(planted)), np.array([200]))
    assert not np.array_equal(before.base, after.base)


def test_what_was_taken_before_the_origin_keeps_acting(head: Head) -> None:
    for column, amount, direction in (("carbs_g", 60.0, 1.0), ("bolus_u", 6.0, -1.0)):
        table = columns(1)
        table[column][199] = amount
        acted = rollout(head, physiology_inputs(trace_of(table)), np.array([200])).base
        quiet = rollout(head, physiology_inputs(trace_of(columns(1))), np.array([200])).base
        assert (direction * (acted - quiet)[0, 1:] > 5.0).all()


def test_the_sensitivity_slope_is_that_of_the_open_loop(head: Head) -> None:
    trace, step = eventful(2, seed=4), 1e-4
    slopes = rollout(head, physiology_inputs(trace), ORIGINS).d_sensitivity
    for place, row in enumerate(ORIGINS):
        quiet = quiet_after(trace, row)
        ln_s = np.where(np.arange(len(quiet)) >= row, step, 0.0)
        up, down = (rolled(head, quiet, ln_sensitivity=sign * ln_s) for sign in (1.0, -1.0))
        expected = ((up - down) / (2.0 * step))[row + np.array(HORIZONS_MIN) // 5]
        assert slopes[place] == pytest.approx(expected, rel=2e-3, abs=1e-3)


def test_the_responses_are_those_of_the_open_loop(head: Head) -> None:
    trace, step = eventful(2, seed=5), 1e-4
    response = rollout(head, physiology_inputs(trace), ORIGINS).response
    for place, row in enumerate(ORIGINS):
        quiet = quiet_after(trace, row)
        plain = rolled(head, quiet)
        for stretch, (first, last) in enumerate(((0, 6), (6, 12), (12, 24))):
            d = np.zeros(len(quiet))
            d[row + first : row + last] = step
            pushed = rolled(head, quiet, disturbance_mg_dl_min=d)
            expected = ((pushed - plain) / step)[row + np.array(HORIZONS_MIN) // 5]
            assert response[place, :, stretch] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_signs_are_the_physiologys(head: Head) -> None:
    ahead = rollout(head, physiology_inputs(eventful(3, seed=6)), np.arange(100, 800))
    assert (ahead.response >= 0.0).all()
    assert not ahead.response[:, 0, 1:].any() and not ahead.response[:, 1, 2].any()
    assert (ahead.response[:, 2] > 0.0).all()
    assert ahead.d_sensitivity.min() < -5.0


def test_without_records_the_rollout_rests_at_gb(head: Head) -> None:
    inputs = physiology_inputs(trace_of({"glucose_mg_dl": np.full(300, 150.0)}))
    ahead = rollout(head, inputs, np.array([0, 100, 299]))
    assert ahead.base == pytest.approx(head.values["Gb"])
    assert not ahead.d_sensitivity.any()


def test_inputs_at_rest_roll_out_to_gb(head: Head) -> None:
    inputs = physiology_inputs(eventful(2, seed=2))
    assert rollout(head, inputs.at_rest(), ORIGINS).base == pytest.approx(head.values["Gb"])
    assert np.ptp(rollout(head, inputs, ORIGINS).base) > 5.0


def test_a_start_away_from_gb_is_taken(head: Head) -> None:
    inputs = physiology_inputs(trace_of(columns(1)))
    high = rollout(head, inputs, np.array([0]), start_mg_dl=250.0).base[0]
    assert 250.0 > high[0] > high[1] > high[2] > head.values["Gb"]


def test_other_horizons_agree_with_the_usual_ones(head: Head) -> None:
    inputs = physiology_inputs(eventful(2, seed=7))
    usual = rollout(head, inputs, ORIGINS)
    other: Rollout = rollout(head, inputs, ORIGINS, (60, 90, 120))
    assert np.array_equal(other.base[:, [0, 2]], usual.base[:, [1, 2]])


def test_no_origins_give_no_rows(head: Head) -> None:
    inputs = physiology_inputs(eventful(1, seed=7))
    assert rollout(head, inputs, np.array([], dtype=np.int64)).base.shape == (0, 3)


@pytest.mark.parametrize("row", [-1, 288])
def test_an_origin_outside_the_inputs_is_refused(row: int, head: Head) -> None:
    with pytest.raises(RolloutError, match=r"expected 0 to 287. Nothing was rolled out"):
        rollout(head, physiology_inputs(eventful(1, seed=7)), np.array([row]))


@pytest.mark.parametrize("horizons", [(), (0, 30), (60, 30), (30, 30)])
def test_impossible_horizons_are_refused(horizons: tuple[int, ...], head: Head) -> None:
    with pytest.raises(RolloutError, match="increasing positive minutes"):
        rollout(head, physiology_inputs(eventful(1, seed=7)), np.array([5]), horizons)


def test_an_origins_rollout_does_not_depend_on_the_others(head: Head) -> None:
    inputs = physiology_inputs(eventful(2, seed=8))
    together = rollout(head, inputs, ORIGINS)
    for place, row in enumerate(ORIGINS):
        alone = rollout(head, inputs, np.array([row]))
        assert np.array_equal(alone.base[0], together.base[place])
        assert np.array_equal(alone.response[0], together.response[place])


def test_a_long_acting_dose_at_the_origin_is_not_seen_but_the_depot_is(head: Head) -> None:
    doses = np.zeros(3 * 288)
    doses[96::288] = 24.0
    table = columns(3, basal_u_per_h=np.full(len(doses), np.nan), long_acting_u=doses)
    late = table | {"long_acting_u": doses.copy()}
    late["long_acting_u"][600] = 200.0
    usual = background_of(trace_of(table))
    before, after = (
        rollout(head, physiology_inputs(trace_of(t), usual), np.array([600])) for t in (table, late)
    )
    assert np.array_equal(before.base, after.base)
    without = rollout(head, physiology_inputs(trace_of(columns(3))), np.array([600])).base
    assert not np.array_equal(before.base, without)
