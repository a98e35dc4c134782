import numpy as np
import pytest

from simulations.run_to_run_choice import Tried, candidates, chosen, lived, main, young
from simulations.titration_people import RUN_IN_DAYS, live_under
from simulations.titration_rules import RunToRun

pytestmark = pytest.mark.slow


def tried(gri: float, *below_70: float) -> Tried:
    return Tried(RunToRun(), gri, below_70)


def test_the_lowest_risk_is_chosen_of_those_without_more_lows() -> None:
    """Planted: less risk with more lows in one world, and more risk with fewer."""
    best = tried(25.0, 2.0, 4.1)
    assert chosen([tried(20.0, 1.0, 4.3), best, tried(30.0, 1.0, 2.0)], (2.0, 4.0)) == best


def test_where_all_bring_lows_the_fewest_are_chosen() -> None:
    fewest = tried(30.0, 4.0, 5.0)
    assert chosen([tried(20.0, 1.0, 9.0), fewest], (0.5, 0.5)) == fewest


def test_nobody_of_the_choice_is_an_adult_and_the_grid_has_no_setting_twice() -> None:
    assert {who.group for who in young(1)} == {"child", "adolescent"}
    assert {who.world for who in young(1)} == {"A", "B"}
    assert len(set(candidates())) == len(candidates())


def test_the_arm_is_what_was_chosen_of_the_grid() -> None:
    assert RunToRun() in candidates()


def test_worlds_are_told_apart() -> None:
    people = young(1)
    _, below = lived(None, people)
    for world, told in zip("AB", below, strict=True):
        those = [live_under(None, who, 7) for who in people if who.world == world]
        lows = [100.0 * np.mean(one.glucose_mg_dl[-28 * 288 :] < 70.0) for one in those]
        assert told == pytest.approx(np.mean(lows))
    assert people[0].days == RUN_IN_DAYS + 91


def test_the_choice_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("simulations.run_to_run_choice.candidates", lambda: (RunToRun(),))
    monkeypatch.setattr("simulations.run_to_run_choice.WEEKS", 1)
    main(1)
    assert "chosen: Tried(rule=RunToRun(" in capsys.readouterr().out
