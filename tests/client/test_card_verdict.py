"""Verdicts: each warning where it belongs, none where it does not, the gravest deciding."""

from dataclasses import replace

import pytest

from client.card_verdict import THRESHOLDS, Light, decisive, findings, light_of
from client.quality_card import Card, make_card
from models.quality import HeldOut, Score
from tests.client.judged_person import good_card, sensor_alone, shuffled

pytestmark = pytest.mark.slow


def score(horizon: int, twin: float, mean: float, held: float = 80.0, origins: int = 5) -> Score:
    rmse = {"twin": 0.9 * mean, "open_loop": twin, "persistence": 99.0, "mean": mean}
    return Score(horizon, origins, 1000, rmse, rmse, held)


def good() -> Card:
    """The card of a right twin, with scores in the middle of what is asked."""
    calibration = replace(good_card().calibration, flags=())
    judged = believed(good_card().judged, 0.9)
    scores = (score(240, 20.0, 40.0), score(1440, 25.0, 40.0))
    return replace(good_card(), calibration=calibration, judged=judged, scores=scores)


def believed(judged: HeldOut, weight: float) -> HeldOut:
    weights = judged.statistics.weights.copy()
    weights[-1, 0] = weight
    return replace(judged, statistics=replace(judged.statistics, weights=weights))


def words(card: Card) -> str:
    return " ".join(one.words for one in findings(card))


def test_a_good_twin_has_no_warnings() -> None:
    assert findings(good()) == ()
    assert light_of(good()) is Light.GOOD


def test_the_right_twin_of_a_made_up_person_is_not_stopped() -> None:
    assert light_of(good_card()) < Light.STOP


def test_a_twin_worse_than_the_mean_is_stopped() -> None:
    card = replace(good(), scores=(score(240, 20.0, 40.0), score(1440, 41.0, 40.0)))
    assert light_of(card) is Light.STOP
    assert "Worse than the mean: do not use for what-if" in words(card)


def test_a_twin_of_readings_that_belong_to_other_days_is_stopped() -> None:
    """Planted: doses and meals that have nothing to do with the glucose."""
    card = make_card(shuffled())
    assert light_of(card) is Light.STOP
    assert "Worse than the mean" in words(card)
    assert card.judged.weight < 0.5
    (day,) = (one for one in card.scores if one.horizon_min == 1440)
    assert day.rmse_mg_dl["twin"] < day.rmse_mg_dl["mean"], "forecasts alone would not show it"


def test_a_sensor_alone_is_stopped_and_told_what_cannot_be_said() -> None:
    card = make_card(sensor_alone())
    assert light_of(card) is Light.STOP
    assert "what a change of insulin or food would do cannot be said" in words(card)
    assert "Worse than the mean" not in words(card)


@pytest.mark.parametrize(
    ("weight", "light"),
    [(1.1, Light.GOOD), (0.5, Light.GOOD), (0.4, Light.CARE), (-0.1, Light.CARE)],
)
def test_a_twin_that_days_do_not_follow_is_warned_of(weight: float, light: Light) -> None:
    card = replace(good(), judged=believed(good().judged, weight))
    assert light_of(card) is light
    assert (f"a day ahead {max(weight, 0.0):.2f} is believed" in words(card)) is (light > 0)


@pytest.mark.parametrize(
    ("days", "light", "said"),
    [
        (2.9, Light.STOP, "2.9 days only"),
        (3.0, Light.CARE, "3.0 days: few"),
        (6.9, Light.CARE, "6.9 days: few"),
        (7.0, Light.GOOD, ""),
    ],
)
def test_few_days_are_warned_of(days: float, light: Light, said: str) -> None:
    card = replace(good(), calibration=replace(good().calibration, known_days=days))
    assert light_of(card) is light
    assert said in words(card)


@pytest.mark.parametrize(
    ("missing", "light"), [(0.0, Light.GOOD), (20.0, Light.GOOD), (20.1, Light.CARE)]
)
def test_days_without_meals_are_warned_of(missing: float, light: Light) -> None:
    assert light_of(replace(good(), meals_missing_pct=missing)) is light


@pytest.mark.parametrize(
    ("held", "light"),
    [(64.9, Light.CARE), (65.0, Light.GOOD), (95.0, Light.GOOD), (95.1, Light.CARE)],
)
def test_intervals_that_do_not_hold_are_warned_of(held: float, light: Light) -> None:
    card = replace(good(), scores=(score(1440, 20.0, 40.0, held),))
    assert light_of(card) is light


def test_every_flag_is_a_warning() -> None:
    """Planted: a verdict that looked at the first flag alone would hide the second."""
    flags = ("kempt at its bound 1 1/min", "Gb +3.4 prior sds from its mean")
    card = replace(good(), calibration=replace(good().calibration, flags=flags))
    assert light_of(card) is Light.CARE
    assert [one.words for one in findings(card)] == [f"Parameter {flag}." for flag in flags]


@pytest.mark.parametrize(("product", "said"), [(None, "no stated"), ("Brand X", "'Brand X'")])
def test_an_assumed_product_is_warned_of(product: str | None, said: str) -> None:
    card = replace(good(), product_assumed=True, long_acting_product=product)
    assert light_of(card) is Light.CARE
    assert said in words(card) and "half-life 12.5 h" in words(card)


def test_the_gravest_comes_first() -> None:
    card = replace(good(), meals_missing_pct=50.0, scores=(score(1440, 50.0, 40.0),))
    lights = [one.light for one in findings(card)]
    assert lights == [Light.STOP, Light.CARE]


def test_24_hours_decide_where_three_days_could_be_judged() -> None:
    four, day = score(240, 20.0, 40.0), score(1440, 30.0, 40.0, origins=3)
    assert decisive(replace(good(), scores=(four, day))) is day
    assert decisive(replace(good(), scores=(four, replace(day, origins=2)))) is four
    assert decisive(replace(good(), scores=(four,))) is four


def test_nothing_judged_is_stopped_and_not_passed() -> None:
    card = replace(good(), scores=())
    assert light_of(card) is Light.STOP
    assert "No forecast of 4 hours could be judged" in words(card)


def test_every_threshold_has_a_reason() -> None:
    assert len(THRESHOLDS) == 9
    assert all(rule.startswith(("Stop: ", "Care: ")) and len(why) > 20 for rule, why in THRESHOLDS)
