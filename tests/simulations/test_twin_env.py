"""The environment: gymnasium's own checks, the sandbox's curve, and what an action does."""

import time

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from models.calibration import calibrate
from models.sandbox import AS_RECORDED, Asked, Ground, ground_of, lived
from models.scenario import Scaled, Scenario, Therapy
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.dosing_policy import HISTORY
from simulations.twin_env import PARTS, TwinEnv, risk
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

NO_CHANGE = np.zeros(2, dtype=np.float32)
CURVE = {"ground": 0, "draw": 3}


@pytest.fixture(scope="module")
def grounds() -> list[Ground]:
    trace = read_by_sensor(eventful(5, seed=1), heads(1, seed=3, spread=0.4)[0], seed=4)
    (calibration,) = calibrate([trace])
    return [
        ground_of(trace, calibration, day * STEPS_PER_DAY, 24, Asked(draws=4)) for day in (3, 4)
    ]


def episode(
    env: TwinEnv, basal: float = 1.0, bolus: float = 1.0, seed: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Glucose at each row's start and the rewards, of one choice all day."""
    _, info = env.reset(seed=seed, options=dict(CURVE))
    glucose, rewards, over = [info["glucose_mg_dl"]], [], False
    action = np.array([basal - 1.0, bolus - 1.0], dtype=np.float32)
    while not over:
        _, reward, ended, over, info = env.step(action)
        assert not ended
        glucose.append(info["glucose_mg_dl"])
        rewards.append(reward)
    return np.array(glucose), np.array(rewards)


def test_it_is_an_environment_as_gymnasium_checks_one(grounds: list[Ground]) -> None:
    check_env(TwinEnv(grounds), skip_render_check=True)


@pytest.mark.parametrize(("basal", "bolus"), [(1.0, 1.0), (1.5, 1.0)])
def test_a_choice_all_day_is_the_sandbox_s_scenario(
    grounds: list[Ground], basal: float, bolus: float
) -> None:
    therapy = Therapy(basal=(Scaled(basal),)) if basal != 1.0 else Therapy()
    tried = lived(grounds[0], [Scenario("tried", therapy=therapy), AS_RECORDED])
    found, _ = episode(TwinEnv(grounds, counting_sd=0.0), basal, bolus)
    assert np.abs(found[:-1] - tried[0, CURVE["draw"]]).max() < 1e-9
    assert (basal == 1.0) == (np.abs(found[:-1] - tried[1, CURVE["draw"]]).max() < 1e-9)


def test_doubled_boluses_lower_glucose_and_none_raise_it(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds, counting_sd=0.0)
    none, usual, twice = (episode(env, 1.0, bolus)[0].mean() for bolus in (0.0, 1.0, 2.0))
    assert none > usual > twice


def test_meals_are_miscounted_anew_and_a_seed_repeats_them(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds)
    one, again, other = (episode(env, seed=seed)[0] for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert np.abs(one - other).max() > 1.0


def test_episodes_meet_every_ground_and_draw(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds)
    env.reset(seed=2)
    met = set()
    for _ in range(60):
        _, info = env.reset()
        met.add((env.grounds.index(env._ground), info["draw"]))
    assert len(met) == 8


def test_an_observation_shows_what_is_due(grounds: list[Ground]) -> None:
    env, doses = TwinEnv(grounds), grounds[0].doses
    seen, _ = env.reset(seed=1, options=dict(CURVE))
    row = int(np.flatnonzero(doses.bolus_u)[0])
    for _ in range(row):
        assert seen[PARTS.index("bolus_u")] == 0.0 and seen[PARTS.index("active_insulin_u")] == 0.0
        seen, *_ = env.step(NO_CHANGE)
    assert seen[PARTS.index("bolus_u")] == pytest.approx(doses.bolus_u[row], rel=1e-6)
    assert seen[PARTS.index("carbs_g")] == pytest.approx(doses.carbs_g[row], rel=1e-6)
    seen, *_ = env.step(NO_CHANGE)
    active = seen[PARTS.index("active_insulin_u")]
    assert 0.9 * doses.bolus_u[row] < active <= doses.bolus_u[row]
    assert len(seen) == len(PARTS) and (seen[:HISTORY] > 0.0).all()


def test_the_reward_is_kovatchev_s_risk(grounds: list[Ground]) -> None:
    glucose, rewards = episode(TwinEnv(grounds, counting_sd=0.0))
    assert rewards == pytest.approx([-risk(value) / 100.0 for value in glucose[1:]])
    assert risk(112.5) < 1e-3 and risk(50.0) > risk(250.0) > risk(180.0) > 1.0
    assert risk(20.0) == pytest.approx(100.0, rel=0.1)


def test_a_thousand_steps_take_no_time(grounds: list[Ground]) -> None:
    env = TwinEnv(grounds)
    episode(env)
    begin = time.process_time()
    for seed in range(4):
        episode(env, seed=seed)
    assert time.process_time() - begin < 4 * STEPS_PER_DAY * 1e-3


def test_no_ground_is_refused() -> None:
    with pytest.raises(ValueError, match="Lay grounds"):
        TwinEnv([])
