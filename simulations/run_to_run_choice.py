"""How the gain, reference and cap of run to run were chosen: on virtual children and adolescents.

    python -m simulations.run_to_run_choice 6

Of a grid, the setting with the lowest glycaemia risk index of those that leave time below 70 mg/dL,
in both worlds, no higher than a tenth of a point above that of leaving people alone. Nobody of
these is among the adults on whom docs/titration.md reports.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from models.trace import STEPS_PER_DAY
from simulations.padova_world import WORLDS
from simulations.titration import LAST_DAYS
from simulations.titration_people import Recruit, Rule, live_under, recruit, worth
from simulations.titration_rules import RunToRun

SEED, WEEKS, OFF = 9_400_000, 13, 0.2
YOUNG = ("child", "adolescent")
GAINS, REFERENCES_MG_DL, CAPS = (0.0005, 0.001, 0.002), (110.0, 130.0, 150.0), (0.1, 0.2)
MORE_LOWS_POINTS = 0.1


@dataclass(frozen=True)
class Tried:
    """One setting: mean GRI over people, and time below 70 mg/dL of each world, per cent."""

    rule: RunToRun
    gri: float
    below_70: tuple[float, ...]


def candidates() -> tuple[RunToRun, ...]:
    """The grid."""
    return tuple(
        RunToRun(gain, reference, cap, wary)
        for gain, reference, cap, wary in product(GAINS, REFERENCES_MG_DL, CAPS, (False, True))
    )


def chosen(tried: Sequence[Tried], alone_below_70: Sequence[float]) -> Tried:
    """The lowest GRI of those without more lows in any world; of all, the fewest lows, if none."""
    most = np.asarray(alone_below_70) + MORE_LOWS_POINTS
    safe = [one for one in tried if np.all(np.asarray(one.below_70) <= most)]
    if safe:
        return min(safe, key=lambda one: one.gri)
    return min(tried, key=lambda one: max(one.below_70))


def young(people: int) -> list[Recruit]:
    """So many of each group in each world."""
    asked = product(range(people), WORLDS, YOUNG)
    return [recruit(n, world, SEED, 7 * WEEKS, OFF, 0.0, group) for n, world, group in asked]


def lived(rule: Rule | None, people: Sequence[Recruit]) -> tuple[float, tuple[float, ...]]:
    """Mean GRI and, by world, time below 70 mg/dL of the last weeks under a rule."""
    rows = -LAST_DAYS * STEPS_PER_DAY
    found = [worth(live_under(rule, who, 7).glucose_mg_dl[rows:]) for who in people]
    below = tuple(
        float(
            np.mean(
                [
                    one["time_below_70"]
                    for one, who in zip(found, people, strict=True)
                    if who.world == world
                ]
            )
        )
        for world in WORLDS
    )
    return float(np.mean([one["gri"] for one in found])), below


def main(people: int) -> None:
    """Prints the grid and the choice."""
    everybody = young(people)
    gri, alone = lived(None, everybody)
    print(f"{len(everybody)} people; left alone: GRI {gri:.1f}, below 70 {alone}")
    tried = []
    for rule in candidates():
        tried.append(Tried(rule, *lived(rule, everybody)))
        print(tried[-1], flush=True)
    print("chosen:", chosen(tried, alone))


if __name__ == "__main__":
    main(int(sys.argv[1]))
