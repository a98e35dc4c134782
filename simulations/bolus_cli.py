"""`insula simulate bolus-trial`: advice on meal boluses, taught under privacy, judged in silico."""

import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from server.run_record import write_atomically
from simulations.bolus_page import markdown, report
from simulations.bolus_protocol import read_bolus_trial
from simulations.bolus_trial import run_bolus_trial, steps_of
from simulations.parallel import crew


def bolus_trial(
    protocol: Annotated[Path, typer.Argument(help="Protocol of the trial, YAML.")],
    out: Annotated[Path | None, typer.Option(help="File for the page; none by default.")] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder of what is done, to go on from, and of ledgers; else temporary."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Teach bolus advice in virtual clinics under privacy, and let new people live under it.

    What --keep holds is of one version of the program: remove it after a change.

    Example: insula simulate bolus-trial simulations/protocols/bolus-advice.yaml --keep runs/bolus
    """
    trial = read_bolus_trial(protocol)
    with ExitStack() as open_now:
        folder = keep or Path(open_now.enter_context(TemporaryDirectory()))
        bar = open_now.enter_context(Progress(console=Console(stderr=True)))
        pool = open_now.enter_context(crew(processes))
        task = bar.add_task("public people", total=steps_of(trial))
        done = run_bolus_trial(
            trial, folder, pool, lambda what: bar.update(task, advance=1, description=what)
        )
    told = report(trial, done)
    page = markdown(trial, told)
    if out is not None:
        write_atomically(out, page)
    print(json.dumps(told) if as_json else page, end="")
