import re
from datetime import UTC, datetime

import numpy as np
import pytest

from client.trial import Curves
from client.trial_page import MEASURE_NAMES, by_hour_svg, curves_svg
from models.outcome import MEASURES


def test_every_measure_has_a_name() -> None:
    assert set(MEASURE_NAMES) == set(MEASURES)


@pytest.mark.parametrize("hours", [24, 72])
def test_the_curves_have_a_band_and_words_for_a_screen_reader(hours: int) -> None:
    course = np.full(12 * hours, 140.0)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    svg = curves_svg(Curves(start, course, course - 5, course - 20, course + 9, course), "it falls")
    assert 'aria-label="it falls"' in svg
    assert "as recorded" in svg and "tried" in svg and "2024-03-01" in svg


def test_the_hours_are_told_in_words_too() -> None:
    svg = by_hour_svg((0.0, 0.0, -3.0, -12.4, 0.0, 0.0, 0.0, 0.0))
    label = re.search(r'aria-label="([^"]*)"', svg)
    assert label is not None and "9 to 12 h -12 mg/dL" in label[1]
