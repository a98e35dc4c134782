"""Dosing policies: what a rule says, how one is trained, and how it is judged."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from insula import main
from models.calibration import calibrate
from models.sandbox import Asked, Ground, ground_of
from models.trace import STEPS_PER_DAY
from simulations import policy_cli
from simulations.active_insulin import ActiveInsulin
from simulations.dosing_policy import HIGH, LOW, OWN, SUSPEND, Policy, Seen, policy_of
from simulations.padova_parameters import public_patients
from simulations.policy_training import reward_of, train
from simulations.policy_world import ARMS, Judged, as_dict, lived_under, markdown
from simulations.trained_policy import SHIPPED, Plan, read_trained, write_trained
from simulations.twin_env import TwinEnv
from study.failure import ExitCode, Failure
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

ADULT = next(one for one in public_patients() if one.group == "adult")
RULE = Policy(30.0, 120.0, 5.0, 80.0, 1.0, 0.2)


def seen(now: float, slope_per_min: float = 0.0, active_u: float = 0.0) -> Seen:
    glucose = now + slope_per_min * 5.0 * np.arange(-11, 1)
    return Seen(glucose.astype(np.float64), active_u, 1.0)


def test_a_rule_is_its_formula() -> None:
    assert RULE.foreseen(seen(150.0, 1.0, 2.0)) == pytest.approx(150.0 + 30.0 - 10.0)
    assert RULE(seen(150.0, 1.0, 2.0)) == pytest.approx((1.5, 1.1))
    assert RULE(seen(100.0, -1.0)) == pytest.approx((0.0, 1.0 - 0.2 * 0.5))
    assert RULE(seen(400.0)) == pytest.approx((2.0, 1.5))


def test_own_settings_are_never_moved_and_the_pump_s_rule_stops_before_a_low() -> None:
    for now, slope in ((45.0, -3.0), (300.0, 2.0)):
        assert OWN(seen(now, slope)) == (1.0, 1.0)
    assert SUSPEND(seen(110.0, -1.5)) == (0.0, 1.0)
    assert SUSPEND(seen(110.0, -0.5)) == (1.0, 1.0)


def test_active_insulin_fades_and_less_than_scheduled_is_none() -> None:
    active = ActiveInsulin()
    active.give(4.0)
    left = [active.units]
    for _ in range(72):
        active.give(0.0)
        left.append(active.units)
    assert np.all(np.diff(left) < 0.0) and left[-1] < 0.15 and left[0] > 3.9
    starved = ActiveInsulin()
    starved.give(-1.0)
    assert starved.units == 0.0


@pytest.fixture(scope="module")
def grounds() -> list[Ground]:
    trace = read_by_sensor(eventful(5, seed=1), heads(1, seed=3, spread=0.3)[0], seed=4)
    (calibration,) = calibrate([trace])
    return [ground_of(trace, calibration, 4 * STEPS_PER_DAY, 24, Asked(draws=4))]


def test_training_finds_a_better_rule_than_it_began_with(
    grounds: list[Ground],
) -> None:
    found = train(Plan(seed=3, generations=7, candidates=12, elite=3, episodes=3), grounds)
    assert found.reward > found.suspend
    assert np.all((found.policy.numbers >= LOW) & (found.policy.numbers <= HIGH))


def test_the_same_plan_trains_the_same_rule(grounds: list[Ground]) -> None:
    plan = Plan(seed=3, generations=1, candidates=4, elite=2, episodes=2)
    assert train(plan, grounds) == train(plan, grounds)
    assert train(plan, grounds) != train(replace(plan, seed=4), grounds)


def test_a_harmful_rule_earns_less(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds)
    flood = Policy(0.0, 100.0, 0.0, 60.0, -2.0, 0.0)  # more insulin the lower it is
    assert reward_of(flood, env, (1, 2)) < reward_of(OWN, env, (1, 2))


def test_the_shipped_policy_says_where_it_comes_from(tmp_path: Path) -> None:
    shipped = read_trained()
    assert shipped.reward > max(shipped.own, shipped.suspend)
    assert policy_of(shipped.policy.numbers) == shipped.policy
    write_trained(shipped, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == SHIPPED.read_text()


def test_a_policy_written_before_lows_had_a_weight_is_read_as_such(tmp_path: Path) -> None:
    plain = json.loads(SHIPPED.read_text())
    assert plain["plan"].pop("low_weight") == Plan().low_weight == 2.0
    (tmp_path / "old.json").write_text(json.dumps(plain))
    assert read_trained(tmp_path / "old.json").plan == replace(Plan(), low_weight=1.0)


@pytest.mark.parametrize("text", ["", "{}", '{"policy": {"ahead_min": 1}}', "[1]"])
def test_a_file_that_holds_no_policy_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)
    with pytest.raises(Failure, match="holds no policy"):
        read_trained(file)


def test_a_policy_without_numbers_is_refused(tmp_path: Path) -> None:
    shipped = read_trained()
    nothing = replace(shipped, policy=replace(shipped.policy, target_mg_dl=float("nan")))
    write_trained(nothing, tmp_path / "policy.json")
    with pytest.raises(Failure, match="not finite"):
        read_trained(tmp_path / "policy.json")


def test_the_same_adult_lives_the_same_days_under_each_policy() -> None:
    own, again, stop = (lived_under(one, ADULT, "A", 1, 2) for one in (OWN, OWN, SUSPEND))
    assert np.array_equal(own, again)
    assert not np.array_equal(own, stop) and own[0] == stop[0]


def test_figures_are_counted_by_hand() -> None:
    def adult(seed: int, in_range: float) -> Judged:
        found = dict.fromkeys(("mean", "time_below_70", "time_below_54", "gri"), 5.0)
        arms = {arm: {**found, "time_in_range": in_range} for arm in ARMS}
        return Judged(f"a{seed}", "A", seed, arms)

    plain = as_dict([adult(0, 60.0), adult(1, 80.0)])
    own = plain["summary"]["A"]["own"]  # type: ignore[index]
    assert own["time_in_range"] == 70.0 and own["worst_time_in_range"] == 60.0
    assert own["sd_over_seeds"]["time_in_range"] == 10.0 and own["sd_over_seeds"]["gri"] == 0.0
    assert "| A, trained | 5.0 (0.0) | 70.0 (10.0) |" in markdown([adult(0, 60.0), adult(1, 80.0)])


def test_the_command_judges_one_adult(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "policy", "--people", "1", "--seeds", "1", "--days", "2"]
    assert main([*words, "--processes", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["summary"]) == {"A", "B"} and set(said["summary"]["A"]) == set(ARMS)
    assert len(said["people"]) == 2


def test_without_gymnasium_a_policy_can_be_judged_and_training_says_what_is_missing() -> None:
    """In a process of its own, where the package is not to be had."""
    absent = "import sys; sys.modules['gymnasium'] = None; from insula import main; "
    few = "['simulate', 'policy', '--people', '1', '--seeds', '1', '--days', '1', "
    for more, code in (("'--processes', '1'", 0), ("'--train'", ExitCode.MISSING_INPUT)):
        script = f"{absent}sys.exit(main({few}{more}]))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert "'.[learn]'" in done.stderr


def test_the_command_trains_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As typed, with one person, one generation and one episode."""
    monkeypatch.setattr(policy_cli, "Plan", lambda seed: Plan(seed, 1, 1, 3, 2, 1))
    file = tmp_path / "mine.json"
    words = ["simulate", "policy", "--train", "--file", str(file), "--people", "1", "--seeds", "1"]
    assert main([*words, "--days", "1", "--processes", "1"]) == 0
    assert read_trained(file).plan == Plan(1, 1, 1, 3, 2, 1)
