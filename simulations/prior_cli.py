"""`insula simulate prior` and its like: what a learned population of heads is worth."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from simulations.prior_page import as_dict as priors_as_dict
from simulations.prior_page import markdown as priors_markdown
from simulations.prior_real import as_dict as real_as_dict
from simulations.prior_real import markdown as real_markdown
from simulations.prior_real import run_real_study
from simulations.prior_study import SIZE, Group, PriorPlan, run_prior_study
from simulations.prior_teachers import PriorRelease, write_virtual_prior
from simulations.waiting import counting

About = Annotated[
    Literal["book", "virtual"], typer.Option(help="Public prior that the releases start from.")
]
Whom = Annotated[Group, typer.Option(help="Of whom, those who teach and those who are judged.")]
Page = Annotated[Path | None, typer.Option(help="Markdown file for the tables.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes to work in.")]


def prior(
    world: Annotated[
        Literal["A", "B"], typer.Option(help="The easier world, or the harder.")
    ] = "A",
    size: Annotated[
        Literal["small", "middle", "large"],
        typer.Option(help="3 clinics of 7 who teach, 4 of 18, or 10 of 50."),
    ] = "middle",
    about: About = "virtual",
    known: Annotated[
        bool, typer.Option("--known", help="Clinics know the new patients' factors already.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="3 days alone, epsilon 8 alone, one draw of noise.")
    ] = False,
    out: Page = None,
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """What a learned prior of heads is worth to new patients with 1 to 14 days, and privately.

    Heads of those who teach are kept in runs/prior-teachers, so that a second run is short.

    Example: insula simulate prior --size middle --world A
    """
    plan = PriorPlan(world, *SIZE[size], known=known, release=PriorRelease(about=about))
    if quick:
        plan = plan.quick
    with counting(processes) as (pool, step):
        study = run_prior_study(plan, pool, step, Path("runs") / "prior-teachers")
    _hand_out(priors_as_dict(study), priors_markdown(study), out, as_json)


def prior_again(
    world: Annotated[
        Literal["A", "B"], typer.Option(help="The easier world, or the harder.")
    ] = "A",
    size: Annotated[
        Literal["small", "middle", "large"], typer.Option(help="As of `prior`.")
    ] = "middle",
    group: Whom = "adult",
    splits: Annotated[int, typer.Option(min=1, help="Each of other teachers and patients.")] = 4,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the noise for each split.")] = 20,
    people: Annotated[int, typer.Option(min=1, help="New patients who are judged, a split.")] = 8,
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The same at 3 days of data about the virtual prior, over many people and draws of the noise.

    Heads are fitted once; each draw is another release of them, and everybody is judged under each.

    Example: insula simulate prior-again --splits 4 --draws 20 --people 8
    """
    plan = PriorPlan(world, *SIZE[size], people, (3,), draws=draws, splits=splits)
    plan = replace(plan, release=PriorRelease(about="virtual"), group=group)
    with counting(processes) as (pool, step):
        study = run_prior_study(plan, pool, step, Path("runs") / "prior-teachers")
    _hand_out(priors_as_dict(study), priors_markdown(study), None, as_json)


def prior_real(
    data: Annotated[Path, typer.Argument(help="Folder with the data set uom.")],
    about: About = "virtual",
    out: Page = None,
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The same on real people with insulin and meals on record: forecasts of days not seen.

    Example: insula simulate prior-real ../shared/data
    """
    plan = PriorPlan(release=PriorRelease(about=about))
    with counting(processes) as (pool, step):
        study = run_real_study(plan, data, pool, step)
    _hand_out(real_as_dict(study), real_markdown(study), out, as_json)


def prior_virtual(
    out: Annotated[Path, typer.Argument(help="Where the prior is to be written.")],
    processes: Processes = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Learn the virtual people's prior of heads anew, from children and adolescents.

    Example: insula simulate prior-virtual study/artefacts/virtual_head_prior.json
    """
    with counting(processes) as (pool, step):
        people = write_virtual_prior(pool, partial(step, "virtual people"), out)
    print(json.dumps({"prior": str(out), "people": people}) if as_json else out)


def _hand_out(record: dict[str, object], page_text: str, out: Path | None, as_json: bool) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page_text, encoding="utf-8")
    print(json.dumps(record) if as_json else page_text)
