"""The answer as a page: both curves, the same numbers as in the words, nothing loaded."""

import re
from dataclasses import replace

import numpy as np
import pytest

from client.twin_page import answer_page, answer_rows, curves
from client.twin_question import Answer, Question, ask, below_70_pct, in_words
from models.whatif import Regimen
from tests.client.recorded_person import recorded_person

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def answer() -> Answer:
    return ask(recorded_person(), Question(Regimen(basal_scale=1.1)))


def line(svg: str, colour: str) -> list[float]:
    """Heights of the longest stroke of that colour, downwards, in points."""
    paths = re.findall(rf'<path d="([^"]*)"[^>]*stroke: {colour}', svg)
    longest = max(paths, key=len)
    return [float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", longest)]


def test_the_rows_are_those_of_the_comparison(answer: Answer) -> None:
    rows = {label: (before, after) for label, before, after in answer_rows(answer)}
    a, b = answer.comparison.a, answer.comparison.b
    assert rows["Mean glucose, mg/dL"] == (a.mean_mg_dl, b.mean_mg_dl)
    assert rows["Time in 70-180 mg/dL, %"] == (a.in_range_pct, b.in_range_pct)
    assert rows["Time below 70 mg/dL, %"] == (below_70_pct(a), below_70_pct(b))


def test_both_curves_are_drawn_and_more_insulin_lies_lower(answer: Answer) -> None:
    svg = curves(answer)
    recorded, changed = line(svg, "#33424f"), line(svg, "#0b7a75")
    assert len(recorded) > 50 and len(changed) > 50
    # Heights are counted from the top, so that a lower curve has greater ones.
    assert np.mean(changed) > np.mean(recorded)
    for word in ("as recorded", "with the change", "sensor", "local time", "mg/dL"):
        assert word in svg


def test_the_page_says_in_words_and_numbers_what_differs(answer: Answer) -> None:
    page = answer_page(answer)
    words = in_words(answer).replace("'", "&#39;")
    assert f"<h1>{words}</h1>" in page
    a, b = answer.comparison.a.mean_mg_dl, answer.comparison.b.mean_mg_dl
    assert f"<td>{a:.1f}</td><td>{b:.1f}</td><td>−{a - b:.1f}</td>" in page
    assert "Research software, not for treatment" in page
    assert "rests on 6 days with insulin and meals" in page


def test_cautions_are_on_the_page(answer: Answer) -> None:
    doubtful = replace(answer.calibration, flags=("SI at its bound 0.02 L/mU/min",))
    page = answer_page(replace(answer, calibration=doubtful))
    assert "Caution: SI at its bound 0.02 L/mU/min." in page
    assert "Caution" not in answer_page(replace(answer, cautions=()))


def test_what_the_quality_card_warns_of_is_on_the_page_and_escaped(answer: Answer) -> None:
    """Planted: a product's name from a clinic's files, which reaches the page in a warning."""
    page = answer_page(replace(answer, cautions=("On the quality card: <script>.",)))
    assert "Caution: On the quality card: &lt;script&gt;." in page
    assert "<script" not in page


def test_the_page_loads_nothing_and_cannot_be_written_into(answer: Answer) -> None:
    page = answer_page(replace(answer, patient="<script>x</script>"))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r"https?:|@import|url\((?!#)|src=", page)


def test_equal_answers_have_equal_pages(answer: Answer) -> None:
    assert answer_page(answer) == answer_page(answer)
