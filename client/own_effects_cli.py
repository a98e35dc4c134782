"""`insula twin effects`: how strongly food, exercise and strain act in one patient."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from client.known_twin import known_twin
from client.life_file import EVENTS
from client.own_effects import as_plain, ends, events_of, own_effects, strengths
from client.site_folder import SITE_TABLE
from client.trial_words import catalogue
from client.twin_site import prior_of, trace_of
from models.life_effect import POPULATION
from models.own_effect import OwnEffects


def effects(
    patient: Annotated[str, typer.Argument(help="Whose twin; `insula twin list` names them.")],
    site: Annotated[Path, typer.Option("--site", help=f"Site folder: the one with {SITE_TABLE}.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """How strongly food, exercise, strain and phases act in one patient, learned from the record.

    Bouts (heart rate, or steps), short nights and meals with fat or protein are read from the
    record, others from events.csv in the site folder. Too few events leave the published groups'.

    Example: insula twin effects 2307 --site sites/manchester
    """
    trace, prior = trace_of(patient, site), prior_of(site)
    events = events_of(trace, site / EVENTS)
    own = own_effects(known_twin(trace, prior), events, prior=prior)
    if as_json:
        print(json.dumps({"patient": patient, "effects": as_plain(own)}))
    else:
        _print(own)


def _print(own: OwnEffects) -> None:
    console = Console(highlight=False)
    table = Table("effect", "events", "this person, 80 %", "published groups, 80 %", "unit")
    for place, one in enumerate(strengths(own)):
        told = f"{one.middle:.3g} ({one.low:.3g} to {one.high:.3g})"
        middle, low, high = ends(POPULATION, place)
        table.add_row(
            one.effect.name,
            str(one.events),
            told if one.learned else "as in the groups",
            f"{middle:.3g} ({low:.3g} to {high:.3g})",
            one.effect.unit,
        )
    console.print(table)
    words = catalogue()
    if far := [one.effect.name for one in strengths(own) if one.far]:
        console.print(
            words["caution"].format(text=words["far_effects"].format(names=", ".join(far)))
        )
    console.print(words["research"])
