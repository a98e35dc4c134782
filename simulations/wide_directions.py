"""Directions for an adapter learned anew, from virtual populations further apart than the first.

The shipped body stays as it is. The same data on the same machine give the same bytes; no person
of T1D-UOM, of HUPA-UCM or of the UVA/Padova worlds is among those who teach.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from models.adapter import learn_basis, quadratic
from models.forecast import batch_of
from models.heads import NAMES
from models.sharing import WeightArray
from models.trace import STEPS_PER_DAY, Trace
from models.windows import Windows
from simulations.minimal_world import draw_patients
from simulations.pretrain import FEWEST_WINDOWS, Progress, windows_or_none
from simulations.public_people import PUBLIC_SETS, PublicSet, public_traces
from simulations.sensor_shift import shifted
from study.adapter_directions import WIDE, Directions, to_bytes
from study.public_start import read_public_start


@dataclass(frozen=True)
class Recipe:
    """All that decides the directions besides data and code; the defaults are what is shipped.

    `centre_sd` is how far apart populations' heads are centred, in prior sds; the first directions
    had 0.5. People at risk (`colas`) are left out: clinics treat diabetes.
    """

    seed: int = 77
    populations: int = 50
    people_a_population: int = 3
    virtual_days: int = 8
    centre_sd: float = 0.7
    published_days: int = 10
    windows_a_person: int = 400
    directions: int = 160


def learn(
    recipe: Recipe,
    weights: WeightArray,
    published: Sequence[tuple[PublicSet, Trace]],
    progress: Progress,
) -> Directions:
    """The directions of a recipe, around a body and from these published people."""
    random = np.random.default_rng(recipe.seed)
    progress("virtual populations")
    people = list(_virtual(recipe, random))
    progress("published people")
    people += _published(recipe, published, random)
    progress(f"directions from {len(people)} people")
    answers = [quadratic(weights, batch_of([one], len(one))) for one in people]
    return Directions(*learn_basis(answers, recipe.directions))


def _virtual(recipe: Recipe, random: np.random.Generator) -> Iterator[Windows]:
    """People of many populations, each population seen through a sensor of its own."""
    for _ in range(recipe.populations):
        centre = random.normal(0.0, recipe.centre_sd, len(NAMES))
        sensor = int(random.integers(1 << 30))
        for one in draw_patients(recipe.people_a_population, recipe.virtual_days, random, centre):
            yield from _usable(shifted(one.trace, np.random.default_rng(sensor)), recipe)


def _published(
    recipe: Recipe, published: Sequence[tuple[PublicSet, Trace]], random: np.random.Generator
) -> Iterator[Windows]:
    """The first days of published people, every second through another sensor."""
    for place, (_, trace) in enumerate(published):
        few = trace.rows(0, min(len(trace), recipe.published_days * STEPS_PER_DAY))
        yield from _usable(few if place % 2 else shifted(few, random), recipe)


def _usable(trace: Trace, recipe: Recipe) -> list[Windows]:
    found = windows_or_none(trace)
    if found is None or len(found) < FEWEST_WINDOWS:
        return []
    return [found.thinned(600).thinned(recipe.windows_a_person)]


def main() -> None:
    """Learn the shipped directions anew from `--data`; without it nothing changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=WIDE)
    options = parser.parse_args()
    console = Console(stderr=True)
    if not options.data.is_dir():
        console.print(f"no published data at {options.data}: the shipped directions stay in use.")
        return
    torch.set_num_threads(1)
    sets = [one for one in PUBLIC_SETS if one.folder != "colas"]
    people = public_traces(options.data, sets)
    found = learn(Recipe(), read_public_start().weights, people, console.log)
    options.out.write_bytes(to_bytes(found))
    console.log(f"wrote {options.out}")


if __name__ == "__main__":
    main()
