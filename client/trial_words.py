"""What a trial found, in plain sentences: each from the result's own numbers, by a template.

The sentences stand in `client/catalogue/`, one file a language; this module chooses among them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from models.heads import BOOK_PRIOR, NAMES, physical
from models.movement import Kind
from models.scenario import Life, Scenario, Therapy

CATALOGUE = Path(__file__).parent / "catalogue"
LEAST_MG_DL, LEAST_POINTS = 0.5, 0.5
"""Changes below these are nothing to speak of."""


@cache
def catalogue(language: str = "en") -> Mapping[str, Any]:
    """The sentences of a language."""
    text = (CATALOGUE / f"{language}.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def sentences(result: Mapping[str, Any], scenario: Scenario, language: str = "en") -> list[str]:
    """What changes, when, why, how sure, what to watch, what is not known: in that order."""
    words = catalogue(language)
    values = _values(result, words)
    chosen = [
        *_what(result, words),
        *_why(scenario, words),
        *_sure(result, words),
        *_watch(result, words),
        *_unknown(result, scenario, words),
    ]
    return [sentence.format(**values) for sentence in chosen]


def sensitivity_ratio(parameters: Mapping[str, float]) -> float:
    """This twin's insulin sensitivity over the middle of the book's prior."""
    return parameters["SI"] / float(physical(BOOK_PRIOR.mean)[NAMES.index("SI")])


def _values(result: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """The names that sentences use."""
    strongest = max(result["by_hour"], key=lambda one: abs(one["change_mg_dl"]))
    named: dict[str, Any] = {
        key: result[key]
        for key in (
            "scenario",
            "days",
            "hours",
            "draws",
            "interval_pct",
            "helps_pct",
            "more_lows_pct",
            "own_events",
        )
    }
    named |= measure_values(result)
    return named | {
        "stretches": words["stretches"]["drawn" if result["drawn_from_habits"] else "recorded"],
        "strongest_from": strongest["from"],
        "strongest_to": strongest["to"],
        "strongest_change": strongest["change_mg_dl"],
        "sensitivity_ratio": sensitivity_ratio(result["parameters"]),
        "meal_gain": result["parameters"]["meal_gain"],
    }


def measure_values(result: Mapping[str, Any]) -> dict[str, float]:
    """Each measure before and after, and the ends of its change, by the names of sentences."""
    short = {
        "mean": "mean",
        "range": "time_in_range",
        "low": "time_below_70",
        "high": "time_above_180",
    }
    return {
        f"{name}_{part}": result["measures"][measure][part]
        for name, measure in short.items()
        for part in ("before", "after", "low", "high")
    }


def _changes(result: Mapping[str, Any]) -> bool:
    measures = result["measures"]
    return bool(
        abs(measures["mean"]["change"]) >= LEAST_MG_DL
        or abs(measures["time_in_range"]["change"]) >= LEAST_POINTS
    )


def _what(result: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[str]:
    if not _changes(result):
        yield words["nothing"]
        return
    yield words["what"]
    yield words["when"]


def _why(scenario: Scenario, words: Mapping[str, Any]) -> Iterator[str]:
    why, life = words["why"], scenario.life
    if scenario.therapy != Therapy():
        yield why["insulin"]
    if scenario.therapy.long_acting is not None:
        yield why["slow_insulin"]
    if life.meals or life.skipped or life.recorded_meals:
        yield why["meal"]
    if any(one.meal.fat_g for one in life.meals):
        yield why["fat"]
    if any(one.meal.protein_counts_g for one in life.meals):
        yield why["protein"]
    if life.exercise:
        yield why["exercise"]
    if any(bout.kind is not Kind.AEROBIC for bout in life.exercise):
        yield why["sprint"]
    if life.stress_minutes or life.short_sleep or life.illness or life.luteal:
        yield why["strain"]


def _sure(result: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[str]:
    yield words["sure"]
    mean, in_range = result["measures"]["mean"], result["measures"]["time_in_range"]
    if all(one["low"] <= 0.0 <= one["high"] for one in (mean, in_range)):
        yield words["unsure"]
    else:
        yield words["helps"]


def _watch(result: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[str]:
    low, high = result["measures"]["time_below_70"], result["measures"]["time_above_180"]
    yield words["watch_lows"] if low["high"] > LEAST_POINTS else words["no_more_lows"]
    if high["high"] > LEAST_POINTS:
        yield words["watch_highs"]


def _unknown(
    result: Mapping[str, Any], scenario: Scenario, words: Mapping[str, Any]
) -> Iterator[str]:
    if result["own_events"]:
        yield words["own_effect"]
    elif scenario.life != Life():
        yield words["unknown"]["own_effect"]
    yield words["unknown"]["model"]
