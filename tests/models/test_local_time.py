"""Wall-clock time of rows, over the nights on which clocks change."""

import numpy as np
import pytest

from models.trace import STEP_S, Trace

SPRING_UTC_S, AUTUMN_UTC_S = 1_711_846_800, 1_729_990_800
"""31 March and 27 October 2024, 01:00 UTC: clocks of London and Amsterdam change."""


def trace(zone: str, start_utc_s: int, rows: int = 24) -> Trace:
    return Trace("p", zone, 5, start_utc_s, {"glucose_mg_dl": np.full(rows, 100.0)})


@pytest.mark.parametrize(
    ("zone", "change_utc_s", "before", "after"),
    [
        ("Europe/London", SPRING_UTC_S, 0.0, 2.0),
        ("Europe/London", AUTUMN_UTC_S, 1.0, 1.0),
        ("Europe/Amsterdam", AUTUMN_UTC_S, 2.0, 2.0),
        ("UTC", AUTUMN_UTC_S, 0.0, 1.0),
    ],
)
def test_the_clock_changes_where_it_does(
    zone: str, change_utc_s: int, before: float, after: float
) -> None:
    hour = trace(zone, change_utc_s - 12 * STEP_S).local_hour
    assert hour[[0, 12]].tolist() == [before, after]
    assert np.allclose(np.diff(hour)[[*range(11), *range(12, 23)]], 1.0 / 12.0)


def test_a_start_off_the_quarter_and_an_empty_record() -> None:
    one = trace("Asia/Kathmandu", AUTUMN_UTC_S + STEP_S, 4)
    assert (one.local_s - one.utc_s).tolist() == [20_700] * 4
    assert len(trace("Europe/London", 0, 0).local_hour) == 0


def test_what_one_reader_changes_another_does_not_see() -> None:
    one = trace("Europe/London", AUTUMN_UTC_S)
    first = one.local_s
    first += 7
    assert np.array_equal(one.local_s, first - 7)
