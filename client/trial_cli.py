"""`insula twin try`: a scenario on a patient's twin."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from client.life_file import EVENTS
from client.own_effects import events_of
from client.scenario_file import read_scenario
from client.site_folder import SITE_TABLE
from client.site_table import write_whole
from client.trial import ASKED, Trial, as_dict, try_out
from client.trial_page import MEASURE_NAMES, trial_page
from client.trial_words import catalogue, sentences
from client.twin_site import prior_of, trace_of


def try_scenario(
    patient: Annotated[str, typer.Argument(help="Whose twin; `insula twin list` names them.")],
    scenario: Annotated[Path, typer.Argument(help="YAML file; docs/scenarios.md has the keys.")],
    site: Annotated[Path, typer.Option("--site", help=f"Site folder: the one with {SITE_TABLE}.")],
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First local day; the latest ones if absent."),
    ] = None,
    correction_factor: Annotated[
        float | None, typer.Option(min=1.0, help="mg/dL that 1 U takes off, as the clinic has it.")
    ] = None,
    habits: Annotated[
        bool, typer.Option("--habits", help="On days drawn from this patient's habits instead.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="HTML page with curves and reasons.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Try doses, meals, exercise or illness on a patient's twin for one to three days.

    Each of the twins that fit the record lives its own recorded days again, as they were and as the
    file has them; the answer is what differs, with its 80 % interval. With --habits they live days
    whose meals and boluses are drawn from the record, and --day counts for nothing.

    Example: insula twin try 2301 docs/scenarios/earlier-breakfast-bolus.yaml --site sites/one
    """
    asked = read_scenario(scenario)
    first = None if day is None else day.date()
    known = replace(ASKED, correction_mg_dl_per_u=correction_factor)
    trace = trace_of(patient, site)
    events = events_of(trace, site / EVENTS)
    trial = try_out(trace, asked, prior_of(site), first, known, events, habits)
    result = as_dict(trial)
    told = sentences(result, asked)
    if out is not None:
        write_whole(out, trial_page(trial, told).encode())
    if as_json:
        print(json.dumps({**result, "sentences": told}))
    else:
        _print(trial, told, out)


def _print(trial: Trial, told: list[str], out: Path | None) -> None:
    console = Console(highlight=False)
    table = Table("", "as recorded", "tried", "change", "80 % of the twins")
    for name, label in MEASURE_NAMES.items():
        shift = trial.outcome.shifts[name]
        table.add_row(
            label,
            f"{trial.outcome.before[name]:.1f}",
            f"{trial.outcome.after[name]:.1f}",
            f"{shift.middle:+.1f}",
            f"{shift.low:+.1f} to {shift.high:+.1f}",
        )
    console.print(table)
    words = catalogue()
    cautions = [*trial.calibration.flags, *trial.cautions]
    for line in (*told, *(words["caution"].format(text=one) for one in cautions)):
        console.print(line, markup=False)
    console.print(words["research"])
    if out is not None:
        console.print(f"Curves: {out}", markup=False)
