"""`insula simulate titration` and `dose-trial`: rules that set insulin, lived by virtual people."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from server.run_record import write_atomically
from simulations.dose_trial import markdown, read_trial, report
from simulations.parallel import spread
from simulations.titration import Titrated, Titration, as_dict, jobs_of, table, titrated
from simulations.titration_keep import kept, opened
from simulations.titration_pairs import pairs_table
from simulations.titration_rules import ARMS
from simulations.waiting import measuring
from study.failure import ExitCode, Failure

BESIDE = ("leave alone", "twin")
"""Arms beside which every other is set, on the same people."""

Out = Annotated[Path | None, typer.Option(help="File for the page; none by default.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes to work in.")]
Keep = Annotated[
    Path | None,
    typer.Option(help="Folder for lives lived so far: a stop loses nothing; none by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def titration(
    people: Annotated[int, typer.Option(min=1, help="People in each world and seed.")] = 30,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds, from 1 on.")] = 5,
    weeks: Annotated[int, typer.Option(min=1, help="Weeks, a visit in each.")] = 13,
    arms: Annotated[str, typer.Option(help="Comma between them; all by default.")] = "",
    out: Out = None,
    keep: Keep = None,
    processes: Processes = 2,
    as_json: AsJson = False,
) -> None:
    """Set virtual people's pumps by a guideline, run to run, Autotune, the twin, or not at all.

    The twin's arm takes most of the time: about two seconds for each visit.

    Example: insula simulate titration --people 30 --seeds 5
    """
    chosen = tuple(one.strip() for one in arms.split(",")) if arms else tuple(ARMS)
    _require_known(chosen)
    plan = Titration(people, tuple(range(1, seeds + 1)), chosen, weeks=weeks)
    found = _lived(plan, keep, processes, "living under rules")
    tables = [table(found), *(pairs_table(found, arm) for arm in BESIDE)]
    page = "\n\n".join(one for one in tables if one) + "\n"
    if out is not None:
        write_atomically(out, page)
    print(json.dumps(as_dict(plan, found)) if as_json else page, end="")


def dose_trial(
    protocol: Annotated[Path, typer.Argument(help="Protocol of the trial, YAML.")],
    out: Out = None,
    keep: Keep = None,
    processes: Processes = 2,
    as_json: AsJson = False,
) -> None:
    """Run a trial of insulin doses in silico: one rule beside another, six months, 24 people.

    Example: insula simulate dose-trial simulations/protocols/hybrid-twin.yaml
    """
    trial = read_trial(protocol)
    told = report(trial, _lived(trial.plan(), keep, processes, "living both groups"))
    page = markdown(trial, told)
    if out is not None:
        write_atomically(out, page)
    print(json.dumps(told) if as_json else page, end="")


def _lived(plan: Titration, keep: Path | None, processes: int, name: str) -> list[Titrated]:
    """Everybody in every arm, with a bar; lives of the folder are not lived again."""
    life = partial(titrated, plan) if keep is None else partial(kept, plan, opened(keep, plan))
    jobs = jobs_of(plan)
    with measuring(processes, name, len(jobs)) as (pool, step):
        return spread(life, jobs, pool, step)


def _require_known(arms: tuple[str, ...]) -> None:
    if unknown := sorted(set(arms) - set(ARMS)):
        raise Failure(
            found=f"arms {unknown}",
            expected=f"some of {', '.join(ARMS)}",
            consequence="Nobody was titrated.",
            remedy="write for example --arms 'guideline,twin'",
            code=ExitCode.USAGE,
        )
