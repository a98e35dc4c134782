"""A dosing policy by the cross-entropy method on twins of drawn people.

Each generation draws candidates around a mean, lets all of them live the same episodes of
`twin_env`, and moves mean and spread to those that did best (Rubinstein & Kroese 2004, The
Cross-Entropy Method; for control, Szita & Lorincz 2006, Neural Comput 18:2936). It begins at the
rule that pumps have. What is sought is the reward of the environment with each step below 112.5
mg/dL, where risk is of lows, counted `low_weight` times.
"""

from collections.abc import Callable, Sequence

import numpy as np

from models.calibration import calibrate
from models.sandbox import Asked, Ground, ground_of
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.dosing_policy import HIGH, HISTORY, LOW, OWN, SUSPEND, Policy, Seen, policy_of
from simulations.effects_people import TRAINING_DAYS, drawn_subject
from simulations.padova_world import WORLDS
from simulations.trained_policy import Plan, Trained
from simulations.twin_env import NO_RISK_MG_DL, TwinEnv

GROUPS = ("child", "adolescent")
SEEDS_FROM = 4_000_000
"""Added to a seed, so that nobody is met who is judged."""

DRAWS, LAST_DAYS = 8, 3
FIRST_SPREAD = 0.25
"""Of the range of each number."""
LEAST_SPREAD = 0.03


def training_grounds(plan: Plan) -> tuple[Ground, ...]:
    """The last three of 14 days of drawn children and adolescents, in draws of their twins."""
    grounds: list[Ground] = []
    for number in range(plan.people):
        world = WORLDS[number % 2]
        group = GROUPS[number // 2 % 2]
        someone = drawn_subject(group, number, world, SEEDS_FROM + plan.seed, TRAINING_DAYS)
        trace = someone.trace()
        (calibration,) = calibrate([trace])
        for day in range(TRAINING_DAYS - LAST_DAYS, TRAINING_DAYS):
            row = day * STEPS_PER_DAY
            grounds.append(ground_of(trace, calibration, row, 24, Asked(DRAWS, seed=number)))
    return tuple(grounds)


def reward_of(policy: Policy, env: TwinEnv, seeds: Sequence[int], low_weight: float = 1.0) -> float:
    """Mean reward a step over the episodes of these seeds, lows counted so many times."""
    total, steps = 0.0, 0
    for seed in seeds:
        seen, _ = env.reset(seed=seed)
        over = False
        while not over:
            glucose = seen[:HISTORY].astype(np.float64)
            factors = policy(Seen(glucose, float(seen[HISTORY]), float(seen[HISTORY + 1])))
            action = np.array(factors, dtype=np.float32) - np.float32(1.0)
            seen, reward, _, over, info = env.step(action)
            low = info["glucose_mg_dl"] < NO_RISK_MG_DL
            total, steps = total + (low_weight if low else 1.0) * reward, steps + 1
    return total / steps


def train(
    plan: Plan, grounds: Sequence[Ground], step: Callable[[str], None] = lambda _: None
) -> Trained:
    """The policy that the search ends at."""
    env, rng = TwinEnv(grounds), np.random.default_rng(plan.seed)
    mean, spread = SUSPEND.numbers, FIRST_SPREAD * (HIGH - LOW)
    for generation in range(plan.generations):
        seeds = rng.integers(2**31, size=plan.episodes).tolist()
        tried = np.clip(_around(mean, spread, plan.candidates, rng), LOW, HIGH)
        rewards = np.array(
            [reward_of(policy_of(one), env, seeds, plan.low_weight) for one in tried]
        )
        best = tried[np.argsort(-rewards)[: plan.elite]]
        mean = best.mean(axis=0)
        spread = np.maximum(best.std(axis=0), LEAST_SPREAD * (HIGH - LOW))
        step(f"generation {generation + 1}: reward {rewards.max():.4f}")
    fresh = rng.integers(2**31, size=2 * plan.episodes).tolist()
    arms = (policy_of(mean), SUSPEND, OWN)
    held = [reward_of(one, env, fresh, plan.low_weight) for one in arms]
    return Trained(policy_of(mean), plan, *held)


def _around(
    mean: FloatArray, spread: FloatArray, count: int, rng: np.random.Generator
) -> FloatArray:
    """Candidates (count, 6), the mean itself first."""
    drawn: FloatArray = mean + spread * rng.standard_normal((count, len(mean)))
    drawn[0] = mean
    return drawn
