"""`insula simulate policy`: a dosing policy trained on twins, judged where it was not."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from simulations.padova_parameters import public_patients
from simulations.padova_world import WORLDS
from simulations.parallel import crew, spread
from simulations.policy_world import DAYS, as_dict, judge, markdown
from simulations.trained_policy import SHIPPED, Plan, Trained, read_trained, write_trained
from study.failure import ExitCode, Failure


def policy(
    retrain: Annotated[
        bool, typer.Option("--train", help="First train anew, and write the policy to --file.")
    ] = False,
    file: Annotated[Path, typer.Option(help="The policy, JSON; the shipped one.")] = SHIPPED,
    people: Annotated[int, typer.Option(min=1, max=10, help="Of the ten public adults.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="How many stays of each.")] = 3,
    days: Annotated[int, typer.Option(min=1, help="Days of each stay.")] = DAYS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Let public adults of both worlds live under a policy that never met them.

    Beside it: the person's own settings, and a pump that stops before a low. Training takes drawn
    children and adolescents, in twins alone (docs/policies.md).

    Example: insula simulate policy --people 10 --seeds 3
    """
    adults = [one for one in public_patients() if one.group == "adult"][:people]
    with Progress(console=Console(stderr=True)) as bar, crew(processes) as pool:
        task = bar.add_task("reading the policy", total=None)
        if retrain:
            step = partial(bar.update, task)
            write_trained(_trained(Plan(seed), lambda what: step(description=what)), file)
        trained = read_trained(file)
        jobs = [(adult, world, n) for world in WORLDS for adult in adults for n in range(seeds)]
        bar.update(task, description="living under it", total=len(jobs))
        work = partial(judge, trained.policy, days)
        found = spread(work, jobs, pool, lambda: bar.advance(task))
    record = {"reward": {"trained": trained.reward, "suspend": trained.suspend, "own": trained.own}}
    print(json.dumps({**record, **as_dict(found)}) if as_json else markdown(found))


def _trained(plan: Plan, step: Callable[[str], None]) -> Trained:
    """A policy trained now; a Failure where the extra `learn` is not installed."""
    try:
        from simulations.policy_training import train, training_grounds
    except ImportError as error:
        raise Failure(
            found=f"no gymnasium ({error})",
            expected="the extra `learn`",
            consequence="No policy was trained.",
            remedy="pip install -e '.[learn]', or judge the shipped policy without --train",
            code=ExitCode.MISSING_INPUT,
        ) from error
    return train(plan, training_grounds(plan), step)
