import json
from pathlib import Path

import pytest

from insula import main
from simulations.titration import MEASURES, Titrated, Titration, jobs_of, summary, table
from study.failure import ExitCode

pytestmark = pytest.mark.slow


def lived(arm: str, seed: int, below: float) -> Titrated:
    """Somebody with 5 % below 70 mg/dL at first and `below` in the end."""
    before, after = (dict.fromkeys(MEASURES, 10.0) | {"time_below_70": x} for x in (5.0, below))
    return Titrated("A", seed, 0, arm, before, after, 50.0, 3)


FOUND = [lived("twin", 1, 2.0), lived("twin", 2, 4.0), lived("guideline", 1, 9.0)]


def test_arms_are_told_with_their_spread_over_seeds_and_their_worst() -> None:
    twin, guideline = summary(FOUND)
    assert (twin["time_below_70"], twin["people"], twin["seeds"]) == (3.0, 2, 2)
    assert twin["sd_over_seeds"]["time_below_70"] == pytest.approx(2.0**0.5)
    assert (twin["worst_below_70"], twin["worst_rise_below_70"]) == (4.0, -1.0)
    assert guideline["sd_over_seeds"]["mean"] is None
    assert guideline["worst_rise_below_70"] == 4.0


def test_the_table_has_the_run_in_and_a_line_for_each_arm() -> None:
    lines = table(FOUND).splitlines()
    assert len(lines) == 5 and "*run-in*" in lines[2]
    assert "3.0 ± 1.4" in lines[3] and lines[4].startswith("| A | guideline | 1 in 1 |")


def test_everybody_lives_in_every_arm_of_a_seed() -> None:
    plan = Titration(2, (1, 2), ("leave alone", "twin"))
    assert len(jobs_of(plan)) == len(set(jobs_of(plan))) == 16


def test_the_command_lives_the_same_people_in_its_arms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "titration", "--people", "1", "--seeds", "1", "--weeks", "1"]
    words += ["--processes", "1", "--json"]
    page = tmp_path / "page.md"
    assert main([*words, "--arms", "leave alone, guideline", "--out", str(page)]) == 0
    said = json.loads(capsys.readouterr().out)
    alone, guided = said["people"][:2]
    assert alone["before"] == guided["before"] and alone["moved"] == 0
    assert "| B | guideline | 1 in 1 |" in page.read_text()


def test_an_arm_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "titration", "--arms", "magic"]) == ExitCode.USAGE
    assert "leave alone" in capsys.readouterr().err
