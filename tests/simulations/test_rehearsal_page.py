"""What a rehearsal says: in words that follow from its figures, on a page that opens anywhere."""

import json
import re

import pytest

from simulations.rehearsal import Rehearsal
from simulations.rehearsal_page import as_dict, markup
from study.protocol import parse_protocol
from tests.simulations.rehearsed import ERRORS, PROTOCOL, record, rehearsal, scaled

pytestmark = pytest.mark.slow


@pytest.fixture
def good() -> Rehearsal:
    return rehearsal([record(scaled(each)) for each in (0.97, 0.97, 0.971)])


@pytest.fixture
def bad() -> Rehearsal:
    return rehearsal([record(scaled(each)) for each in (1.03, 1.031, 1.03)])


def test_everything_is_plain(good: Rehearsal) -> None:
    told = json.loads(json.dumps(as_dict(good), allow_nan=False))
    assert told["protocol_sha256"] == PROTOCOL.digest()
    assert told["virtual_people"]["replaced"] == ["harbour", "headland"]
    assert told["privacy"]["epsilon"] == pytest.approx(8.0)
    assert set(told["megabytes"]) == {"harbour", "lagoon"}
    assert 0.0 < told["megabytes"]["harbour"]["up"] < told["megabytes"]["harbour"]["down"] < 0.1


def test_a_study_that_is_worth_it(good: Rehearsal) -> None:
    told = as_dict(good)
    assert told["worth_it"] == "yes"
    assert told["headline"].startswith("Worth asking for: patients who take part, new patients")
    assert re.search(
        r"Patients who take part err 3\.9 % less than with .* 0\.1: at", told["reasons"][0]
    )
    assert "ask them" in told["advice"][0]


def test_a_study_that_serves_only_others_says_so() -> None:
    """0.5 % for those who take part, beside 3 % for a clinic that does not."""
    told = as_dict(rehearsal([record(scaled(each)) for each in (1.005, 1.0051, 1.005)]))
    assert [one["answer"] for one in told["gains"]] == ["no", "no", "yes"]
    assert told["headline"].endswith("a clinic that takes no part and tunes nothing gain.")
    assert "do not surely gain" in told["advice"][1]


def test_a_study_that_is_not_is_advised_against(bad: Rehearsal) -> None:
    told = as_dict(bad)
    assert told["worth_it"] == "no" and "advised against" in told["headline"]
    assert "err 2.0 % MORE than with" in told["reasons"][0]
    assert "Do not ask hospitals" in told["advice"][0]
    assert told["losers"] == {"harbour": 3, "lagoon": 3}


def test_one_repeat_cannot_tell() -> None:
    told = as_dict(rehearsal([record(scaled(0.5))]))
    assert told["worth_it"] == "open" and "with unknown doubt" in told["reasons"][0]
    assert any("One repeat" in one for one in told["advice"])
    assert told["gains"][0]["gain_pct"]["half_width"] is None


def test_what_is_enough_is_the_readers_choice(good: Rehearsal) -> None:
    assert as_dict(good, least_pct=10.0)["worth_it"] == "no"


def test_it_always_says_that_virtual_people_flatter(good: Rehearsal, bad: Rehearsal) -> None:
    for one in (good, bad):
        assert any("21 real people" in said for said in as_dict(one)["advice"])


def test_a_prior_is_for_something_else() -> None:
    text = PROTOCOL.canonical().replace("kind: adapter", "kind: prior")
    text = text.replace("dimension: 16", "dimension: 18")
    of_prior = Rehearsal(parse_protocol(text), rehearsal([]).stand_ins, (), (record(ERRORS),))
    assert any("simulate prior" in one for one in as_dict(of_prior)["advice"])


def test_the_page_holds_the_figures_and_needs_no_network(good: Rehearsal) -> None:
    page = markup(good)
    told = as_dict(good)
    for reason in (*told["reasons"], *told["advice"]):
        assert reason.replace("'", "&#39;") in page
    assert "3.9<small>± 0.1</small>" in page
    assert "Research software, not for treatment" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_the_page_of_one_repeat_shows_that_doubt_is_unknown() -> None:
    assert "±?" in markup(rehearsal([record(ERRORS)]))
