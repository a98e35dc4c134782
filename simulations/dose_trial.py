"""An in-silico trial of a rule that sets insulin doses, beside one that clinics use.

The same virtual people live both groups, which only a simulator can do: what differs is the rule.
HbA1c is what mean glucose would lead to, A1c = (mean + 46.7) / 28.7 (ADAG, Nathan et al. 2008,
Diabetes Care 31:1473), of the two weeks of run-in and of the last four weeks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from models.trace import FloatArray
from simulations.padova_world import WORLDS, World
from simulations.titration import Titrated, Titration
from simulations.titration_pairs import spread_of
from simulations.titration_rules import ARMS
from study.failure import ExitCode, Failure


@dataclass(frozen=True)
class DoseTrial:
    """A protocol: who, how long, with which rules; `published` is the figure to stand beside."""

    trial: str
    people: int
    weeks: int
    visit_days: int
    world: World
    amiss: float
    least_hba1c_pct: float
    control: str
    treatment: str
    seeds: tuple[int, ...]
    published: Mapping[str, float] = field(hash=False)

    def plan(self) -> Titration:
        """The lives that the trial asks for."""
        return Titration(
            people=self.people,
            seeds=self.seeds,
            arms=(self.control, self.treatment),
            worlds=(self.world,),
            weeks=self.weeks,
            visit_days=self.visit_days,
            off=self.amiss,
            least_mean_mg_dl=mean_of(self.least_hba1c_pct),
        )


def hba1c_pct(mean_mg_dl: float) -> float:
    """HbA1c, per cent, that this mean glucose leads to."""
    return (mean_mg_dl + 46.7) / 28.7


def mean_of(hba1c: float) -> float:
    """Mean glucose, mg/dL, behind an HbA1c."""
    return 28.7 * hba1c - 46.7


def read_trial(path: Path) -> DoseTrial:
    """The protocol of a file; a Failure where it is none."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = {one.name for one in fields(DoseTrial)}
        if set(plain) != names:
            raise ValueError(f"keys {sorted(set(plain) ^ names)} are missing or unknown")
        trial = DoseTrial(**{**plain, "seeds": tuple(int(one) for one in plain["seeds"])})
        _require(trial)
    except (OSError, yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise Failure(
            found=f"no trial at {path}: {error}",
            expected="a protocol such as simulations/protocols/hybrid-twin.yaml",
            consequence="Nobody was treated.",
            remedy="correct the file",
            code=ExitCode.BAD_PROTOCOL,
        ) from error
    return trial


def _require(trial: DoseTrial) -> None:
    unknown = {trial.control, trial.treatment} - set(ARMS)
    if unknown:
        raise ValueError(f"groups {sorted(unknown)}; known are {sorted(ARMS)}")
    if trial.world not in WORLDS:
        raise ValueError(f"world {trial.world!r}; known are {WORLDS}")
    if trial.people < 2 or min(trial.weeks, trial.visit_days) < 1 or not trial.seeds:
        raise ValueError("two people, a week, a day between visits and a seed at least")


def report(trial: DoseTrial, found: Sequence[Titrated]) -> dict[str, Any]:
    """Changes from run-in in each group, and the treatment's beside the control's."""
    arms = (trial.control, trial.treatment)
    groups = {arm: [one for one in found if one.arm == arm] for arm in arms}
    changes = {arm: _changes(those) for arm, those in groups.items()}
    beside = {
        name: _spread(changes[trial.treatment][name] - changes[trial.control][name])
        for name in changes[trial.control]
    }
    events = [np.array([one.after["events_per_week"] for one in groups[arm]]) for arm in arms]
    return {
        "trial": trial.trial,
        "in_silico": True,
        "people": len(groups[trial.control]),
        "published": dict(trial.published),
        "groups": {arm: _group(those) for arm, those in groups.items()},
        "treatment_beside_control": beside,
        "hypoglycaemia_beside_control_pct": _ratio(events[1], events[0]),
        "by_seed": {str(seed): _of_seed(trial, found, seed) for seed in trial.seeds},
    }


def _of_seed(trial: DoseTrial, found: Sequence[Titrated], seed: int) -> dict[str, float | None]:
    """The figures that are published, of one seed's people: from run-in and beside the control."""
    control, treated = (
        [one for one in found if (one.arm, one.seed) == (arm, seed)]
        for arm in (trial.control, trial.treatment)
    )
    changes, others = (_changes(those)["hba1c_points"] for those in (treated, control))
    before, after, beside = (
        np.array([getattr(one, when)["events_per_week"] for one in those])
        for those, when in ((treated, "before"), (treated, "after"), (control, "after"))
    )
    return {
        "hba1c_points": float(changes.mean()),
        "hba1c_points_beside_control": float((changes - others).mean()),
        "hypoglycaemia_pct": _ratio(after, before),
        "hypoglycaemia_pct_beside_control": _ratio(after, beside),
    }


def _changes(those: Sequence[Titrated]) -> dict[str, FloatArray]:
    def of(name: str) -> FloatArray:
        return np.array([one.after[name] - one.before[name] for one in those])

    return {
        "hba1c_points": of("mean") / 28.7,
        "time_in_range_points": of("time_in_range"),
        "time_below_70_points": of("time_below_70"),
        "events_per_week": of("events_per_week"),
    }


def _group(those: Sequence[Titrated]) -> dict[str, Any]:
    before, after = ([getattr(one, when) for one in those] for when in ("before", "after"))
    events = [np.array([one["events_per_week"] for one in when]) for when in (before, after)]
    return {
        "hba1c_before_pct": hba1c_pct(float(np.mean([one["mean"] for one in before]))),
        "hba1c_after_pct": hba1c_pct(float(np.mean([one["mean"] for one in after]))),
        "changes": {name: _spread(values) for name, values in _changes(those).items()},
        "hypoglycaemia_change_pct": _ratio(events[1], events[0]),
        "worst_time_below_70_pct": max(one["time_below_70"] for one in after),
        "lowest_mg_dl": min(one.lowest_mg_dl for one in those),
        "visits_that_moved": float(np.mean([one.moved for one in those])),
    }


def _spread(values: FloatArray) -> dict[str, float]:
    return asdict(spread_of(values))


def _ratio(these: FloatArray, those: FloatArray) -> float | None:
    """Per cent by which one mean is above the other; None where the other is nothing."""
    return float(100.0 * (these.mean() / those.mean() - 1.0)) if those.mean() > 0.0 else None


def markdown(trial: DoseTrial, told: Mapping[str, Any]) -> str:
    """The report as a page: published figures beside ours, then both groups."""
    twin, beside = told["groups"][trial.treatment], told["treatment_beside_control"]
    published = trial.published
    lines = [
        f"# {trial.trial}: in silico",
        "",
        f"{told['people']} virtual adults of world {trial.world}, each in both groups "
        f"({trial.control} and {trial.treatment}), {trial.weeks} weeks, a visit every "
        f"{trial.visit_days} days, settings amiss by {100 * trial.amiss:.0f} %, HbA1c of "
        f"{trial.least_hba1c_pct:g} % or more at first; seeds {list(trial.seeds)}. No patient was "
        "treated. Research software, not for treatment.",
        "",
        "| | published | ours, from run-in | ours, beside control |",
        "|---|---|---|---|",
        f"| HbA1c, points | {published['hba1c_points']:+g} | "
        f"{_told(twin['changes']['hba1c_points'])} | {_told(beside['hba1c_points'])} |",
        f"| hypoglycaemia, % | {published['hypoglycaemia_pct']:+g} | "
        f"{_pct(twin['hypoglycaemia_change_pct'])} | "
        f"{_pct(told['hypoglycaemia_beside_control_pct'])} |",
        "",
        "| group | HbA1c before, after | change | in range, points | below 70, points | "
        "lows a week | worst below 70, % | lowest mg/dL | visits that moved |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_group_line(arm, of) for arm, of in told["groups"].items()),
        "",
        "Means over people with 95 % intervals by resampling them.",
        *_seed_lines(told["by_seed"]),
    ]
    return "\n".join(lines) + "\n"


def _seed_lines(by_seed: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """A table of the seeds, where there is more than one."""
    if len(by_seed) < 2:
        return []
    return [
        "",
        "| seed | HbA1c, points | beside control | hypoglycaemia, % | beside control |",
        "|---|---|---|---|---|",
        *(
            f"| {seed} | {of['hba1c_points']:+.2f} | {of['hba1c_points_beside_control']:+.2f} | "
            f"{_pct(of['hypoglycaemia_pct'])} | {_pct(of['hypoglycaemia_pct_beside_control'])} |"
            for seed, of in by_seed.items()
        ),
    ]


def _group_line(arm: str, of: Mapping[str, Any]) -> str:
    changes = of["changes"]
    cells = [
        arm,
        f"{of['hba1c_before_pct']:.2f}, {of['hba1c_after_pct']:.2f}",
        *(_told(changes[name]) for name in changes),
        f"{of['worst_time_below_70_pct']:.1f}",
        f"{of['lowest_mg_dl']:.0f}",
        f"{of['visits_that_moved']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _told(one: Mapping[str, float]) -> str:
    return f"{one['mean']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"


def _pct(value: float | None) -> str:
    return "no lows before" if value is None else f"{value:+.0f}"
