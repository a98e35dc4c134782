"""Plots of a card: what they show is what was measured, and they say it to a screen reader too."""

import re
from dataclasses import replace

import numpy as np
import pytest

from client.quality_card import make_card
from client.quality_plots import (
    COURSES,
    LINES,
    bias_plot,
    course_starts,
    courses_plot,
    error_plot,
)
from models.trace import STEPS_PER_DAY
from tests.client.judged_person import good_card, sensor_alone

pytestmark = pytest.mark.slow


def label_of(svg: str) -> str:
    found = re.search(r'aria-label="([^"]*)"', svg)
    assert found is not None
    return found[1]


def test_errors_are_told_by_horizon_and_model() -> None:
    svg, card = error_plot(good_card()), good_card()
    label = label_of(svg)
    for score in card.scores:
        assert f"twin {score.rmse_mg_dl['twin']:.0f}" in label
        assert f"mean {score.rmse_mg_dl['mean']:.0f}" in label
    for model in LINES:
        assert model in svg


def test_lines_differ_in_dash_and_mark_and_not_in_colour_alone() -> None:
    assert len({dashes for _, dashes, _ in LINES.values()}) == len(LINES)
    assert len({marker for _, _, marker in LINES.values()}) == len(LINES)
    assert "stroke-dasharray" in error_plot(good_card())


def test_a_worse_twin_is_drawn_higher() -> None:
    """Heights count from the top: a line with greater errors has smaller ones."""
    worse = tuple(
        replace(score, rmse_mg_dl={**score.rmse_mg_dl, "twin": score.rmse_mg_dl["mean"]})
        for score in good_card().scores
    )
    heights = []
    for card in (good_card(), replace(good_card(), scores=worse)):
        strokes = re.findall(r'<path d="([^"]*)"[^>]*stroke: #0b7a75', error_plot(card))
        longest = max(strokes, key=len)
        heights.append(np.mean([float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", longest)]))
    assert heights[1] < heights[0]


def test_courses_begin_at_midnights_before_whole_known_days() -> None:
    replay = good_card().judged.replay
    starts = course_starts(replay)
    assert starts == [0, STEPS_PER_DAY, 2 * STEPS_PER_DAY]
    assert len(starts) == COURSES
    usable = replay.usable.copy()
    usable[STEPS_PER_DAY + 40] = False
    assert course_starts(replace(replay, usable=usable)) == [0, 2 * STEPS_PER_DAY]


def test_courses_are_drawn_with_their_interval() -> None:
    svg = courses_plot(good_card())
    assert "twin, 80 % interval" in svg and "sensor" in svg
    assert "3 held-out days" in label_of(svg)


def test_no_day_to_draw_is_an_empty_plot_and_not_a_failure() -> None:
    judged = good_card().judged
    nothing = replace(judged.replay, usable=np.zeros_like(judged.replay.usable))
    card = replace(good_card(), judged=replace(judged, replay=nothing))
    assert "0 held-out days" in label_of(courses_plot(card))


def test_bias_says_its_reach_and_survives_unknown_hours() -> None:
    left = replace(good_card().residuals, bias_by_hour_mg_dl=np.linspace(-12.0, 34.0, 24))
    label = label_of(bias_plot(replace(good_card(), residuals=left)))
    assert "from -12 to +34 mg/dL" in label
    nothing = replace(left, bias_by_hour_mg_dl=np.full(24, np.nan))
    assert "No hour could be judged" in bias_plot(replace(good_card(), residuals=nothing))


def test_a_sensor_alone_is_drawn_too() -> None:
    card = make_card(sensor_alone())
    assert all("<svg" in plot(card) for plot in (error_plot, courses_plot, bias_plot))


def test_equal_cards_give_equal_bytes() -> None:
    assert error_plot(good_card()) == error_plot(good_card())
    assert courses_plot(good_card()) == courses_plot(good_card())


def test_ids_of_three_plots_on_a_page_do_not_clash() -> None:
    ids = [
        name
        for plot in (error_plot, courses_plot, bias_plot)
        for name in re.findall(r' id="([^"]+)"', plot(good_card()))
    ]
    assert ids and len(ids) == len(set(ids))
