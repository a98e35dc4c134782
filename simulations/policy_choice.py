"""How much lows count in the reward of the shipped policy: chosen on children and adolescents.

A policy is trained for each weight of WEIGHTS, as `insula simulate policy --train` trains one, and
lived under for two weeks by drawn children and adolescents of both worlds whom no training met.
Chosen is, of those that leave no more time below 70 mg/dL than own settings do in either world, the
one of the least glycaemia risk index over both; where none does, the one with the least time below
70 mg/dL. No adult has a part in it. `python -m simulations.policy_choice FOLDER` takes some ten
minutes of one processor; each policy and each person is kept in FOLDER as soon as it is found.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from simulations.dosing_policy import OWN, SUSPEND, Policy
from simulations.kept_file import add_line, read_lines
from simulations.padova_parameters import PadovaPatient
from simulations.padova_population import draw_patient
from simulations.padova_world import WORLDS, World
from simulations.policy_training import GROUPS, train, training_grounds
from simulations.policy_world import DAYS, judged
from simulations.trained_policy import Plan, read_trained, write_trained

WEIGHTS = (1.0, 2.0, 4.0, 8.0)
PEOPLE = 6
"""Of each group; each lives in both worlds."""
SEED = 8_000_000
STAY = 1_000
"""The seed of a stay: none of those by which adults are judged."""
Rows = Sequence[Mapping[str, Any]]


def label(weight: float) -> str:
    """The arm of a weight."""
    return f"lows x {weight:g}"


def policies(folder: Path) -> dict[str, Policy]:
    """Own settings, the pump's rule, and a policy of each weight: trained, or read if it was."""
    arms, grounds = {"own": OWN, "suspend": SUSPEND}, None
    for weight in WEIGHTS:
        file = folder / f"policy-{weight:g}.json"
        plan = Plan(low_weight=weight)
        if not file.exists():
            grounds = training_grounds(plan) if grounds is None else grounds
            write_trained(train(plan, grounds), file)
        arms[label(weight)] = read_trained(file).policy
    return arms


def people() -> Iterator[tuple[PadovaPatient, World, int]]:
    """Who lives under them, in which world, by which dice."""
    for number in range(PEOPLE):
        for place, group in enumerate(GROUPS):
            chance = np.random.default_rng([SEED, place, number])
            drawn = draw_patient(group, f"{group}-{number}", chance)
            for world in WORLDS:
                yield drawn.patient, world, STAY + number


def means(rows: Rows, name: str, world: str | None = None) -> dict[str, float]:
    """Mean over people of a measure in each arm, in one world or both."""
    those = [row["arms"] for row in rows if world in (None, row["world"])]
    return {arm: float(np.mean([one[arm][name] for one in those])) for arm in those[0]}


def chosen(rows: Rows) -> str:
    """The arm to ship, by the rule above."""
    trained: list[str] = [arm for arm in rows[0]["arms"] if arm not in ("own", "suspend")]
    lows = [means(rows, "time_below_70", world) for world in WORLDS]
    safe = [arm for arm in trained if all(one[arm] <= one["own"] for one in lows)]
    least = means(rows, "gri" if safe else "time_below_70")
    return min(safe or trained, key=lambda arm: least[arm])


def main(folder: Path) -> None:
    """Adds what is missing to the folder, then prints every arm and the one to ship."""
    folder.mkdir(parents=True, exist_ok=True)
    arms, file = policies(folder), folder / "people.jsonl"
    rows = read_lines(file)
    for who in people():
        if any((row["patient"], row["world"]) == (who[0].name, who[1]) for row in rows):
            continue
        rows.append(asdict(judged(arms, DAYS, who)))
        add_line(file, rows[-1])
    for world in WORLDS:
        for name in ("mean", "time_in_range", "time_below_70", "time_below_54", "gri"):
            told = {arm: round(value, 2) for arm, value in means(rows, name, world).items()}
            print(world, name, told)
    print("to ship:", chosen(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
