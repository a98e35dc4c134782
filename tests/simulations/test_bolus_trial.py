import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from insula import main
from privacy.ledger import LedgerError
from simulations import bolus_trial
from simulations.bolus_arms import Life, arms_of, cohorts, judged_person
from simulations.bolus_learning import Scale, Spent
from simulations.bolus_page import MEASURES, markdown, report
from simulations.bolus_protocol import BolusTrial, read_bolus_trial
from simulations.bolus_teaching import ENROLLED_FROM, PublicStart, Taught, teachers
from simulations.bolus_trial import Done, require_apart, run_bolus_trial, steps_of
from study.failure import Failure

pytestmark = pytest.mark.slow

SHIPPED = Path("simulations/protocols/bolus-advice.yaml")
TINY = {
    "clinics": 2,
    "patients": 2,
    "days": 21,
    "public": 2,
    "judged": 1,
    "judged_high": 0,
    "weeks": 1,
    "last_weeks": 1,
    "rounds": 1,
    "epsilons": [8.0],
    "seeds": [1],
}


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | TINY))
    return path


@pytest.fixture
def trial(protocol: Path) -> BolusTrial:
    return read_bolus_trial(protocol)


def test_the_command_teaches_and_judges_and_goes_on_where_it_was(
    protocol: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, keep = tmp_path / "page.md", tmp_path / "keep"
    words = ["simulate", "bolus-trial", str(protocol), "--out", str(page), "--json"]
    assert main([*words, "--keep", str(keep), "--processes", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["in_silico"] and told["enrolled"] == 4 and told["published"]
    arms = told["cohorts"]["all comers"]["arms"]
    assert set(arms) >= {"counting", "guideline", "public", "clinic alone", "federated, no noise"}
    assert told["privacy"][0]["epsilon"] == pytest.approx(8.0, abs=1e-6)
    assert told["privacy"][0]["noise"] == "simulated"
    text = page.read_text()
    assert "No patient was treated" in text and "| all comers, relative | +18 % |" in text
    assert "protects nobody" in text
    lives = sorted(keep.glob("*/life-*.json"))
    lives[0].unlink()
    assert main([*words, "--keep", str(keep), "--processes", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert main([*words, "--processes", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert main(["privacy", "verify", str(next(keep.glob("*/ledgers/seed-1/epsilon-8")))]) == 0


def test_a_file_that_is_torn_is_named(trial: BolusTrial, tmp_path: Path) -> None:
    lessons_of_first = tmp_path / trial.digest()[:16] / "lessons-child-8100000-0.json"
    lessons_of_first.parent.mkdir()
    lessons_of_first.write_text("{")
    with pytest.raises(Failure, match="lessons-child-8100000-0"):
        run_bolus_trial(trial, tmp_path, None, lambda what: None)


def test_a_ledger_that_was_touched_stops_the_trial(trial: BolusTrial, tmp_path: Path) -> None:
    called: list[str] = []
    run_bolus_trial(trial, tmp_path, None, called.append)
    assert len(called) == steps_of(trial)
    (ledger,) = tmp_path.glob("*/ledgers/seed-1/epsilon-8/clinics/clinic-0/ledger")
    vector = next(ledger.glob("**/*.npy"))
    np.save(vector, np.load(vector) + 1.0)
    with pytest.raises(LedgerError, match=r"another vector.*round 1"):
        run_bolus_trial(trial, tmp_path, None, called.append)


def test_nobody_who_teaches_is_judged(trial: BolusTrial) -> None:
    require_apart(trial)
    taught = {seed for _, seed, _ in teachers(trial, 1)}
    judged = {judged_person(trial, name, 0).seed[0] for name in cohorts(trial)}
    assert not taught & judged


def test_a_seed_that_would_judge_its_teachers_is_refused(
    trial: BolusTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bolus_trial, "JUDGED_FROM", ENROLLED_FROM + 1)
    with pytest.raises(Failure, match="both teach and are judged"):
        require_apart(trial)


def taught(seed: int) -> Taught:
    weights = np.full(16, float(seed))
    spent = Spent(8.0, 1.6, 3.6, 6, "simulated")
    return Taught(seed, weights, (weights, 10.0 + weights), {8.0: -weights}, {8.0: spent}, 40)


def test_everybody_gets_their_own_clinics_advisor(trial: BolusTrial) -> None:
    alone = [
        next(a for a in arms_of(trial, np.zeros(16), [taught(1)], n) if a.name == "clinic alone")
        for n in range(5)
    ]
    values = [float(a.weights[0]) for a in alone if a.weights is not None]
    assert values == [1.0, 1.0, 11.0, 11.0, 1.0]


def lives(trial: BolusTrial) -> tuple[Life, ...]:
    """Three people at 60 % in range by counting; advised +9, +6 and -3 points, in two seeds."""
    found = []
    for number, gain in enumerate((9.0, 6.0, -3.0)):
        before = dict.fromkeys(MEASURES, 60.0)
        for arm in arms_of(trial, np.zeros(16), [taught(1), taught(2)], number):
            off = gain if "federated" in arm.name else 0.0
            off += {-1: 0.0, 1: 1.0, 2: -1.0}[arm.seed]
            after = before | {"time_in_range": 60.0 + off}
            found.append(Life("all comers", number, arm.name, arm.seed, before, after, 50.0, 1.1))
    return tuple(found)


def test_the_report_sets_ours_beside_the_published_figure(trial: BolusTrial) -> None:
    start = PublicStart(Scale(np.eye(16), np.eye(16)), np.zeros(16))
    told = report(trial, Done(start, (taught(1), taught(2)), lives(trial)))
    ours = told["cohorts"]["all comers"]["arms"]["federated, epsilon 8"]
    assert ours["beside_counting"]["time_in_range"]["mean"] == pytest.approx(4.0)
    assert ours["in_range_relative_pct"] == pytest.approx(100.0 * 4.0 / 60.0)
    assert ours["in_range_sd_over_seeds"] == pytest.approx(np.sqrt(2.0))
    assert ours["worst_change_in_range"] == pytest.approx(-3.0)
    assert ours["harmed_share"] == pytest.approx(1 / 3)
    counting = told["cohorts"]["all comers"]["arms"]["counting"]
    assert counting["in_range_sd_over_seeds"] is None and counting["harmed_share"] == 0.0
    page = markdown(trial, told)
    assert "| all comers, relative | +18 % | +6.7 % |" in page
