"""Rebuild the public start from virtual and openly published people: `make pretrain`.

The same data on the same machine give the same bytes. Nothing here has seen a clinic of a study.
"""

import argparse
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from models.adapter import learn_basis, quadratic
from models.body import WholeBody
from models.calibration import MINIMUM_READINGS, calibrate
from models.correction import initial_weights
from models.forecast import batch_of
from models.heads import NAMES, prior_head
from models.sharing import PatientData, WeightArray
from models.trace import FloatArray, Trace
from models.training import Schedule, train
from models.windows import Windows, windows_of
from simulations.minimal_world import draw_patients
from simulations.public_people import PUBLIC_SETS, PublicSet, public_traces
from simulations.sensor_shift import shifted
from study.public_start import LOCAL_STEPS, SHIPPED, PublicStart, sha256_of, to_bytes

FEWEST_WINDOWS = 50
CENTRE_SD = 0.5


@dataclass(frozen=True)
class Recipe:
    """All that decides the artefact besides data and code; the defaults are what is shipped."""

    seed: int = 20261123
    virtual_patients: int = 80
    virtual_days: int = 10
    virtual_views: int = 2
    windows_a_view: int = 2000
    steps: int = 4_000
    virtual_steps: int = 2_000
    rate: float = 2e-3
    populations: int = 120
    people_a_population: int = 3
    windows_a_direction: int = 600
    directions: int = 160


Progress = Callable[[str], None]


def pretrain(
    recipe: Recipe, people: Sequence[tuple[PublicSet, Trace]], progress: Progress
) -> PublicStart:
    """The public start of a recipe and of these published people."""
    random = np.random.default_rng(recipe.seed)
    progress("virtual patients of the minimal model")
    virtual = _virtual_views(recipe, random)
    progress("published people, seen through several sensors")
    published = _published_views(people, recipe, random)
    first = initial_weights(recipe.seed)
    progress("body from virtual patients alone")
    virtual_only = _trained(first, virtual, recipe.virtual_steps, recipe)
    progress("body from virtual and published people")
    weights = _trained(first, virtual + published, recipe.steps, recipe)
    progress("public directions from published people and virtual populations")
    members = _thinned(published + _populations(recipe, random), recipe)
    answers = [quadratic(weights, batch_of([one], len(one))) for one in members]
    basis, curvature, variance = learn_basis(answers, recipe.directions)
    progress("public size of a whole-body row")
    units = np.array([_row_size(weights, members[::6], steps) for steps in LOCAL_STEPS])
    return PublicStart(weights, virtual_only, basis, curvature, variance, units)


def _virtual_views(recipe: Recipe, random: np.random.Generator) -> list[Windows]:
    patients = draw_patients(recipe.virtual_patients, recipe.virtual_days, random)
    views = [
        shifted(patient.trace, random) for patient in patients for _ in range(recipe.virtual_views)
    ]
    return _usable(views, recipe.windows_a_view)


def _published_views(
    people: Sequence[tuple[PublicSet, Trace]], recipe: Recipe, random: np.random.Generator
) -> list[Windows]:
    views = [
        trace if view == 0 else shifted(trace, random)
        for group, trace in people
        for view in range(group.views)
    ]
    return _usable(views, recipe.windows_a_view)


def _usable(traces: Sequence[Trace], at_most: int) -> list[Windows]:
    """Windows of the traces long enough to calibrate, with heads fitted as a clinic would."""
    found = [one for trace in traces if (one := windows_or_none(trace)) is not None]
    return [one.thinned(at_most) for one in found if len(one) >= FEWEST_WINDOWS]


def windows_or_none(trace: Trace) -> Windows | None:
    """Windows with a head fitted as a clinic would; None for too few readings."""
    if np.isfinite(trace["glucose_mg_dl"]).sum() < 2 * MINIMUM_READINGS:
        return None
    return windows_of(trace, calibrate([trace], days=int(trace.days) + 1)[0].head)


def _trained(
    first: torch.Tensor, windows: Sequence[Windows], steps: int, recipe: Recipe
) -> WeightArray:
    batch = batch_of(windows, recipe.windows_a_view)
    weights: WeightArray = train(
        first, batch, Schedule(steps, recipe.rate), recipe.seed
    ).weights.numpy()
    return weights


def _populations(recipe: Recipe, random: np.random.Generator) -> list[Windows]:
    """Virtual people of many populations, each seen through one sensor, as clinics' people are."""
    views = []
    for _ in range(recipe.populations):
        centre = random.normal(0.0, CENTRE_SD, len(NAMES))
        sensor = int(random.integers(1 << 30))
        drawn = draw_patients(recipe.people_a_population, recipe.virtual_days, random, centre)
        views += [shifted(one.trace, np.random.default_rng(sensor)) for one in drawn]
    return _usable(views, recipe.windows_a_view)


def _thinned(views: Sequence[Windows], recipe: Recipe) -> list[Windows]:
    return [one.thinned(recipe.windows_a_direction) for one in views]


def _row_size(weights: WeightArray, members: Sequence[Windows], steps: int) -> float:
    body = WholeBody(weights, steps)
    head = prior_head()
    rows = body.rows(body.start(), [PatientData(one.patient, head, one) for one in members])
    return float(np.median(np.linalg.norm(rows, axis=1)))


def data_card(
    recipe: Recipe, start: PublicStart, people: Sequence[tuple[PublicSet, Trace]]
) -> dict[str, object]:
    """What the artefact is made of: recipe, hashes, machine, licences, attribution."""
    return {
        "artefact": "public_start.safetensors",
        "sha256": sha256_of(start),
        "recipe": asdict(recipe),
        "virtual_people": "simulations/minimal_world.py: heads drawn from models.heads.BOOK_PRIOR",
        "published_sets": [
            {
                **asdict(one),
                "people_used": sum(group == one for group, _ in people),
                "sha256_of_glucose": _glucose_sha256([t for g, t in people if g == one]),
            }
            for one in PUBLIC_SETS
        ],
        "never_used": "people of uom and hupa, and the UVA/Padova population",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {np.__version__}",
        "licence_of_weights": "Apache-2.0; the data are not shipped",
    }


def _glucose_sha256(traces: Sequence[Trace]) -> str:
    digest = hashlib.sha256()
    for trace in traces:
        values: FloatArray = trace["glucose_mg_dl"]
        digest.update(values.astype("<f8").tobytes())
    return digest.hexdigest()


def main() -> None:
    """Rebuild the shipped artefact and its data card from `--data`; without it nothing changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    console = Console(stderr=True)
    if not options.data.is_dir():
        console.print(
            f"no published data at {options.data}: the shipped public start stays in use."
        )
        return
    torch.set_num_threads(1)
    recipe, people = Recipe(), public_traces(options.data)
    start = pretrain(recipe, people, console.log)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(to_bytes(start))
    card = json.dumps(data_card(recipe, start, people), indent=2, sort_keys=True)
    options.out.with_suffix(".json").write_text(card + "\n")
    console.log(f"wrote {options.out}, sha256 {sha256_of(start)}")


if __name__ == "__main__":
    main()
