"""Three months of weekly visits under one rule or another: the same people, days and chances.

Each person's basal and ratios are set amiss at first; after two weeks of run-in a visit every week
may change them, by one rule in each arm. What is judged is true glucose of the last four weeks.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.trace import STEPS_PER_DAY
from simulations.padova_world import WORLDS, World
from simulations.titration_people import live_under, recruit, worth
from simulations.titration_rules import ARMS

SEEDS_FROM = 7_000_000
LAST_DAYS = 28
MEASURES = ("mean", "time_in_range", "time_below_70", "time_below_54", "gri", "events_per_week")
HEADINGS = ("mean mg/dL", "in range %", "< 70 %", "< 54 %", "GRI", "lows a week")


@dataclass(frozen=True)
class Titration:
    """Who is titrated, how long and by which arms; `least_mean_mg_dl` is asked of the run-in."""

    people: int
    seeds: tuple[int, ...]
    arms: tuple[str, ...] = tuple(ARMS)
    worlds: tuple[World, ...] = WORLDS
    weeks: int = 13
    visit_days: int = 7
    off: float = 0.2
    least_mean_mg_dl: float = 0.0
    group: str = "adult"


Job = tuple[World, int, int, str]


@dataclass(frozen=True)
class Titrated:
    """One person in one arm: measures before and in the last weeks; visits that moved a setting."""

    world: World
    seed: int
    number: int
    arm: str
    before: dict[str, float]
    after: dict[str, float]
    lowest_mg_dl: float
    moved: int


def jobs_of(plan: Titration) -> list[Job]:
    """World, seed, person and arm of each life."""
    return [
        (world, seed, number, arm)
        for seed in plan.seeds
        for number in range(plan.people)
        for world in plan.worlds
        for arm in plan.arms
    ]


def titrated(plan: Titration, job: Job) -> Titrated:
    """One life in one arm."""
    world, seed, number, arm = job
    days = 7 * plan.weeks
    drawn = (plan.off, plan.least_mean_mg_dl, plan.group)
    who = recruit(number, world, SEEDS_FROM + seed, days, *drawn)
    lived = live_under(ARMS[arm](), who, plan.visit_days)
    last = lived.glucose_mg_dl[-min(LAST_DAYS, days) * STEPS_PER_DAY :]
    pairs = zip(lived.settings, lived.settings[1:], strict=False)
    moved = sum(not np.array_equal(a.by_hour(), b.by_hour()) for a, b in pairs)
    lowest = float(lived.glucose_mg_dl.min())
    return Titrated(world, seed, number, arm, worth(lived.run_in_mg_dl), worth(last), lowest, moved)


def summary(found: Sequence[Titrated]) -> list[dict[str, Any]]:
    """By world and arm: each measure, its sd over seeds, the worst person's time below 70."""
    rows = []
    for world in sorted({one.world for one in found}):
        for arm in dict.fromkeys(one.arm for one in found):
            those = [one for one in found if (one.world, one.arm) == (world, arm)]
            if those:
                rows.append({"world": world, "arm": arm, **_of_arm(those)})
    return rows


def _of_arm(those: Sequence[Titrated]) -> dict[str, Any]:
    seeds = sorted({one.seed for one in those})
    by_seed = {
        name: [np.mean([o.after[name] for o in those if o.seed == seed]) for seed in seeds]
        for name in MEASURES
    }
    lows = [one.after["time_below_70"] for one in those]
    return {
        "people": len(those),
        "seeds": len(seeds),
        **{name: float(np.mean(values)) for name, values in by_seed.items()},
        "sd_over_seeds": {
            name: float(np.std(values, ddof=1)) if len(seeds) > 1 else None
            for name, values in by_seed.items()
        },
        "worst_below_70": max(lows),
        "worst_rise_below_70": max(map(_rise, those)),
        "visits_that_moved": float(np.mean([one.moved for one in those])),
    }


def _rise(one: Titrated) -> float:
    return one.after["time_below_70"] - one.before["time_below_70"]


def table(found: Sequence[Titrated]) -> str:
    """The summary in markdown, the run-in first."""
    head = ("world", "arm", "people x seeds", *HEADINGS, "worst < 70 %", "worst rise", "moves")
    lines = [_row(head), _row(["---"] * len(head))]
    for world in sorted({one.world for one in found}):
        lines.append(_run_in(world, found))
        lines += [_line(row) for row in summary(found) if row["world"] == world]
    return "\n".join(lines)


def _run_in(world: World, found: Sequence[Titrated]) -> str:
    first = found[0].arm
    those = [one.before for one in found if (one.world, one.arm) == (world, first)]
    means = [f"{np.mean([one[name] for one in those]):.1f}" for name in MEASURES]
    worst = f"{max(one['time_below_70'] for one in those):.1f}"
    return _row([world, "*run-in*", str(len(those)), *means, worst, "", ""])


def _line(row: dict[str, Any]) -> str:
    spread_of = row["sd_over_seeds"]
    cells = [
        f"{row[name]:.1f}" + (f" ± {spread_of[name]:.1f}" if spread_of[name] is not None else "")
        for name in MEASURES
    ]
    people = f"{row['people']} in {row['seeds']}"
    ends = [f"{row[k]:.1f}" for k in ("worst_below_70", "worst_rise_below_70", "visits_that_moved")]
    return _row([str(row["world"]), str(row["arm"]), people, *cells, *ends])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def as_dict(plan: Titration, found: Sequence[Titrated]) -> dict[str, object]:
    """Plan, summary and everybody, as plain values."""
    return {
        "plan": asdict(plan),
        "summary": summary(found),
        "people": [asdict(one) for one in found],
    }
