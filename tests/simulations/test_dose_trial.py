import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from insula import main
from simulations.dose_trial import DoseTrial, hba1c_pct, markdown, mean_of, read_trial, report
from simulations.titration import MEASURES, Titrated
from study.failure import ExitCode, Failure

pytestmark = pytest.mark.slow

SHIPPED = Path("simulations/protocols/hybrid-twin.yaml")


def lived(arm: str, number: int, mean: float, events: float, seed: int = 11) -> Titrated:
    """Somebody at 170 mg/dL and four lows a week at first."""
    before = dict.fromkeys(MEASURES, 5.0) | {"mean": 170.0, "events_per_week": 4.0}
    after = before | {"mean": mean, "events_per_week": events}
    return Titrated("B", seed, number, arm, before, after, 50.0, 2)


@pytest.fixture
def trial() -> DoseTrial:
    return replace(read_trial(SHIPPED), seeds=(11,))


def test_hba1c_is_that_of_adag() -> None:
    """Nathan et al. 2008, table: 6 % is 126 mg/dL, 9 % is 212."""
    assert hba1c_pct(126.0) == pytest.approx(6.0, abs=0.02)
    assert hba1c_pct(212.0) == pytest.approx(9.0, abs=0.02)
    assert hba1c_pct(mean_of(7.3)) == pytest.approx(7.3)


def test_the_shipped_protocol_asks_for_the_published_size_three_times() -> None:
    trial = read_trial(SHIPPED)
    plan = trial.plan()
    assert (plan.people, plan.weeks, plan.arms) == (24, 26, ("guideline", "twin"))
    assert trial.seeds == (11, 12, 13)
    assert trial.published == {"hba1c_points": -0.8, "hypoglycaemia_pct": -40}


def test_changes_are_from_the_run_in_and_beside_the_control(trial: DoseTrial) -> None:
    found = [
        lived(arm, number, mean, events)
        for arm, mean, events in (("guideline", 160.0, 4.0), ("twin", 150.0, 1.0))
        for number in range(3)
    ]
    told = report(trial, found)
    twin, beside = told["groups"]["twin"], told["treatment_beside_control"]
    assert twin["changes"]["hba1c_points"]["mean"] == pytest.approx(-20.0 / 28.7)
    assert beside["hba1c_points"]["mean"] == pytest.approx(-10.0 / 28.7)
    assert twin["hypoglycaemia_change_pct"] == pytest.approx(-75.0)
    assert told["hypoglycaemia_beside_control_pct"] == pytest.approx(-75.0)
    page = markdown(trial, told)
    assert "in silico" in page and "| HbA1c, points | -0.8 | -0.70 (-0.70 to -0.70) |" in page


def test_seeds_are_told_one_by_one(trial: DoseTrial) -> None:
    """Planted: the treatment helps in one seed and harms in the other."""
    two = replace(trial, seeds=(1, 2))
    found = [
        lived(arm, number, mean, events, seed)
        for arm, seed, mean, events in (
            ("guideline", 1, 160.0, 4.0),
            ("guideline", 2, 160.0, 4.0),
            ("twin", 1, 150.0, 1.0),
            ("twin", 2, 190.0, 6.0),
        )
        for number in range(2)
    ]
    told = report(two, found)
    assert told["by_seed"]["1"]["hba1c_points_beside_control"] == pytest.approx(-10.0 / 28.7)
    assert told["by_seed"]["2"]["hba1c_points"] == pytest.approx(20.0 / 28.7)
    assert told["by_seed"]["2"]["hypoglycaemia_pct_beside_control"] == pytest.approx(50.0)
    page = markdown(two, told)
    assert (
        "| 1 | -0.70 | -0.35 | -75 | -75 |" in page and "| 2 | +0.70 | +1.05 | +50 | +50 |" in page
    )
    assert "| seed |" not in markdown(
        trial, report(trial, [replace(one, seed=11) for one in found])
    )


def changed(tmp_path: Path, **values: object) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | values))
    return path


@pytest.mark.parametrize(
    "values",
    [{"control": "magic"}, {"world": "C"}, {"people": 1}, {"weeks": 0}, {"more": 1}, {"seeds": []}],
)
def test_what_is_no_protocol_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(Failure) as refused:
        read_trial(changed(tmp_path, **values))
    assert refused.value.code == ExitCode.BAD_PROTOCOL


def test_no_file_and_no_mapping_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    for name in ("none.yaml", "list.yaml"):
        with pytest.raises(Failure, match="Nobody was treated"):
            read_trial(tmp_path / name)


def test_the_command_runs_both_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = changed(
        tmp_path,
        people=2,
        seeds=[11],
        weeks=1,
        visit_days=7,
        control="leave alone",
        treatment="guideline",
    )
    page = tmp_path / "report.md"
    words = ["simulate", "dose-trial", str(small), "--processes", "1", "--json", "--out", str(page)]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["in_silico"] and said["people"] == 2
    assert said["groups"]["leave alone"]["visits_that_moved"] == 0.0
    assert "No patient was treated" in page.read_text()
