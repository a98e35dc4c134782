"""Sentences follow the result: every number in one is a number of the result, and plain to read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from client.trial_words import CATALOGUE, catalogue, sensitivity_ratio, sentences
from models.heads import BOOK_PRIOR, NAMES, physical
from models.mixed_meal import MealMake
from models.movement import Bout, Kind
from models.outcome import MEASURES
from models.scenario import (
    Daily,
    Eaten,
    Life,
    LongActingChange,
    Scaled,
    Scenario,
    Therapy,
)
from models.strain import Illness, Stretch

BASAL = Scenario("Ten per cent more basal", therapy=Therapy(basal=(Scaled(1.1),)))
EVERYTHING = Scenario(
    "Everything at once",
    therapy=Therapy(basal=(Scaled(0.9, Daily(22, 6)),), long_acting=LongActingChange(1.1)),
    life=Life(
        meals=(Eaten(MealMake(0, 60.0, 30.0, 30.0)),),
        exercise=(Bout(600, 30, Kind.INTERVAL, 55.0),),
        illness=(Illness(Stretch(0, 600), 38.5),),
    ),
)


def result(mean: float = -12.3, spread: float = 5.0, lows: float = 2.4) -> dict[str, Any]:
    """A trial's plain values with these changes of the mean and of the time below 70."""
    moved = {"mean": mean, "time_in_range": -mean / 3.0, "time_below_70": lows}
    return {
        "scenario": "Ten per cent more basal",
        "hours": 24,
        "days": 7,
        "draws": 32,
        "interval_pct": 80,
        "measures": {
            name: {
                "unit": unit,
                "before": 50.7,
                "after": 50.7 + moved.get(name, 0.0),
                "change": moved.get(name, 0.0),
                "low": moved.get(name, 0.0) - spread,
                "high": moved.get(name, 0.0) + spread,
            }
            for name, unit in MEASURES.items()
        },
        "helps_pct": 81.25,
        "more_lows_pct": 34.4,
        "own_events": 0,
        "drawn_from_habits": False,
        "by_hour": [
            {"from": 3 * n, "to": 3 * n + 3, "change_mg_dl": mean * (n == 4)} for n in range(8)
        ],
        "parameters": dict(zip(NAMES, physical(BOOK_PRIOR.mean).tolist(), strict=True))
        | {"SI": 1.31e-3, "meal_gain": 1.17},
    }


def numbers_of(plain: object) -> Iterator[float]:
    if isinstance(plain, Mapping):
        for value in plain.values():
            yield from numbers_of(value)
    elif isinstance(plain, list):
        for value in plain:
            yield from numbers_of(value)
    elif isinstance(plain, int | float):
        yield float(plain)


@pytest.mark.parametrize("scenario", [BASAL, EVERYTHING], ids=lambda one: one.name)
@pytest.mark.parametrize("mean", [-12.3, 7.8, 0.2])
def test_every_number_in_a_sentence_is_in_the_result(scenario: Scenario, mean: float) -> None:
    plain = result(mean)
    known = [*numbers_of(plain), sensitivity_ratio(plain["parameters"])]
    fixed = {"70", "180"}  # the bounds that the measures are named by
    for sentence in sentences(plain, scenario):
        for found in re.findall(r"[+-]?\d+(?:\.\d+)?", sentence):
            digits = len(found.partition(".")[2])
            assert found in fixed or any(
                abs(float(found) - value) <= 0.5 * 10**-digits + 1e-9 for value in known
            ), sentence


def test_the_reader_above_would_see_a_number_from_elsewhere() -> None:
    plain = result()
    assert not any(abs(99.9 - value) <= 0.05 for value in numbers_of(plain))


def test_what_changes_when_and_how_surely() -> None:
    told = " ".join(sentences(result(), BASAL))
    assert "mean glucose goes from 51 to 38 mg/dL" in told
    assert "It acts most from 12 to 15 o'clock: -12 mg/dL" in told
    assert "moves by -17.3 to -7.3 mg/dL" in told
    assert "falls in 81 % of them" in told
    assert "1.5 times as well" in told
    assert "Watch for lows" in told and "34 % of the twins" in told


def test_nothing_to_speak_of_is_said_so() -> None:
    told = sentences(result(mean=0.1, lows=0.0, spread=0.2), BASAL)
    assert "nothing to speak of changes" in told[0]
    assert not any("It acts most" in one for one in told)
    assert any("No change at all is among the likely answers" in one for one in told)
    assert not any("Watch for" in one for one in told)


def test_reasons_are_those_of_what_was_tried() -> None:
    told, plain = " ".join(sentences(result(), EVERYTHING)), " ".join(sentences(result(), BASAL))
    for reason in ("Fat slows", "Protein turns", "Muscles take up", "Sprints", "Stress, a short"):
        assert reason in told and reason not in plain
    assert "published groups" in told and "published groups" not in plain
    assert "builds up over days" in told


def _syllables(word: str) -> int:
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith("le") and groups > 1
    return max(groups - silent, 1)


def grade(text: str) -> float:
    """Reading grade of Kincaid et al. 1975: 0.39 words/sentence + 11.8 syllables/word - 15.59."""
    said = [one for one in re.split(r"[.!?:]\s", text + " ") if re.search(r"[a-z]", one)]
    words = [word for one in said for word in re.findall(r"[a-z']+", one.lower())]
    return 0.39 * len(words) / len(said) + 11.8 * sum(map(_syllables, words)) / len(words) - 15.59


@pytest.mark.parametrize("scenario", [BASAL, EVERYTHING], ids=lambda one: one.name)
@pytest.mark.parametrize("mean", [-12.3, 0.1])
def test_a_pupil_of_nine_grades_can_read_it(scenario: Scenario, mean: float) -> None:
    assert grade(" ".join(sentences(result(mean), scenario))) <= 9.0


def test_the_grade_knows_hard_words_from_easy_ones() -> None:
    hard = "Postprandial hyperglycaemia necessitates individualised pharmacological intervention."
    assert grade(hard) > 15.0 > grade("The cat sat on the mat. It was a red mat.")


def _keys(plain: Mapping[str, Any]) -> set[str]:
    return {
        f"{key}.{below}" if isinstance(value, Mapping) else key
        for key, value in plain.items()
        for below in (_keys(value) if isinstance(value, Mapping) else {""})
    }


def test_what_was_learned_at_home_is_no_longer_unknown() -> None:
    learned = sentences({**result(), "own_events": 14}, EVERYTHING)
    assert any("14 events" in one for one in learned)
    assert not any("is not known" in one for one in learned)
    assert any("is not known" in one for one in sentences(result(), EVERYTHING))


def test_drawn_days_are_not_called_recorded() -> None:
    drawn = sentences({**result(), "drawn_from_habits": True}, BASAL)
    assert "drawn from this person's habits" in drawn[0] and "recorded" not in drawn[0]
    assert "7 recorded stretches" in sentences(result(), BASAL)[0]


def test_every_language_has_every_sentence() -> None:
    languages = [path.stem for path in CATALOGUE.glob("*.yaml")]
    assert "en" in languages
    for language in languages:
        assert _keys(catalogue(language)) == _keys(catalogue("en"))
