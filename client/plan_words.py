"""A proposal in plain sentences: each from its own numbers, by the templates of the catalogue."""

from collections.abc import Mapping
from typing import Any

from client.trial_words import catalogue, measure_values


def plan_sentences(result: Mapping[str, Any], language: str = "en") -> list[str]:
    """What to change and what it would do, or why nothing; then what would tell more."""
    words = catalogue(language)["plan"]
    experiments = [
        words["experiment"][experiment].format(lever=lever.capitalize())
        for lever, experiment in result["experiments"].items()
    ]
    if result["refused"]:
        return [words["refused"][result["refused"]], *experiments]
    values = {**measure_values(result), "days": result["days"]}
    values["more_lows_pct"] = result["more_lows_pct"]
    settings = [
        words["setting"].format(**{**one, "lever": one["lever"].capitalize()})
        for one in result["settings"]
        if one["change_pct"]
    ]
    told = [words[key].format(**values) for key in ("promise", "safe")]
    surely = catalogue(language)["sure"].format(
        **values, interval_pct=result["interval_pct"], draws=result["draws"]
    )
    return [*settings, told[0], surely, told[1], words["next"], *experiments]
