"""The alarm: quiet where nothing changes, soon where something does, plain about which way."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.drift import (
    ALLOWANCE,
    LIMIT,
    USUAL_SD_MG_DL,
    Alarm,
    DriftError,
    alarm,
    daily_off_mg_dl,
)
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from tests.models.people import made_up_trace

BASELINE = 14


def days(count: int, seed: int, shift_mg_dl: float = 0.0) -> FloatArray:
    """Days of a patient, each a little like the one before; shifted from day 25 on."""
    random = np.random.default_rng(seed)
    noise, x = random.standard_normal(count), np.zeros(count)
    for day in range(1, count):
        x[day] = 0.3 * x[day - 1] + np.sqrt(1 - 0.3**2) * noise[day]
    x *= USUAL_SD_MG_DL
    x[25:] += shift_mg_dl
    return x


def test_a_patient_who_does_not_change_hardly_ever_rings() -> None:
    years = [alarm(days(BASELINE + 365, seed), BASELINE) for seed in range(80)]
    watched = sum(365 if one is None else one.day - BASELINE + 1 for one in years)
    rate = 365 * sum(one is not None for one in years) / watched
    assert 0.02 < rate < 0.6


def test_a_lower_limit_rings_far_more_often() -> None:
    """Planted: what the test above would see of an alarm that rings too soon."""
    low = [alarm(days(BASELINE + 365, seed), BASELINE, limit=3.0) for seed in range(40)]
    watched = sum(365 if one is None else one.day - BASELINE + 1 for one in low)
    assert 365 * sum(one is not None for one in low) / watched > 2.0


@pytest.mark.parametrize("shift", [-35.0, 35.0])
def test_a_change_is_noticed_within_days_and_its_way_named(shift: float) -> None:
    found = [alarm(days(45, seed, shift), BASELINE) for seed in range(30)]
    rung = [one for one in found if one is not None and one.day >= 25]
    assert len(rung) >= 27
    assert np.median([one.day - 24 for one in rung]) <= 8
    assert all(one.higher == (shift > 0) for one in rung)


def test_by_hand() -> None:
    """A baseline without spread has sd sqrt(4 * 144 / 17); x = 4.5 grows S by 3.5 a day."""
    sd = np.sqrt(4 * USUAL_SD_MG_DL**2 / 17)
    x = np.full(BASELINE + 5, 10.0)
    x[BASELINE:] += (ALLOWANCE + 3.5) * sd
    assert alarm(x, BASELINE) == Alarm(BASELINE + 2, higher=True) and LIMIT == 9.0
    assert alarm(20.0 - x, BASELINE) == Alarm(BASELINE + 2, higher=False)
    x[BASELINE + 1] = x[3] = np.nan
    assert alarm(x, BASELINE) is not None


def test_days_without_readings_are_passed_over() -> None:
    x = days(45, 4, 60.0)
    x[26] = np.nan
    late, soon = alarm(x, BASELINE), alarm(days(45, 4, 60.0), BASELINE)
    assert late is not None and soon is not None and late.day >= soon.day


def test_what_is_usual_for_this_patient_is_the_measure() -> None:
    x = days(45, 6, 40.0)
    assert alarm(x, BASELINE) == alarm(x + 80.0, BASELINE)
    restless = x.copy()
    restless[:25] *= 6.0
    assert alarm(x, BASELINE) is not None and alarm(restless[:40], BASELINE) is None


def test_too_few_days_are_no_baseline() -> None:
    x = days(30, 1)
    x[: BASELINE - 4] = np.nan
    with pytest.raises(DriftError, match="found 4 days"):
        alarm(x, BASELINE)


def test_words_say_which_way_and_what_to_do() -> None:
    assert "lower than" in Alarm(9, higher=False).words
    assert "higher than" in Alarm(9, higher=True).words
    assert "calibrate" in Alarm(9, higher=True).words


@pytest.fixture(scope="module")
def trace() -> Trace:
    return made_up_trace(1, days=6, doses=True)


@pytest.fixture(scope="module")
def twin(trace: Trace) -> Calibration:
    return calibrate([trace.rows(0, 3 * STEPS_PER_DAY)])[0]


def with_glucose(trace: Trace, glucose: FloatArray) -> Trace:
    return replace(trace, columns=dict(trace.columns) | {"glucose_mg_dl": glucose})


def test_a_sensor_that_reads_higher_is_off_by_as_much(trace: Trace, twin: Calibration) -> None:
    higher = trace["glucose_mg_dl"].copy()
    cut = int(np.flatnonzero(np.diff(trace.local_day))[2]) + 1
    higher[cut:] += 25.0
    usual, biased = (daily_off_mg_dl(one, twin) for one in (trace, with_glucose(trace, higher)))
    np.testing.assert_allclose(biased[:3], usual[:3])
    np.testing.assert_allclose((biased - usual)[3:], 25.0)


def test_days_of_which_nothing_is_known_say_nothing(trace: Trace, twin: Calibration) -> None:
    carbs = trace["carbs_g"].copy()
    day = trace.local_day == np.unique(trace.local_day)[2]
    carbs[day] = np.nan
    unlogged = replace(trace, columns=dict(trace.columns) | {"carbs_g": carbs})
    assert np.isnan(daily_off_mg_dl(unlogged, twin)[2])
    silent = with_glucose(trace, np.full(len(trace), np.nan))
    assert np.isnan(daily_off_mg_dl(silent, twin)).all()
