"""The card as a page and as JSON: whole, escaped, readable without colour, nothing loaded."""

import json
import math
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from client.card_verdict import THRESHOLDS, Light, decisive, findings
from client.quality_card import Card, ParameterRow, make_card
from client.quality_page import (
    NOTICE,
    card_as_dict,
    card_page,
    horizon_words,
    mark_of,
    overview_page,
    overview_row,
)
from models.heads import NAMES
from tests.client.judged_person import good_card, sensor_alone

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Every tag with its attributes, and what was left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> str:
    return card_page(good_card())


def text_of(page: str) -> str:
    without = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", without).split()))


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    tags = Tags(page).tags
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    assert "http://" not in page and "https://" not in page
    assert "default-src 'none'" in page


def test_names_are_escaped_everywhere() -> None:
    """Planted in every place that a clinic's files can reach: the patient and the product."""
    card = replace(good_card(), patient=HOSTILE, long_acting_product=HOSTILE, product_assumed=True)
    for page in (card_page(card), overview_page([(HOSTILE, card, "card-001.html")])):
        assert "<script" not in page
        assert "&lt;script&gt;" in page
    assert "<script" not in overview_page([(HOSTILE, f"no {HOSTILE}", "")])


def test_it_says_what_it_is_for_twice(page: str) -> None:
    assert NOTICE == "Research software, not for treatment"
    assert page.count(NOTICE) == 2


def test_everything_designed_is_on_the_page(page: str) -> None:
    text = text_of(page)
    for heading in (
        "Warnings",
        "Forecasts of days not seen",
        "What a change of treatment would be off by",
        "Parameters",
        "What is left over",
        "How the verdict comes about",
    ):
        assert heading in text
    for score in good_card().scores:
        assert horizon_words(score) in text
        assert f"{score.rmse_mg_dl['twin']:.1f}" in text
        assert f"{score.coverage_pct:.0f} %" in text
    assert all(rule in text for rule, _ in THRESHOLDS)
    assert page.count("<svg") == 3


def test_every_parameter_and_every_flag_is_on_the_page() -> None:
    """Planted: nineteen flags; a table that showed the first few would hide the others."""
    flags = tuple(f"{name} at its bound 1 -" for name in NAMES)
    rows = tuple(replace(row, flags=(f"{row.name} at its bound 1 -",)) for row in params())
    calibration = replace(good_card().calibration, flags=flags)
    text = text_of(card_page(replace(good_card(), parameters=rows, calibration=calibration)))
    for flag in flags:
        assert text.count(flag) == 2  # In the table and among the warnings.


def params() -> tuple[ParameterRow, ...]:
    return good_card().parameters


@pytest.mark.parametrize("light", list(Light))
def test_a_verdict_is_words_and_a_shape_and_not_a_colour_alone(light: Light) -> None:
    assert len({mark_of(one) for one in Light}) == 3
    assert len({one.words for one in Light}) == 3
    card = {Light.GOOD: good(), Light.CARE: cared(), Light.STOP: make_card(sensor_alone())}[light]
    heading = re.search(r"<h1.*?</h1>", card_page(card), flags=re.DOTALL)
    assert heading is not None
    assert light.words in heading[0] and mark_of(light) in heading[0]


def good() -> Card:
    scores = tuple(replace(score, coverage_pct=80.0) for score in good_card().scores)
    return replace(good_card(), scores=scores)


def cared() -> Card:
    return replace(good(), meals_missing_pct=50.0)


def test_what_is_unknown_is_a_dash_and_null() -> None:
    left = replace(
        good_card().residuals,
        innovations_autocorrelation=float("nan"),
        bias_by_hour_mg_dl=np.full(24, np.nan),
    )
    card = replace(good_card(), residuals=left)
    assert not re.search(r">\s*nan\s*<", card_page(card))
    plain = card_as_dict(card)
    text = json.dumps(plain, allow_nan=False)
    assert '"innovations_autocorrelation": null' in text


def test_the_json_has_the_documented_keys() -> None:
    plain = card_as_dict(good_card())
    assert set(plain) == {
        *("patient", "notice", "verdict", "verdict_words", "warnings", "days", "judged_days"),
        *("calibrated_on_days", "calibrated_on_readings", "held_out_from", "identified"),
        *("days_without_meals_pct", "long_acting_product", "draws", "interval_pct", "scores"),
        "weight_a_day_ahead",
        *("residuals", "parameters", "flags", "effects", "effect_teachers"),
    }
    assert plain["draws"] == 100 and plain["interval_pct"] == 80.0
    back = json.loads(json.dumps(plain, allow_nan=False))
    assert [row["name"] for row in back["parameters"]] == list(NAMES)
    assert set(back["scores"][0]["rmse_mg_dl"]) == {"twin", "open_loop", "persistence", "mean"}
    low, high = (back["effects"][0]["estimate"][end] for end in ("low_mg_dl", "high_mg_dl"))
    assert math.isfinite(low) and low < high
    assert len(back["warnings"]) == len(findings(good_card()))


def test_the_overview_has_everybody_and_why_somebody_has_no_card() -> None:
    entries: list[tuple[str, Card | str, str]] = [
        ("a", good_card(), "card-001.html"),
        ("b", make_card(sensor_alone()), "card-002.html"),
        ("c", "c has 1 days", ""),
    ]
    page = overview_page(entries)
    assert 'href="card-001.html"' in page and 'href="card-002.html"' in page
    assert page.count("<tr>") == 4
    text = text_of(page)
    assert page.count('class="words"') == 2 + 2 * 3
    assert "No card: c has 1 days" in text and Light.STOP.words in text
    assert NOTICE in text


def test_a_row_of_the_overview_carries_what_decided() -> None:
    row = overview_row("a", cared())
    assert row[:2] == ("a", Light.CARE.words)
    assert row[-1].startswith("1: On 50 % of days no meal")
    decided = decisive(cared())
    assert decided is not None and len(row) == 9
    assert row[5] == f"{decided.rmse_mg_dl['open_loop']:.0f}"
    assert row[6] == f"{decided.rmse_mg_dl['mean']:.0f}"
    assert overview_row("a", replace(cared(), scores=()))[3:8] == ("-",) * 5
