"""How much lows count is chosen on the young, and by the rule that is written down."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.calibration import calibrate
from models.sandbox import Asked, Ground, ground_of
from models.trace import STEPS_PER_DAY
from simulations import policy_choice
from simulations.dosing_policy import OWN, SUSPEND, Policy
from simulations.policy_choice import STAY, chosen, main, means, people
from simulations.policy_training import SEEDS_FROM, reward_of, train
from simulations.trained_policy import Plan, Trained, read_trained, write_trained
from simulations.twin_env import NO_RISK_MG_DL, TwinEnv, risk
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow


def row(world: str, **arms: tuple[float, float]) -> dict[str, Any]:
    """One person's time below 70 mg/dL and risk index under each arm."""
    told = {arm: {"time_below_70": low, "gri": gri} for arm, (low, gri) in arms.items()}
    return {"world": world, "arms": told}


def test_the_least_risk_of_those_that_add_no_lows_in_either_world() -> None:
    """`keen` has the least risk of all and more lows in B, `bold` more lows in A alone."""
    rows = [
        row(
            "A",
            own=(2.0, 20.0),
            suspend=(1.0, 5.0),
            keen=(1.0, 5.0),
            bold=(2.1, 6.0),
            calm=(2.0, 9.0),
            shy=(1.0, 12.0),
        ),
        row(
            "B",
            own=(6.0, 30.0),
            suspend=(3.0, 5.0),
            keen=(6.1, 5.0),
            bold=(1.0, 6.0),
            calm=(6.0, 9.0),
            shy=(3.0, 12.0),
        ),
    ]
    assert chosen(rows) == "calm"
    assert min(means(rows, "gri"), key=means(rows, "gri").__getitem__) != "calm"


def test_where_all_add_lows_the_one_with_the_fewest() -> None:
    rows = [
        row("A", own=(1.0, 20.0), suspend=(0.5, 9.0), bold=(3.0, 5.0), shy=(1.5, 12.0)),
        row("B", own=(1.0, 20.0), suspend=(0.5, 9.0), bold=(3.0, 5.0), shy=(1.5, 12.0)),
    ]
    assert chosen(rows) == "shy"


def test_means_are_of_people_and_worlds() -> None:
    rows = [row("A", own=(1.0, 10.0)), row("A", own=(3.0, 20.0)), row("B", own=(8.0, 60.0))]
    assert means(rows, "gri") == {"own": 30.0} and means(rows, "gri", "A") == {"own": 15.0}


def test_nobody_grown_up_and_nobody_met_before() -> None:
    """Names are of the two groups; no stay's dice are those by which adults are judged."""
    those = list(people())
    assert {one.group for one, _, _ in those} == {"child", "adolescent"}
    assert {world for _, world, _ in those} == {"A", "B"}
    assert min(seed for _, _, seed in those) >= STAY > 100
    assert policy_choice.SEED != SEEDS_FROM


@pytest.fixture(scope="module")
def grounds() -> list[Ground]:
    trace = read_by_sensor(eventful(5, seed=1), heads(1, seed=3, spread=0.3)[0], seed=4)
    (calibration,) = calibrate([trace])
    return [ground_of(trace, calibration, 4 * STEPS_PER_DAY, 24, Asked(draws=4))]


def lived(env: TwinEnv, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Glucose after each step under own settings."""
    env.reset(seed=seed)
    found, over = [], False
    while not over:
        _, _, _, over, info = env.step(np.zeros(2, dtype=np.float32))
        found.append(info["glucose_mg_dl"])
    return np.array(found)


def test_lows_count_so_many_times_and_nothing_else_does(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds)
    glucose = lived(env, 5)
    risks = np.array([risk(one) for one in glucose]) / 100.0
    low = glucose < NO_RISK_MG_DL
    assert 0 < low.sum() < len(low)
    for weight in (1.0, 3.0):
        expected = -np.where(low, weight, 1.0) @ risks / len(risks)
        assert reward_of(OWN, env, (5,), weight) == pytest.approx(expected)
    assert reward_of(OWN, env, (5,), 3.0) < reward_of(OWN, env, (5,))


def test_a_policy_for_which_lows_count_more_leaves_fewer(grounds: list[Ground]) -> None:
    """Planted: a training that forgets the weight ends at the other policy."""
    plans = [Plan(3, 1, 3, 8, 3, 2, low_weight=weight) for weight in (1.0, 30.0)]
    usual, careful = (train(plan, grounds).policy for plan in plans)
    env, seeds = TwinEnv(grounds), (11, 12, 13)

    def of_lows(policy: Policy) -> float:
        return reward_of(policy, env, seeds, 1001.0) - reward_of(policy, env, seeds, 1.0)

    assert usual != careful and of_lows(careful) > of_lows(usual)


def test_what_was_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run reads policies and people; one person more is all that it adds."""
    monkeypatch.setattr(policy_choice, "WEIGHTS", (2.0,))
    monkeypatch.setattr(policy_choice, "DAYS", 1)
    monkeypatch.setattr(policy_choice, "PEOPLE", 1)
    write_trained(Trained(SUSPEND, Plan(low_weight=2.0), 0.0, 0.0, 0.0), tmp_path / "policy-2.json")
    monkeypatch.setattr(policy_choice, "train", None)
    main(tmp_path)
    kept = (tmp_path / "people.jsonl").read_text().splitlines()
    assert len(kept) == 4
    first = json.loads(kept[0])["arms"]
    assert first["suspend"] == first["lows x 2"] and set(first) == {"own", "suspend", "lows x 2"}
    assert capsys.readouterr().out.splitlines()[-1] == "to ship: lows x 2"
    (tmp_path / "people.jsonl").write_text("\n".join(kept[:-1]) + "\n")
    main(tmp_path)
    assert (tmp_path / "people.jsonl").read_text().splitlines() == kept


def test_the_shipped_policy_is_of_a_weight_that_was_tried() -> None:
    assert read_trained().plan.low_weight in policy_choice.WEIGHTS
