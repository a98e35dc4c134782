"""What a quality card amounts to, in plain words: a light, and every reason for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from client.quality_card import Card, make_card
from models.calibration import NOT_IDENTIFIED
from models.heads import HeadPrior
from models.inputs import STATED_DEFAULT
from models.quality import Score
from models.trace import Trace
from study.failure import Failure

FEWEST_DAYS, A_WEEK = 3.0, 7.0
MOST_DAYS_WITHOUT_MEALS_PCT = 20.0
COVERAGE_PCT = (65.0, 95.0)
LEAST_WEIGHT = 0.5
FEWEST_COURSES = 3
DAY_MIN, HOURS_4_MIN = 24 * 60, 4 * 60

THRESHOLDS = (
    ("Stop: insulin or meals not on record", "then nothing in the record tells doses from noise"),
    (
        "Stop: as calibrated no better than the training days' mean over 24 h (4 h where fewer "
        f"than {FEWEST_COURSES} days could be judged)",
        "a twin that loses to a constant has not understood what doses and meals do",
    ),
    (
        f"Stop: calibrated on fewer than {FEWEST_DAYS:.0f} days",
        "a study, too, takes nobody with less; the prior then speaks more than the patient",
    ),
    (
        f"Care: calibrated on fewer than {A_WEEK:.0f} days",
        "a week holds both working days and a weekend",
    ),
    (
        f"Care: no meal logged on more than {MOST_DAYS_WITHOUT_MEALS_PCT:.0f} % of days",
        "what was eaten and not logged is taken for weak insulin",
    ),
    (
        f"Care: 80 % intervals hold fewer than {COVERAGE_PCT[0]:.0f} % or more than "
        f"{COVERAGE_PCT[1]:.0f} %",
        "75-85 % is asked of a population; 10 more to a side is one patient's luck",
    ),
    (
        f"Care: less than {LEAST_WEIGHT:g} of its course a day ahead is believed",
        "most of the swings it drew for days it had not seen did not come true",
    ),
    (
        "Care: a parameter at its bound or more than 3 prior sds away",
        "one patient in 370 is expected there by chance for each parameter: the model or the "
        "record is probably wrong",
    ),
    (
        "Care: long-acting insulin of unknown product",
        "half-lives run from 6 to 25 hours",
    ),
)
"""Every threshold with its reason, as the card prints them."""


class Light(IntEnum):
    """A verdict; its word is printed, never its colour alone."""

    GOOD = 0
    CARE = 1
    STOP = 2

    @property
    def words(self) -> str:
        """What a reader may do."""
        return (
            "Usable for research questions",
            "Use with care: read the warnings",
            "Do not use for what-if",
        )[self]


@dataclass(frozen=True)
class Finding:
    """One warning and how grave it is."""

    light: Light
    words: str


@dataclass(frozen=True)
class Judgement:
    """A twin's card, its light in lower case (or `unjudged`) and its warnings as sentences.

    The card's own twin sees the first days only.
    """

    card: Card | None
    verdict: str
    cautions: tuple[str, ...]


def judge(trace: Trace, prior: HeadPrior) -> Judgement:
    """What the quality card says of a record; `unjudged` where there can be none."""
    try:
        card = make_card(trace, prior)
    except Failure as failure:
        why = f"This twin could not be judged: {failure.found}"
        return Judgement(None, "unjudged", (why,))
    light = light_of(card)
    if light is Light.GOOD:
        return Judgement(card, "good", ())
    words = tuple(f"On the quality card: {one.words}" for one in findings(card))
    return Judgement(card, light.name.lower(), (f"{light.words}.", *words))


def findings(card: Card) -> tuple[Finding, ...]:
    """Every warning, the gravest first; empty for a twin without any."""
    return tuple(sorted((*_stops(card), *_cares(card)), key=lambda one: -one.light))


def light_of(card: Card) -> Light:
    """The gravest of the findings."""
    return max((one.light for one in findings(card)), default=Light.GOOD)


def decisive(card: Card) -> Score | None:
    """The score that decides: 24 h, or 4 h where fewer than 3 whole days could be judged."""
    by_horizon = {score.horizon_min: score for score in card.scores}
    day = by_horizon.get(DAY_MIN)
    if day is not None and day.origins >= FEWEST_COURSES:
        return day
    return by_horizon.get(HOURS_4_MIN)


def _stops(card: Card) -> Iterator[Finding]:
    if not card.calibration.identified:
        yield Finding(
            Light.STOP,
            "No insulin and meals on record. Do not use for what-if: what a change of insulin or "
            "food would do cannot be said, as every answer would be the population's. Only the "
            "level of glucose and how it wanders are this patient's.",
        )
    elif card.calibration.known_days < FEWEST_DAYS:
        yield Finding(
            Light.STOP,
            f"Calibrated on {card.calibration.known_days:.1f} days only. Do not use for what-if.",
        )
    score = decisive(card)
    if score is None:
        yield Finding(Light.STOP, "No forecast of 4 hours could be judged. Do not use for what-if.")
    elif card.calibration.identified and score.rmse_mg_dl["open_loop"] >= score.rmse_mg_dl["mean"]:
        yield Finding(
            Light.STOP,
            f"Over {score.horizon_min // 60} h the twin as calibrated misses by "
            f"{score.rmse_mg_dl['open_loop']:.0f} mg/dL, and the mean of earlier days by "
            f"{score.rmse_mg_dl['mean']:.0f}. Worse than the mean: do not use for what-if.",
        )


def _cares(card: Card) -> Iterator[Finding]:
    if FEWEST_DAYS <= card.calibration.known_days < A_WEEK:
        words = f"Calibrated on {card.calibration.known_days:.1f} days: few."
        yield Finding(Light.CARE, words)
    if card.meals_missing_pct > MOST_DAYS_WITHOUT_MEALS_PCT:
        yield Finding(Light.CARE, f"On {card.meals_missing_pct:.0f} % of days no meal was logged.")
    score = decisive(card)
    if score is not None and not COVERAGE_PCT[0] <= score.coverage_pct <= COVERAGE_PCT[1]:
        yield Finding(
            Light.CARE,
            f"Intervals that should hold 80 % of readings held {score.coverage_pct:.0f} % at "
            f"{score.horizon_min // 60} h.",
        )
    if card.calibration.identified and card.judged.weight < LEAST_WEIGHT:
        yield Finding(
            Light.CARE,
            f"Of the course it draws a day ahead {max(card.judged.weight, 0.0):.2f} is believed: "
            "days it had not seen did not follow it.",
        )
    for flag in card.calibration.flags:
        if flag != NOT_IDENTIFIED:
            yield Finding(Light.CARE, f"Parameter {flag}.")
    if card.product_assumed:
        named = card.long_acting_product
        told = "of no stated product" if named is None else f"of unknown product {named!r}"
        yield Finding(
            Light.CARE,
            f"Long-acting insulin {told}: taken for glargine U100 "
            f"(half-life {STATED_DEFAULT.half_life_h:g} h).",
        )
