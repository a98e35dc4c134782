"""The profile of two weeks: percentiles of hand-made days, days at the clock's change, gaps."""

import numpy as np
import pytest

from models.ambulatory import PERCENTILES, ambulatory_profile, latest
from models.glycemia import GlycemiaError
from models.trace import STEPS_PER_DAY, FloatArray, Trace

MIDNIGHT_LONDON = 1_699_920_000  # 2023-11-14 00:00


def record(glucose: FloatArray, start: int = MIDNIGHT_LONDON, zone: str = "Europe/London") -> Trace:
    return Trace("P1", zone, 5, start, {"glucose_mg_dl": glucose})


def test_percentiles_of_days_that_differ_by_a_step() -> None:
    """Day k reads 100 + 10 k all day, so each hour's percentiles are those of 14 numbers."""
    levels = 100.0 + 10.0 * np.arange(14)
    profile = ambulatory_profile(record(np.repeat(levels, STEPS_PER_DAY)))
    wanted = np.percentile(np.repeat(levels, 13), PERCENTILES)
    noon = profile.percentiles_mg_dl[:, 48]
    assert profile.hour[48] == 12.0
    assert noon == pytest.approx(wanted)
    assert profile.is_enough and profile.active_pct == 100.0 and len(profile.days) == 14
    assert profile.summary.mean_mg_dl == pytest.approx(165.0)


def test_midnight_is_no_border() -> None:
    """Of the readings near midnight, as many are of the hour before as of the hour after."""
    hours = np.tile(np.arange(STEPS_PER_DAY) / 12.0, 3)
    profile = ambulatory_profile(record(np.where(hours >= 23.0, 200.0, 100.0)))
    low, _, middle, _, high = profile.percentiles_mg_dl[:, 0]
    assert (low, middle, high) == (100.0, 100.0, 200.0)


def test_only_the_latest_days_count_and_a_day_without_readings_is_none() -> None:
    glucose = np.concatenate(
        [np.full(6 * STEPS_PER_DAY, 300.0), np.full(14 * STEPS_PER_DAY, 120.0)]
    )
    glucose[-5 * STEPS_PER_DAY : -4 * STEPS_PER_DAY] = np.nan
    profile = ambulatory_profile(record(glucose))
    assert profile.summary.mean_mg_dl == 120.0
    assert len(profile.days) == 13 and not profile.is_enough
    assert profile.active_pct == pytest.approx(100.0 * 13 / 14)


def test_what_follows_the_last_reading_is_no_part_of_it() -> None:
    glucose = np.full(20 * STEPS_PER_DAY, 110.0)
    glucose[-10 * STEPS_PER_DAY :] = np.nan
    assert len(latest(record(glucose), 14)) == 10 * STEPS_PER_DAY


def test_an_hour_that_nobody_read_is_unknown() -> None:
    glucose = np.full(STEPS_PER_DAY, np.nan)
    glucose[:36] = 140.0
    profile = ambulatory_profile(record(glucose))
    assert np.isnan(profile.percentiles_mg_dl[:, 48]).all()
    assert profile.percentiles_mg_dl[2, 4] == 140.0


def test_a_day_of_25_hours_is_one_day() -> None:
    """Clocks in London went back on 2023-10-29."""
    start = 1_698_447_600  # 2023-10-28 00:00 local
    profile = ambulatory_profile(record(np.full(3 * STEPS_PER_DAY + 12, 100.0), start))
    assert [len(day.hour) for day in profile.days] == [288, 300, 288]


def test_a_sensor_of_15_minutes_is_whole_with_a_third_of_rows() -> None:
    glucose = np.full(14 * STEPS_PER_DAY, np.nan)
    glucose[::3] = 100.0
    trace = Trace("P1", "UTC", 15, MIDNIGHT_LONDON, {"glucose_mg_dl": glucose})
    assert ambulatory_profile(trace).active_pct == pytest.approx(100.0, abs=0.1)


def test_without_a_reading_there_is_no_profile() -> None:
    with pytest.raises(GlycemiaError, match="no reading of P1"):
        ambulatory_profile(record(np.full(10, np.nan)))
