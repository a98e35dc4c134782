"""`insula study rehearse`: what a study would give and cost, before any hospital is asked."""

import json
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from server.run_record import write_atomically
from simulations.rehearsal import Place, StandIns, rehearse
from simulations.rehearsal_page import as_dict, markup
from simulations.rehearsal_worth import LEAST_PCT
from study.protocol import read_protocol
from study.public_start import read_public_start

DEFAULT = StandIns()
GROUPS = DEFAULT.groups


def rehearse_command(
    protocol: Annotated[Path, typer.Argument(help="Protocol of the study, YAML.")],
    out: Annotated[Path | None, typer.Option(help="Folder; runs/STUDY-rehearsal if none.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Times, each with other people.")] = 3,
    like: Annotated[
        Literal["child", "adolescent", "adult", "everybody"],
        typer.Option(help="Whom stand-ins for real people are like."),
    ] = "everybody",
    days: Annotated[int, typer.Option(min=4, help="Days of readings of stand-ins.")] = DEFAULT.days,
    least_pct: Annotated[
        float, typer.Option(help="Gain, per cent of the error, that is worth the trouble.")
    ] = LEAST_PCT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Run a study on virtual clinics of the declared sizes and say whether it is worth it.

    Real sources are replaced by virtual people; those that are virtual stay as they are. Writes
    rehearsal.json and rehearsal.html: what is gained beside the public start and the clinics' own
    tuning, with its doubt, epsilon, minutes and megabytes. Minutes for each repeat.

    Example: insula study rehearse study/protocols/demo.yaml --repeats 3
    """
    torch.set_num_threads(1)
    agreed, start = read_protocol(protocol), read_public_start()
    folder = Path("runs") / f"{agreed.study}-rehearsal" if out is None else out
    place, prose = Place(folder, folder.parent / "virtual-clinics"), Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=prose) as bar:
        task = bar.add_task("reading the protocol", total=None)
        found = rehearse(
            agreed,
            start,
            StandIns(GROUPS if like == "everybody" else (like,), days),
            repeats,
            place,
            lambda step: bar.update(task, description=step),
        )
    told = as_dict(found, least_pct)
    text = json.dumps(told, indent=1, allow_nan=False)
    write_atomically(folder / "rehearsal.json", text + "\n")
    write_atomically(folder / "rehearsal.html", markup(found, least_pct))
    if as_json:
        print(json.dumps({"rehearsal": str(folder), **told}, allow_nan=False))
        return
    for line in (told["headline"], *told["reasons"], *told["advice"]):
        prose.print(line, markup=False, highlight=False, soft_wrap=True)
    print(folder / "rehearsal.html")
