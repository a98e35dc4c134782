"""Effects learned from bouts held against bouts that are lived: one person, and the sums."""

from dataclasses import replace

import numpy as np
import pytest

import simulations.effect_trials as effect_trials
from simulations.effect_trials import Foretold, Learned, as_dict, in_words, judge, summary
from simulations.padova_parameters import public_patients

pytestmark = pytest.mark.slow


def foretold(true: float, population: float, own: float, half: float = 5.0) -> Foretold:
    def said(middle: float) -> dict[str, tuple[float, float, float]]:
        return {name: (middle, middle - half, middle + half) for name in ("fall", "after")}

    return Foretold({"fall": true, "after": true}, said(population), said(own))


PEOPLE = [
    Learned("a", "A", 12, ("movement_uptake",), (foretold(-30.0, -18.0, -28.0),) * 3),
    Learned("b", "A", 10, ("movement_uptake",), (foretold(-10.0, -18.0, -18.0),) * 3),
]


def test_errors_shares_and_coverage_are_counted_by_hand() -> None:
    found = summary(PEOPLE)
    assert found["error_mg_dl"] == {
        name: {"population": {"mean": 10.0, "sd": 2.0}, "own": {"mean": 5.0, "sd": 3.0}}
        for name in ("fall", "after")
    }
    assert found["own_nearer_pct"] == {"fall": 50.0, "after": 50.0}
    assert found["coverage_80_pct"] == {
        name: {"population": 0.0, "own": 50.0} for name in ("fall", "after")
    }


def test_worlds_are_told_apart() -> None:
    both = [*PEOPLE, replace(PEOPLE[0], world="B")]
    plain = as_dict(both)
    assert isinstance(plain["summary"], dict) and set(plain["summary"]) == {"A", "B"}
    assert "world B, people: 1" in in_words(both)
    assert summary([]) == {"people": 0}


def test_one_person_is_learned_from_and_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect_trials, "DAYS", 10)
    monkeypatch.setattr(effect_trials, "COMING_DAYS", 1)
    adult = next(one for one in public_patients() if one.group == "adult")
    found = judge(2, (adult, "A"))
    assert found is not None and len(found.days) == 1
    day = found.days[0]
    assert day.true["fall"] < 0.0
    assert ("movement_uptake" in found.learned) == (found.bouts >= 3)
    for belief in (day.population, day.own):
        middle, low, high = belief["fall"]
        assert low <= middle <= high and np.isfinite(middle)
