"""How far a record of events is to be believed: chooses `models.own_effect.CHOSEN`.

Drawn children and adolescents of both worlds exercise for 28 days, as adults do in
`simulations/effect_trials.py`; their twins learn how strongly bouts act, and foretell one more bout
on each of three coming days under every doubt of GRID. Chosen is, of those doubts whose 80 %
intervals held 78 to 82 % of the truths, both measures together, the one of the least interval score
(Gneiting & Raftery 2007, JASA 102:359: width, and 2 / 0.2 times what is missed).
`python -m simulations.own_effect_choice FILE 8` takes 8 of each group and world, some ten minutes
of one processor; each person is a line of FILE as soon as it is found, and those that stand there
already are not made again.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from models.own_effect import Doubt, believed
from simulations.effect_trials import MEASURES, Interval, lives
from simulations.kept_file import add_line, read_lines
from simulations.padova import PadovaError
from simulations.padova_population import draw_patient
from simulations.padova_world import WORLDS, World

GROUPS = ("child", "adolescent")
SEED = 6_000_000
EVENT_SPREADS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
LEARNING_RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
WIDER = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
GRID = tuple(Doubt(*one) for one in product(EVENT_SPREADS, LEARNING_RATES, WIDER))
HELD_PCT = (78.0, 82.0)
MISSED = 2.0 / 0.2
Row = Mapping[str, Any]


def person(group: str, world: World, number: int) -> dict[str, Any] | None:
    """One drawn person's truths and what is foretold of them under each doubt.

    None for who bears no twin, or whose stays all end below 20 mg/dL.

    `said` is (doubts, days, measures, 3): median and ends of the 80 % interval; `true` (days,
    measures).
    """
    chance = [SEED, GROUPS.index(group), WORLDS.index(world), number]
    body, stay = np.random.SeedSequence(chance).spawn(2)
    drawn = draw_patient(group, f"{group}-{number}", np.random.default_rng(body))
    try:
        one = lives(drawn.patient, world, stay)
    except PadovaError:
        return None
    if one is None:
        return None
    said = [_plain(one.foretold(believed(one.told, doubt).belief)) for doubt in GRID]
    true = [[day[name] for name in MEASURES] for _, day in one.days]
    return {"bouts": one.bouts, "said": said, "true": true}


def _plain(days: Iterable[Interval]) -> list[list[list[float]]]:
    return [[[round(x, 3) for x in day[name]] for name in MEASURES] for day in days]


def chosen(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each doubt with coverage (%), interval score and error (mg/dL); the one to take first."""
    true = np.concatenate([row["true"] for row in rows])
    said = np.concatenate([np.asarray(row["said"]) for row in rows], axis=1)
    middle, low, high = np.moveaxis(said, -1, 0)
    held = 100.0 * ((low <= true) & (true <= high)).mean(axis=1)
    missed = np.maximum(low - true, 0.0) + np.maximum(true - high, 0.0)
    score = (high - low + MISSED * missed).mean(axis=(1, 2))
    found = [
        {
            **asdict(doubt),
            "held_pct": dict(zip(MEASURES, held[place].tolist(), strict=True)),
            "both_held_pct": float(held[place].mean()),
            "score": float(score[place]),
            "error_mg_dl": float(np.abs(middle - true)[place].mean()),
        }
        for place, doubt in enumerate(GRID)
    ]
    return sorted(found, key=lambda one: (_off(one["both_held_pct"]), one["score"]))


def _off(held_pct: float) -> float:
    low, high = HELD_PCT
    return max(low - held_pct, held_pct - high, 0.0)


def main(file: Path, people: int) -> None:
    """Adds who is missing to the file, then prints every doubt, the one to take first."""
    rows = read_lines(file)
    known = {row["who"] for row in rows}
    for number, world, group in product(range(people), WORLDS, GROUPS):
        who = f"{group} {world} {number}"
        if who in known:
            continue
        row = {"who": who, "found": person(group, world, number)}
        rows.append(row)
        add_line(file, row)
    found = [row["found"] for row in rows if row["found"] is not None]
    print(len(found), "people")
    for one in chosen(found):
        print(json.dumps(one))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
