"""Marks stand where their numbers are, and scales hold all of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dashboard_plots import LEFT, MARKS, RIGHT, _Scale, panels
from server.run_record import RunRecord
from server.score_book import ScoreBook


@pytest.fixture
def book(full_record: RunRecord) -> ScoreBook:
    return ScoreBook.of(full_record)


def test_every_score_that_is_drawn_stands_at_its_value(book: ScoreBook) -> None:
    """A straight line through two ticks gives every mark's place from its error."""
    for panel in panels(book, "same_patients"):
        first, last = panel.ticks[0], panel.ticks[-1]
        per_mg_dl = (last.x - first.x) / (float(last.label) - float(first.label))
        for row in panel.rows:
            assert {dot.model for dot in row.dots} == set(MARKS)
            for dot in row.dots:
                expected = first.x + (dot.rmse_mg_dl - float(first.label)) * per_mg_dl
                assert dot.x == pytest.approx(expected, abs=0.02)


def test_rows_are_the_clinics_and_everybody(book: ScoreBook) -> None:
    (first, *_) = panels(book, "same_patients")
    labels = [row.label for row in first.rows]
    assert labels == ["manchester-5min", "manchester-15min", "madrid", "all people"]
    assert len({row.y for row in first.rows}) == 4
    assert first.rows[-1].y < first.height
    assert "30 minutes" in first.spoken and "madrid" in first.spoken


def test_one_clinic_alone(book: ScoreBook) -> None:
    drawn = panels(book, "same_patients", ["madrid"])
    assert [panel.horizon_min for panel in drawn] == [30, 60, 120]
    assert [[row.label for row in panel.rows] for panel in drawn] == [["madrid"]] * 3


def test_a_cohort_without_scores_has_no_panel(thin_record: RunRecord) -> None:
    assert panels(ScoreBook.of(thin_record), "new_clinic") == ()
    assert panels(ScoreBook.of(thin_record), "same_patients", ["nobody"]) == ()


def test_a_long_name_is_cut_and_says_so(full_record: RunRecord) -> None:
    text = full_record.model_dump_json().replace("manchester-15min", "manchester-fifteen-minutes")
    (first, *_) = panels(ScoreBook.of(RunRecord.model_validate_json(text)), "same_patients")
    assert first.rows[1].label == "manchester-fift…"


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8))
def test_any_errors_stand_on_the_scale(values: list[float]) -> None:
    scale = _Scale.over(values)
    assert all(LEFT - 0.01 <= scale.x(value) <= RIGHT + 0.01 for value in values)
    assert 2 <= len(scale.ticks()) <= 7
    step = math.log10(scale.step)
    assert round(10 ** (step - math.floor(step + 1e-9)), 6) in (1.0, 2.0, 5.0)
