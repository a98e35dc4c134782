"""`insula site status`: how a site stands, for the clinic's own eyes."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.site_folder import read_settings
from client.site_status import Spent, Status, status_of


def status(
    site: Annotated[Path, typer.Argument(help="Site folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what was spent and released, what was refused last, and who agreed. Nothing leaves.

    It can be asked while the agent runs. The numbers of patients and heads are true ones: keep them
    in the clinic.

    Example: insula site status site
    """
    found = status_of(site)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    zone = ZoneInfo(read_settings(site).time_zone)
    for name, words in _rows(found, zone):
        table.add_row(name, Text(words))
    Console(highlight=False, soft_wrap=True).print(table)


def _rows(found: Status, zone: ZoneInfo) -> list[tuple[str, str]]:
    refusal = found.last_refusal
    last = "none"
    if refusal is not None:
        at = datetime.fromtimestamp(refusal.at_s, zone)
        last = f"{refusal.code} in round {refusal.round}, {at:%Y-%m-%d %H:%M} {zone}"
    return [
        ("clinic", f"{found.clinic}{', which left' if found.left else ''}"),
        ("server", found.server),
        ("study", found.study or "no protocol yet"),
        ("policy", found.policy),
        ("agreement", found.agreement),
        ("patients", "not imported yet" if found.patients is None else str(found.patients)),
        ("heads kept", str(found.heads)),
        ("forgotten", str(found.forgotten)),
        *_spent_rows(found.spent),
        ("last refusal", last),
    ]


def _spent_rows(spent: Spent | None) -> list[tuple[str, str]]:
    if spent is None:
        return []
    epsilon = "unknown" if spent.epsilon is None else f"{spent.epsilon:.3f}"
    rounds = ", ".join(map(str, spent.rounds)) or "none"
    rows = [
        (
            "spent",
            f"epsilon {epsilon} of {spent.epsilon_cap:g} at delta {spent.delta:g} "
            f"(mu {spent.mu:.4f} of {spent.mu_cap:.4f})",
        ),
        ("rounds released", f"{rounds} of {spent.rounds_agreed}"),
    ]
    return [*rows, ("ledger", f"DOES NOT HOLD: {spent.problem}")] if spent.problem else rows
