"""`insula twin plan`: the settings a patient's twin would try next."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from client.plan_words import plan_sentences
from client.site_folder import SITE_TABLE
from client.trial_words import catalogue
from client.twin_plan import as_dict, propose
from client.twin_site import prior_of, trace_of
from models.levers import PUMP, Steps


def plan_settings(
    patient: Annotated[str, typer.Argument(help="Whose twin; `insula twin list` names them.")],
    site: Annotated[Path, typer.Option("--site", help=f"Site folder: the one with {SITE_TABLE}.")],
    correction_factor: Annotated[
        float | None, typer.Option(min=1.0, help="mg/dL that 1 U takes off, as the clinic has it.")
    ] = None,
    basal_step: Annotated[
        float, typer.Option(min=0.01, help="Smallest step of the pump's rate, U/h.")
    ] = PUMP.basal_u_per_h,
    pen_step: Annotated[
        float, typer.Option(min=0.1, help="Smallest step of the pen for long-acting insulin, U.")
    ] = PUMP.long_acting_u,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Look for better basal rates, carb ratios or long-acting dose within a fifth of today's.

    Proposes nothing, and says why, where the twin's quality card is poor, where the best change may
    as well do nothing, or where the record cannot tell.

    Example: insula twin plan 2307 --site sites/manchester
    """
    steps = Steps(basal_u_per_h=basal_step, long_acting_u=pen_step)
    proposal = propose(trace_of(patient, site), prior_of(site), steps, correction_factor)
    result = as_dict(proposal)
    told = plan_sentences(result)
    if as_json:
        print(json.dumps({**result, "sentences": told}))
        return
    console = Console(highlight=False)
    table = Table("setting", "today", "proposed", "unit")
    for lever in proposal.levers:
        found = {} if proposal.found is None or proposal.refused else proposal.found.setting
        new = f"{found[lever.name]:g}" if lever.name in found else "as it is"
        table.add_row(lever.name, f"{lever.today:.3g}", new, lever.unit)
    console.print(table)
    for line in (*told, *(f"Caution: {one}" for one in proposal.cautions)):
        console.print(line, markup=False)
    console.print(catalogue()["research"])
