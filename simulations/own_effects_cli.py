"""`insula simulate own-effects`: what learning from a person's own bouts is worth."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from simulations.effect_trials import as_dict, in_words
from simulations.learned_file import judged_once
from simulations.padova_parameters import public_patients
from simulations.padova_world import WORLDS
from simulations.parallel import spread
from simulations.waiting import measuring


def own_effects(
    people: Annotated[int, typer.Option(min=1, max=10, help="Of the ten public adults.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything they do.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    kept: Annotated[
        Path | None, typer.Option(help="Runs found so far, a line each: none is made twice.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Hold effects of exercise learned from 28 days against bouts that are really lived.

    Public adults of both worlds exercise; what their twins foretell of one more bout on each of
    three coming days stands beside what the same twins say with the published groups' sizes.

    Example: insula simulate own-effects --people 10 --seed 1
    """
    adults = [one for one in public_patients() if one.group == "adult"][:people]
    jobs = [(adult, world) for world in WORLDS for adult in adults]
    with measuring(processes, "living, learning and foretelling", len(jobs)) as (pool, step):
        found = spread(partial(judged_once, kept, seed), jobs, pool, step)
    told = [one for one in found if one is not None]
    print(json.dumps(as_dict(told)) if as_json else in_words(told))
