"""Dosing policies in the UVA/Padova world: people whom no policy was trained on live under them.

Each lives two weeks of world A or B with meals, counting errors, missed and late boluses, rescues
and corrections of their own (`living`), once under each policy, by the same dice. A policy sees the
sensor, never true glucose; half an hour without a reading gives the pump back to its schedule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.outcome import measures
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray
from simulations.active_insulin import ActiveInsulin
from simulations.dosing_policy import HISTORY, OWN, SUSPEND, Policy, Seen
from simulations.effects_people import cast
from simulations.living import all_day
from simulations.padova_parameters import PadovaPatient
from simulations.padova_world import World

DAYS = 14
WITHOUT_ROWS = 6
TOLD = ("mean", "time_in_range", "time_below_70", "time_below_54", "gri")
ARMS = ("own", "suspend", "trained")
SEEDS_FROM = 5_000_000


@dataclass(frozen=True)
class Judged:
    """One adult: measures of true glucose under each arm, by name."""

    patient: str
    world: World
    seed: int
    arms: Mapping[str, Mapping[str, float]]


def judge(trained: Policy, days: int, who: tuple[PadovaPatient, World, int]) -> Judged:
    """One adult's weeks under their own settings, the pump's rule and the trained policy."""
    arms = dict(zip(ARMS, (OWN, SUSPEND, trained), strict=True))
    return judged(arms, days, who)


def judged(arms: Mapping[str, Policy], days: int, who: tuple[PadovaPatient, World, int]) -> Judged:
    """One person's weeks under each of these policies, by name, all by the same dice."""
    patient, world, seed = who
    found = {}
    for name, policy in arms.items():
        glucose = lived_under(policy, patient, world, seed, days)
        found[name] = {key: float(value) for key, value in measures(glucose).items()}
    return Judged(patient.name, world, seed, found)


def lived_under(
    policy: Policy, patient: PadovaPatient, world: World, seed: int, days: int
) -> FloatArray:
    """True glucose (n,), mg/dL every five minutes; the seed is all of chance in it."""
    chance = np.random.SeedSequence([SEEDS_FROM + seed, *map(ord, world)])
    person = cast(patient, world, chance, days)
    stay, usual, basal = person.begin(), all_day(person.person), person.person.basal_u_per_h
    seen, active, silent = np.full(HISTORY, np.nan), ActiveInsulin(), 0
    glucose = np.empty(days * STEPS_PER_DAY)
    for step in range(len(glucose)):
        reading = stay.reading(step)
        silent = silent + 1 if np.isnan(reading) else 0
        seen = np.append(seen[1:], seen[-1] if np.isnan(reading) else reading)
        blind = silent > WITHOUT_ROWS or np.isnan(seen).any()
        rate, bolus = (1.0, 1.0) if blind else policy(Seen(seen, active.units, basal))
        life = stay.lived(usual * (rate, 1.0 / bolus, 1.0), (step, step + 1))
        glucose[step] = life.glucose_mg_dl[0]
        above = (float(life.basal_u_per_h[0]) - basal) * STEP_MIN / 60.0
        active.give(float(life.bolus_u.sum()) + above)
    return glucose


def summary(people: Sequence[Judged]) -> dict[str, object]:
    """Of each arm: means over adults, the spread over seeds of that mean, and the worst adult."""
    return {arm: _of_arm(people, arm) for arm in ARMS}


def _of_arm(people: Sequence[Judged], arm: str) -> dict[str, object]:
    def mean(name: str, those: Sequence[Judged]) -> float:
        return float(np.mean([one.arms[arm][name] for one in those]))

    by_seed = [[one for one in people if one.seed == seed] for seed in {p.seed for p in people}]
    return {
        **{name: mean(name, people) for name in TOLD},
        "sd_over_seeds": {
            name: float(np.std([mean(name, those) for those in by_seed])) for name in TOLD
        },
        "worst_time_in_range": min(one.arms[arm]["time_in_range"] for one in people),
        "worst_time_below_70": max(one.arms[arm]["time_below_70"] for one in people),
    }


def as_dict(people: Sequence[Judged]) -> dict[str, object]:
    """The summary of each world and everybody, as plain values."""
    return {
        "summary": {world: summary(those) for world, those in _by_world(people).items()},
        "people": [asdict(one) for one in people],
    }


def markdown(people: Sequence[Judged]) -> str:
    """The summary as a table."""
    lines = [
        "| world, policy | mean, mg/dL | in range, % | below 70, % | below 54, % | GRI | least in "
        "range, % | most below 70, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for world, those in _by_world(people).items():
        for arm, found in summary(those).items():
            lines.append(f"| {world}, {arm} | " + " | ".join(_cells(found)) + " |")
    return "\n".join(lines)


def _cells(found: object) -> list[str]:
    plain: dict[str, Any] = dict(found)  # type: ignore[call-overload]
    spread = plain["sd_over_seeds"]
    told = [f"{plain[name]:.1f} ({spread[name]:.1f})" for name in TOLD]
    return [*told, f"{plain['worst_time_in_range']:.0f}", f"{plain['worst_time_below_70']:.1f}"]


def _by_world(people: Sequence[Judged]) -> dict[str, list[Judged]]:
    worlds = sorted({one.world for one in people})
    return {world: [one for one in people if one.world == world] for world in worlds}
