"""The alarm: quiet where nothing changes, soon where something does, plain about which way."""

import numpy as np
import pytest

from models.drift import (
    ALLOWANCE,
    BASELINE_DAYS,
    DAY_SD,
    LIMIT,
    Alarm,
    DriftError,
    alarm,
    daily_means,
)
from models.trace import FloatArray


def days(count: int, seed: int, shift_at: int | None = None, shift: float = 0.0) -> FloatArray:
    """Independent days of a patient, ln sensitivity."""
    x = DAY_SD * np.random.default_rng(seed).standard_normal(count)
    if shift_at is not None:
        x[shift_at:] += shift
    return x


def test_nothing_happens_in_a_month_without_change() -> None:
    rung = [alarm(days(30, seed)) for seed in range(60)]
    assert sum(one is not None for one in rung) <= 4


@pytest.mark.parametrize("shift", [-0.36, 0.36])
def test_a_third_more_or_less_is_noticed_and_named(shift: float) -> None:
    found = [alarm(days(30, seed, 15, shift)) for seed in range(20)]
    assert all(one is not None and one.day >= 15 for one in found)
    assert np.median([one.day - 14 for one in found if one]) <= 6
    assert all(one.more_sensitive == (shift > 0) for one in found if one)


def test_an_alarm_without_allowance_would_ring_at_nothing() -> None:
    """Planted: without the allowance a random walk passes any limit."""
    rung = [alarm(days(200, seed), allowance=0.0) for seed in range(20)]
    assert sum(one is not None for one in rung) >= 15


def test_a_lower_limit_rings_sooner_and_more_often() -> None:
    low = [alarm(days(100, seed), limit=2.0) for seed in range(40)]
    high = [alarm(days(100, seed), limit=LIMIT) for seed in range(40)]
    assert sum(one is not None for one in low) > sum(one is not None for one in high)


def test_by_hand() -> None:
    """Baseline 0; then x = 3.75 sds a day: S grows by 3 a day and passes 7 on the third."""
    x = np.zeros(BASELINE_DAYS + 5)
    x[BASELINE_DAYS:] = (ALLOWANCE + 3.0) * DAY_SD
    assert alarm(x, limit=7.0) == Alarm(BASELINE_DAYS + 2, more_sensitive=True)
    assert alarm(-x, limit=7.0) == Alarm(BASELINE_DAYS + 2, more_sensitive=False)


def test_the_first_week_is_what_a_patient_is_held_against() -> None:
    x = days(40, 3) + 0.5
    assert alarm(x) == alarm(x - 0.5)


def test_days_without_readings_are_passed_over() -> None:
    x = np.zeros(BASELINE_DAYS + 6)
    x[BASELINE_DAYS:] = (ALLOWANCE + 3.0) * DAY_SD
    x[BASELINE_DAYS + 1] = np.nan
    x[2] = np.nan
    assert alarm(x, limit=7.0) == Alarm(BASELINE_DAYS + 3, more_sensitive=True)


def test_a_week_of_nothing_cannot_be_a_baseline() -> None:
    x = np.zeros(20)
    x[:BASELINE_DAYS] = np.nan
    with pytest.raises(DriftError, match="no reading in the first 7 days"):
        alarm(x)


def test_words_say_which_way_and_what_to_do() -> None:
    assert "do less than" in Alarm(9, more_sensitive=False).words
    assert "do more than" in Alarm(9, more_sensitive=True).words
    assert "calibrate" in Alarm(9, more_sensitive=True).words


def test_daily_means_leave_out_what_is_unknown() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 5.0])
    day = np.array([4, 4, 4, 5, 5, 6])
    found = daily_means(values, day)
    assert found[0] == 2.0 and np.isnan(found[1]) and found[2] == 5.0
