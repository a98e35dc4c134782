"""Where marks stand, by hand: edges of the frame, gaps, what is off the scale."""

import numpy as np
import pytest

from client.studio_plots import Bar, Frame, day_frame, day_line, profile_chart
from models.ambulatory import Day, ambulatory_profile
from models.glycemia import glycemia
from models.trace import STEPS_PER_DAY, Trace

FRAME = Frame(24.0)


def test_corners_of_the_frame() -> None:
    ends = np.array([0.0, 24.0])
    assert FRAME.x(ends).tolist() == [FRAME.left, FRAME.right]
    assert FRAME.y(np.array([40.0, 300.0])).tolist() == [FRAME.bottom, FRAME.top]
    assert FRAME.y(np.array([20.0, 500.0])).tolist() == [FRAME.bottom, FRAME.top]


def test_a_line_is_broken_where_nothing_was_read() -> None:
    path = FRAME.line(np.arange(4.0), np.array([170.0, np.nan, 170.0, 170.0]))
    assert path == "M54.0 140.0M115.5 140.0L146.2 140.0"


def test_a_band_goes_along_its_top_and_back_along_its_bottom() -> None:
    path = FRAME.band(np.array([0.0, 24.0]), np.full(2, 40.0), np.full(2, 300.0))
    assert path == "M54.0 10.0L792.0 10.0L792.0 270.0L54.0 270.0Z"
    assert FRAME.band(np.arange(2.0), np.full(2, np.nan), np.full(2, np.nan)) == ""


@pytest.mark.parametrize(("hours", "count"), [(24.0, 9), (48.0, 9), (72.0, 13)])
def test_hours_are_marked_as_often_as_there_is_room(hours: float, count: int) -> None:
    marks = Frame(hours).hour_marks
    assert len(marks) == count and marks[0].label == marks[-1].label == "00:00"


def test_a_bar_is_as_long_as_its_share_of_the_scale() -> None:
    bar = Bar("below", 2.0, 5.0, 0.0, 12.0, full=10.0)
    assert [bar.width(one) for one in (2.0, 5.0, 12.0, -1.0)] == [20.0, 50.0, 100.0, 0.0]


def test_a_day_is_broken_where_the_sensor_missed_two_readings() -> None:
    hour = np.array([0.0, 5.0, 10.0, 30.0, 35.0]) / 60.0
    day = Day(0, hour, np.full(5, 100.0), glycemia(np.full(5, 100.0)))
    assert day_line(day_frame(), day, 5).count("M") == 2
    assert day_line(day_frame(), day, 15).count("M") == 1


def test_a_profile_ends_at_midnight_as_it_began() -> None:
    rng = np.random.default_rng(0)
    glucose = rng.normal(150.0, 30.0, 14 * STEPS_PER_DAY)
    chart = profile_chart(ambulatory_profile(Trace("P", "UTC", 5, 0, {"glucose_mg_dl": glucose})))
    heights = [point.split()[1] for point in chart.median[1:].split("L")]
    assert len(heights) == 97 and heights[0] == heights[-1]
    assert chart.rows[0][1:] == chart.rows[-1][1:]
    assert [row[0] for row in chart.rows][:2] == ["00:00", "02:00"]
