"""Wall clocks against UTC, computed by hand at the hours that clocks skip and repeat."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.ingest.local_time import clock_changes, to_utc
from models.trace import IntArray

LONDON = "Europe/London"
FALL_BACK = "2023-10-29"
SPRING = "2024-03-31"


def wall(*texts: str) -> IntArray:
    return np.array([_s(text) for text in texts], dtype=np.int64)


def _s(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def utc(texts: list[str], zone: str = LONDON) -> list[str]:
    times = to_utc(wall(*texts), zone).utc_s
    return [datetime.fromtimestamp(int(s), UTC).strftime("%d %H:%M") for s in times]


def test_winter_and_summer_of_london() -> None:
    assert utc(["2024-01-10 12:00", "2024-07-10 12:00"]) == ["10 12:00", "10 11:00"]


def test_an_hour_that_occurs_twice_is_told_by_the_clock_stepping_back() -> None:
    texts = [f"{FALL_BACK} {hm}" for hm in ("00:55", "01:30", "01:55", "01:00", "01:30", "02:00")]
    assert utc(texts) == ["28 23:55", "29 00:30", "29 00:55", "29 01:00", "29 01:30", "29 02:00"]
    assert not to_utc(wall(*texts), LONDON).in_doubt.any()


def test_times_rise_through_the_repeated_hour() -> None:
    minutes = [*range(0, 120, 5), *range(60, 180, 5)]
    times = to_utc(_s(FALL_BACK) + 60 * np.array(minutes, dtype=np.int64), LONDON).utc_s
    assert np.all(np.diff(times) == 300)


def test_a_single_pass_that_adjoins_what_follows_is_the_second() -> None:
    texts = [f"{FALL_BACK} {hm}" for hm in ("00:02", "01:24", "01:39", "01:54", "02:09")]
    assert utc(texts)[1:4] == ["29 01:24", "29 01:39", "29 01:54"]


def test_a_single_pass_that_adjoins_what_went_before_is_the_first() -> None:
    texts = [f"{FALL_BACK} {hm}" for hm in ("00:54", "01:09", "01:24", "03:00")]
    assert utc(texts)[1:3] == ["29 00:09", "29 00:24"]


def test_a_single_pass_that_adjoins_both_sides_is_in_doubt() -> None:
    minutes = np.arange(30, 150, 5, dtype=np.int64)
    times = to_utc(_s(FALL_BACK) + 60 * minutes, LONDON)
    assert times.in_doubt.tolist() == [60 <= m < 120 for m in minutes]
    assert utc([f"{FALL_BACK} 00:55", f"{FALL_BACK} 01:05", f"{FALL_BACK} 02:05"])[1] == "29 00:05"


def test_an_event_alone_in_the_repeated_hour_is_put_in_the_first_pass() -> None:
    assert utc([f"{FALL_BACK} 01:30"]) == ["29 00:30"]


def test_a_skipped_hour_is_marked() -> None:
    texts = [f"{SPRING} {hm}" for hm in ("00:59", "01:00", "01:59", "02:00")]
    assert to_utc(wall(*texts), LONDON).skipped.tolist() == [False, True, True, False]
    assert utc([texts[0], texts[3]]) == ["31 00:59", "31 01:00"]


def test_a_zone_that_moves_by_half_an_hour() -> None:
    """Lord Howe Island set its clocks back from 02:00 to 01:30 on 7 April 2024."""
    texts = [f"2024-04-07 {hm}" for hm in ("01:20", "01:40", "01:50", "01:31", "01:50", "02:00")]
    assert utc(texts, "Australia/Lord_Howe") == [
        "06 14:20", "06 14:40", "06 14:50", "06 15:01", "06 15:20", "06 15:30",
    ]  # fmt: skip


def test_a_zone_without_summer_time_never_doubts() -> None:
    times = to_utc(_s("2023-10-01") + 3600 * np.arange(24 * 365, dtype=np.int64), "America/Phoenix")
    assert not times.skipped.any()
    assert not times.in_doubt.any()


def test_no_times_are_no_times() -> None:
    assert to_utc(wall(), LONDON).utc_s.tolist() == []


@pytest.mark.parametrize(
    ("first", "last", "changes"),
    [
        ("2024-01-01", "2024-03-30", 0),
        ("2024-01-01", "2024-04-02", 1),
        ("2023-01-01", "2024-12-31", 4),
    ],
)
def test_clock_changes_are_counted(first: str, last: str, changes: int) -> None:
    assert clock_changes(_s(first), _s(last), LONDON) == changes


def test_the_change_is_found_to_the_second() -> None:
    at = _s(f"{SPRING} 01:00")
    assert clock_changes(at - 86_400, at - 1, LONDON) == 0
    assert clock_changes(at - 86_400, at, LONDON) == 1


@given(
    minutes=st.integers(0, 3 * 365 * 24 * 60),
    zone=st.sampled_from([LONDON, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_a_unique_wall_time_goes_to_utc_and_back(minutes: int, zone: str) -> None:
    moment = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    local = moment.astimezone(ZoneInfo(zone))
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        times = to_utc(np.array([_s(local.replace(tzinfo=None).isoformat())]), zone)
        assert int(times.utc_s[0]) == int(moment.timestamp())
        assert not times.skipped[0]
