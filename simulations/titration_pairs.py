"""One arm beside another on the same people: differences of measures, and their spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.trace import FloatArray
from simulations.padova_world import World
from simulations.titration import Titrated

RESAMPLES, RESAMPLES_SEED = 2000, 5
MORE_LOWS_POINTS = 1.0
COMPARED = {"time_in_range": "in range", "time_below_70": "< 70", "gri": "GRI"}


@dataclass(frozen=True)
class Spread:
    """Mean over people, its 95 % interval by resampling them, and their sd."""

    mean: float
    low: float
    high: float
    sd: float


@dataclass(frozen=True)
class Pairs:
    """An arm less another, person by person: points of time, or of the risk index.

    `more_lows_pct` is the share of people whose time below 70 mg/dL is more than a point higher.
    """

    world: World
    arm: str
    people: int
    differences: dict[str, Spread]
    more_lows_pct: float
    worst_more_lows: float


def spread_of(values: FloatArray) -> Spread:
    """Of values (n,), one a person; nan for the sd of one."""
    rng = np.random.default_rng(RESAMPLES_SEED)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return Spread(float(values.mean()), float(low), float(high), sd)


def pairs(found: Sequence[Titrated], other: str) -> list[Pairs]:
    """Every arm beside `other`, by world, on the people who lived both."""
    lives = {(one.world, one.seed, one.number, one.arm): one for one in found}
    arms = [arm for arm in dict.fromkeys(one.arm for one in found) if arm != other]
    told = []
    for world in sorted({one.world for one in found}):
        for arm in arms:
            both = [
                (one, beside)
                for one in found
                if (one.world, one.arm) == (world, arm)
                and (beside := lives.get((world, one.seed, one.number, other)))
            ]
            if both:
                told.append(_pairs(world, arm, both))
    return told


def _pairs(world: World, arm: str, both: Sequence[tuple[Titrated, Titrated]]) -> Pairs:
    apart = {
        name: np.array([one.after[name] - other.after[name] for one, other in both])
        for name in COMPARED
    }
    lows = apart["time_below_70"]
    return Pairs(
        world,
        arm,
        len(both),
        {name: spread_of(values) for name, values in apart.items()},
        float(100.0 * np.mean(lows > MORE_LOWS_POINTS)),
        float(lows.max()),
    )


def pairs_table(found: Sequence[Titrated], other: str) -> str:
    """The same in markdown; empty where nobody lived `other` and one more arm."""
    told = pairs(found, other)
    if not told:
        return ""
    names = [f"{name}: mean (95 %), sd" for name in COMPARED.values()]
    head = ["world", f"beside {other}", "people", *names, "lows up by > 1 point, %", "worst"]
    lines = [head, ["---"] * len(head), *(_cells(one) for one in told)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cells(one: Pairs) -> list[str]:
    differences = [
        f"{each.mean:+.1f} ({each.low:+.1f} to {each.high:+.1f}), {each.sd:.1f}"
        for each in one.differences.values()
    ]
    ends = [f"{one.more_lows_pct:.0f}", f"{one.worst_more_lows:+.1f}"]
    return [one.world, one.arm, str(one.people), *differences, *ends]
