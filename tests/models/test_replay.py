"""Days replayed by twins that did not see them: where the record is cut, and no leak."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, CalibrationError, calibrate
from models.quality import held_out, scores
from models.replay import (
    QualityError,
    Replay,
    cut_row,
    judged_days,
    pairs_ahead,
    replay_halves,
    replay_held_out,
    replayed,
    trained,
)
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


def test_a_15_minute_sensor_has_pairs_at_every_horizon(trace: Trace) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    glucose[np.arange(len(trace)) % 3 > 0] = np.nan
    slow = replace(trace, sensor_period_min=15, columns={**trace.columns, "glucose_mg_dl": glucose})
    assert judged_days(slow) == DAYS
    shown = held_out(slow, trained(slow))
    assert [score.horizon_min for score in scores(shown)] == [30, 60, 120, 240, 1440]


@pytest.fixture(scope="module")
def halves(trace: Trace) -> list[Replay]:
    return replay_halves(trace)


def test_the_halves_are_all_days_before_the_cut(trace: Trace, halves: list[Replay]) -> None:
    assert [one.first_row for one in halves] == [0, 4 * STEPS_PER_DAY]
    read = np.concatenate([one.readings_mg_dl for one in halves])
    assert np.array_equal(read, trace["glucose_mg_dl"][: cut_row(trace)], equal_nan=True)


def test_no_half_has_seen_its_own_readings(trace: Trace, halves: list[Replay]) -> None:
    """Other readings in the first half: another path for the second half, the same for the first.

    The path starts at the first reading, which is left as it was.
    """
    middle = halves[1].first_row
    glucose = trace["glucose_mg_dl"].copy()
    glucose[STEPS_PER_DAY : middle - 2 * STEPS_PER_DAY] += 30.0
    first, second = replay_halves(changed(trace, "glucose_mg_dl", glucose))
    assert np.array_equal(first.path_mg_dl, halves[0].path_mg_dl)
    assert not np.array_equal(second.path_mg_dl, halves[1].path_mg_dl)


def test_planted_halves_that_replay_themselves_fail_that_test(trace: Trace) -> None:
    glucose = trace["glucose_mg_dl"].copy()
    glucose[STEPS_PER_DAY : 2 * STEPS_PER_DAY] += 30.0
    paths = []
    for one in (trace, changed(trace, "glucose_mg_dl", glucose)):
        itself = calibrate([one.rows(0, 4 * STEPS_PER_DAY)])[0]
        paths.append(replayed(one, itself, 0, 4 * STEPS_PER_DAY).path_mg_dl)
    assert not np.array_equal(paths[0], paths[1])


def test_two_days_have_no_halves(trace: Trace) -> None:
    assert replay_halves(trace.rows(0, 2 * STEPS_PER_DAY)) == []


def test_a_half_that_cannot_be_calibrated_teaches_nothing(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CalibrationError("too little")

    monkeypatch.setattr("models.replay.calibrate_meals", refuse)
    assert replay_halves(trace) == []


def test_pairs_ahead_are_read_at_both_ends_with_treatment_known_between(
    trace: Trace, calibration: Calibration
) -> None:
    shown = replay_held_out(trace, calibration)
    usable, readings = shown.usable.copy(), shown.readings_mg_dl.copy()
    usable[300], readings[100] = False, np.nan
    origin, target = pairs_ahead(replace(shown, usable=usable, readings_mg_dl=readings), 6)
    assert np.all(target - origin == 6) and len(origin) > 700
    assert 100 not in origin and 100 not in target
    assert not np.any((origin <= 300) & (target >= 300))


def test_no_pair_reaches_past_the_end(trace: Trace, calibration: Calibration) -> None:
    shown = replay_held_out(trace, calibration)
    assert len(pairs_ahead(shown, len(shown.usable))[0]) == 0
