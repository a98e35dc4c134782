"""A trained dosing policy with where it comes from, as it is written down and read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from simulations.dosing_policy import Policy
from study.failure import ExitCode, Failure

UNWEIGHTED = {"low_weight": 1.0}
"""Of policies that were written before lows had a weight."""
SHIPPED = Path(__file__).parent / "data" / "dosing_policy.json"


@dataclass(frozen=True)
class Plan:
    """How long to search, and on whom; risk of lows counts `low_weight` times in the reward.

    The weight is that of `simulations/policy_choice.py`.
    """

    seed: int = 1
    people: int = 6
    generations: int = 8
    candidates: int = 14
    elite: int = 4
    episodes: int = 12
    low_weight: float = 2.0


@dataclass(frozen=True)
class Trained:
    """A policy, the plan it came from, and its reward a step on episodes it was not chosen on.

    `suspend` and `own` are those of the pump's rule and of doing as scheduled.
    """

    policy: Policy
    plan: Plan
    reward: float
    suspend: float
    own: float


def write_trained(trained: Trained, path: Path) -> None:
    """The policy with where it comes from, as JSON."""
    text = json.dumps(asdict(trained), indent=1) + "\n"
    path.write_text(text, encoding="utf-8")


def read_trained(path: Path = SHIPPED) -> Trained:
    """A policy that was written; a Failure where the file is none."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        policy, plan = Policy(**plain.pop("policy")), Plan(**UNWEIGHTED | plain.pop("plan"))
        trained = Trained(policy, plan, **plain)
        if not np.isfinite(policy.numbers).all():
            raise ValueError("its numbers are not finite")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Failure(
            found=f"{path.name}, which holds no policy ({error})",
            expected="six numbers and how they were trained",
            consequence="No policy was judged.",
            remedy="train one: insula simulate policy --train",
            code=ExitCode.BAD_DATA,
        ) from error
    return trained
