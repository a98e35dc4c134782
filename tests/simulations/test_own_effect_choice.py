"""The doubt of what a record says is chosen on the young, by coverage first and then by score."""

import json
from pathlib import Path
from typing import Any

import pytest

import models.own_effect as own_effect
from models.own_effect import Doubt
from simulations import own_effect_choice
from simulations.effect_trials import SEEDS_FROM
from simulations.own_effect_choice import GRID, GROUPS, SEED, chosen, main
from simulations.padova import PadovaError

pytestmark = pytest.mark.slow

THREE = (Doubt(1.0, 1.0), Doubt(1.0, 0.5), Doubt(1.0, 0.1))


def row(truths: list[float], halves: tuple[float, ...]) -> dict[str, Any]:
    """Both measures of some days; each doubt says 0, give or take its half."""
    said = [[[[0.0, -half, half]] * 2 for _ in truths] for half in halves]
    return {"true": [[true, true] for true in truths], "said": said}


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_effect_choice, "GRID", THREE)


def test_coverage_goes_before_score_and_score_decides_among_equals(three: None) -> None:
    """Eleven truths of 1 to 11: half widths of 9 and 9.4 hold nine of them, of 20 all."""
    rows = [row([float(n) for n in range(1, 12)], (20.0, 9.4, 9.0))]
    found = chosen(rows)
    assert [one["learning_rate"] for one in found] == [0.1, 0.5, 1.0]
    assert [one["both_held_pct"] for one in found] == pytest.approx([900 / 11, 900 / 11, 100.0])
    assert found[0]["score"] == pytest.approx(18.0 + 10.0 * (1.0 + 2.0) / 11.0)
    assert found[1]["score"] == pytest.approx(18.8 + 10.0 * (0.6 + 1.6) / 11.0)
    assert found[0]["held_pct"] == pytest.approx({"fall": 900 / 11, "after": 900 / 11})
    assert found[0]["error_mg_dl"] == pytest.approx(6.0)


def test_a_doubt_of_a_better_score_that_holds_too_much_is_not_taken(three: None) -> None:
    """Planted: the score alone would take the one that holds everything."""
    found = chosen([row([0.1] * 18 + [9.0] * 5, (9.0, 0.01, 0.2))])
    held = [one["both_held_pct"] for one in found]
    assert held == pytest.approx([1800 / 23, 100.0, 0.0])
    assert min(found, key=lambda one: one["score"])["both_held_pct"] == 100.0


def test_who_does_not_survive_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise PadovaError("20 stays in a row")

    monkeypatch.setattr(own_effect_choice, "lives", lost)
    assert own_effect_choice.person("child", "B", 1) is None


def test_no_adult_and_nobody_who_is_judged() -> None:
    assert set(GROUPS) == {"child", "adolescent"} and SEED != SEEDS_FROM


def test_what_is_shipped_was_tried() -> None:
    assert own_effect.CHOSEN in GRID


def test_people_are_kept_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], three: None
) -> None:
    made = []

    def person(*who: object) -> dict[str, Any] | None:
        made.append(who)
        return row([1.0, 2.0], (1.0, 2.0, 3.0)) if len(made) > 1 else None

    monkeypatch.setattr(own_effect_choice, "person", person)
    file = tmp_path / "people.jsonl"
    main(file, 1)
    assert len(made) == 4 and len(file.read_text().splitlines()) == 4
    main(file, 1)
    assert len(made) == 4
    assert json.loads(file.read_text().splitlines()[0])["found"] is None
    assert capsys.readouterr().out.splitlines()[0] == "3 people"
