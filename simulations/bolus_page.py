"""What the trial of bolus advice found: figures by cohort and arm, and the page that shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from models.trace import FloatArray
from simulations.bolus_advisor import NAMES
from simulations.bolus_arms import COUNTING, GUIDELINE, RULED, Life, cohorts, private_arm
from simulations.bolus_protocol import BolusTrial
from simulations.bolus_trial import Done
from simulations.titration_pairs import spread_of

MEASURES = ("mean", "time_in_range", "time_below_70", "time_below_54", "time_above_180", "gri")
HARM_IN_RANGE, HARM_BELOW_70 = 2.0, 1.0
"""A person is harmed who loses so many points in range, or spends so many more below 70."""


def report(trial: BolusTrial, done: Done) -> dict[str, Any]:
    """Every cohort's arms beside counting, the promise as the ledgers have it, and the weights."""
    return {
        "trial": trial.trial,
        "in_silico": True,
        "protocol_sha256": trial.digest(),
        "published": dict(trial.published),
        "seeds": list(trial.seeds),
        "enrolled": trial.clinics * trial.patients,
        "lessons": [one.meals for one in done.taught],
        "cohorts": {name: _cohort(name, done.lives) for name in cohorts(trial)},
        "privacy": [
            {"seed": one.seed, "asked_epsilon": epsilon, "clinics": trial.clinics, **asdict(spent)}
            for one in done.taught
            for epsilon, spent in one.spent.items()
        ],
        "weights": {
            "names": list(NAMES),
            "public": done.public.weights.tolist(),
            "federated": [one.together.tolist() for one in done.taught],
        },
    }


def _cohort(name: str, lives: Sequence[Life]) -> dict[str, Any]:
    those = [one for one in lives if one.cohort == name]
    control = _by_person(those, COUNTING)
    ruled = _by_person(those, GUIDELINE)
    arms = dict.fromkeys(one.arm for one in those)
    run_in = [one.before for one in those if one.arm == COUNTING]
    return {
        "people": len(run_in),
        "run_in": {key: float(np.mean([one[key] for one in run_in])) for key in MEASURES},
        "arms": {arm: _arm([o for o in those if o.arm == arm], control, ruled) for arm in arms},
    }


def _by_person(those: Sequence[Life], arm: str) -> dict[str, FloatArray]:
    """Each measure (people,) in order of number, the mean over seeds of teaching."""
    of = [one for one in those if one.arm == arm]
    numbers = sorted({one.number for one in of})
    return {
        key: np.array([np.mean([o.after[key] for o in of if o.number == n]) for n in numbers])
        for key in MEASURES
    }


def _arm(
    of: Sequence[Life], control: Mapping[str, FloatArray], ruled: Mapping[str, FloatArray]
) -> dict[str, Any]:
    mine = _by_person(of, of[0].arm)
    change = {key: mine[key] - control[key] for key in MEASURES}
    seeds = sorted({one.seed for one in of})
    by_seed = [np.mean([o.after["time_in_range"] for o in of if o.seed == s]) for s in seeds]
    in_range, below = change["time_in_range"], change["time_below_70"]
    return {
        "after": {key: float(mine[key].mean()) for key in MEASURES},
        "beside_counting": {key: _interval(change[key]) for key in MEASURES},
        "in_range_beside_guideline": _interval(mine["time_in_range"] - ruled["time_in_range"]),
        "in_range_relative_pct": 100.0 * float(in_range.mean() / control["time_in_range"].mean()),
        "seeds": len(seeds),
        "in_range_sd_over_seeds": float(np.std(by_seed, ddof=1)) if len(seeds) > 1 else None,
        "worst_change_in_range": float(in_range.min()),
        "worst_rise_below_70": float(below.max()),
        "harmed_share": float(np.mean((in_range < -HARM_IN_RANGE) | (below > HARM_BELOW_70))),
        "lowest_mg_dl": min(one.lowest_mg_dl for one in of),
        "mean_factor": float(np.mean([one.factor for one in of])),
    }


def _interval(values: FloatArray) -> dict[str, float]:
    return asdict(spread_of(values))


def markdown(trial: BolusTrial, told: Mapping[str, Any]) -> str:
    """The report as a page: the published figure beside ours, then every arm of each cohort."""
    lines = [f"# {trial.trial}: in silico", "", *_who(trial, told), "", *_beside(trial, told)]
    for name, cohort in told["cohorts"].items():
        lines += ["", f"## {name[0].upper()}{name[1:]}: {cohort['people']} people", ""]
        lines += _table(cohort)
    lines += ["", *_promise(trial, told), "", _CLOSING]
    return "\n".join(lines) + "\n"


def _who(trial: BolusTrial, told: Mapping[str, Any]) -> list[str]:
    return [
        f"{told['enrolled']} virtual adults of {trial.clinics} clinics taught the advisor from "
        f"{trial.days} days each, anew in each of {len(told['seeds'])} seeds "
        f"({', '.join(map(str, told['seeds']))}); adults of worlds A and B whom none of them "
        f"knew lived {trial.weeks} weeks in every arm, the last {trial.last_weeks} counted, "
        f"settings amiss by {100 * trial.amiss:.0f} %. No patient was treated. Research software, "
        "not for treatment.",
    ]


def _beside(trial: BolusTrial, told: Mapping[str, Any]) -> list[str]:
    published = told["published"]["time_in_range_pct"]
    arm = private_arm(trial.epsilons[0])
    lines = [
        f"| time in 70-180 beside counting | published | ours, {arm} |",
        "|---|---|---|",
    ]
    for name, cohort in told["cohorts"].items():
        found = cohort["arms"][arm]
        points = _told(found["beside_counting"]["time_in_range"])
        relative = f"{found['in_range_relative_pct']:+.1f} %"
        lines.append(f"| {name}, relative | {published:+g} % | {relative} |")
        lines.append(f"| {name}, points | {published:+g} if so meant | {points} |")
    return lines


def _table(cohort: Mapping[str, Any]) -> list[str]:
    head = (
        "arm",
        "mean mg/dL",
        "in range %",
        "change, points",
        "beside guideline",
        "< 70 %",
        "< 54 %",
        "> 180 %",
        "GRI",
        "sd over seeds",
        "worst in range",
        "worst < 70",
        "harmed %",
    )
    return [_row(head), _row(["---"] * len(head)), _run_in(cohort["run_in"], len(head))] + [
        _line(arm, of) for arm, of in cohort["arms"].items()
    ]


def _run_in(before: Mapping[str, float], width: int) -> str:
    lows = [f"{before[key]:.2f}" for key in ("time_below_70", "time_below_54")]
    cells = ["*run-in*", f"{before['mean']:.1f}", f"{before['time_in_range']:.1f}", "", "", *lows]
    cells += [f"{before['time_above_180']:.1f}", f"{before['gri']:.1f}"]
    return _row([*cells, *[""] * (width - len(cells))])


def _line(arm: str, of: Mapping[str, Any]) -> str:
    after, sd = of["after"], of["in_range_sd_over_seeds"]
    ruled = "" if arm in (COUNTING, GUIDELINE) else _told(of["in_range_beside_guideline"])
    return _row(
        [
            arm,
            f"{after['mean']:.1f}",
            f"{after['time_in_range']:.1f}",
            "" if arm == COUNTING else _told(of["beside_counting"]["time_in_range"]),
            ruled,
            f"{after['time_below_70']:.2f}",
            f"{after['time_below_54']:.2f}",
            f"{after['time_above_180']:.1f}",
            f"{after['gri']:.1f}",
            "" if sd is None else f"{sd:.2f}",
            f"{of['worst_change_in_range']:+.1f}",
            f"{of['worst_rise_below_70']:+.1f}",
            f"{100 * of['harmed_share']:.0f}",
        ]
    )


def _promise(trial: BolusTrial, told: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Privacy of one patient of the {told['enrolled']}, add/remove, delta {trial.delta:g}, "
        f"from {trial.clinics} verified ledgers each; noise {trial.noise}"
        + (", which protects nobody and is for virtual patients:" if _simulated(trial) else ":"),
        "",
        "| epsilon | mu | sigma, clip norms | releases a clinic |",
        "|---|---|---|---|",
    ]
    first = [one for one in told["privacy"] if one["seed"] == trial.seeds[0]]
    lines += [
        f"| {one['epsilon']:.4f} | {one['mu']:.4f} | {one['sigma']:.3f} | {one['releases']} |"
        for one in first
    ]
    return lines


def _simulated(trial: BolusTrial) -> bool:
    return trial.noise == "simulated"


_CLOSING = (
    "Means over people; 95 % intervals by resampling people, each of whom is the mean of their "
    "lives over seeds. Harmed: two points less in range or one more below 70 than by counting. "
    f'"{RULED.strip()}" is advice on a pump that the guideline sets each week. All is in silico.'
)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _told(one: Mapping[str, float]) -> str:
    return f"{one['mean']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"
