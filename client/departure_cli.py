"""`insula site leave` and `insula site forget`: taking part no longer, as a clinic or a patient."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.departure import LEFT
from client.departure import leave as mark_left
from client.forgetting import Erased
from client.forgetting import forget as erase
from client.policy import POLICY
from study.failure import ExitCode, Failure

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

STAYS = (
    "Releases already made: they are in the study's body, in other clinics' copies and in reports.",
    "The privacy already spent: the ledger keeps it, and goes on protecting what was released.",
    "Copies outside this folder: exports, backups, pages saved elsewhere, freed disk blocks.",
)
"""What neither command can take back."""


def leave(
    site: Annotated[Path, typer.Argument(help="Site folder.")],
    as_json: AsJson = False,
) -> None:
    """Take this clinic out of the study: the agent releases nothing from now on.

    The mark is on the disk when the command returns, and the agent reads it before each release. It
    says what cannot be undone. Readings, heads and ledger stay with the clinic.

    Example: insula site leave site
    """
    if not (site / POLICY).exists() and not (site / LEFT).exists():
        raise Failure(
            found=f"no {POLICY} in {site}",
            expected="a site folder that takes part in a study",
            consequence="Nothing was changed.",
            remedy="name the site folder",
            code=ExitCode.MISSING_INPUT,
        )
    first = mark_left(site, time.time())
    told = "From now on nothing leaves" if first else "It had left before: nothing leaves"
    _say(f"{told} {site}, not even what was released before and is asked again.")
    if as_json:
        print(json.dumps({"site": str(site), "left": True, "first": first, "stays": STAYS}))


def forget(
    patient: Annotated[str, typer.Argument(help="Whom to forget; `insula twin list` names them.")],
    site: Annotated[Path, typer.Option(help="Site folder.")],
    as_json: AsJson = False,
) -> None:
    """Erase a patient's head, readings and cards at this site; they never take part again.

    A later import does not bring them back: a list names them by pseudonym. A running agent leaves
    them out of its next release. The command says what cannot be undone.

    Example: insula site forget 2301 --site site
    """
    erased = erase(site, patient)
    _say(_in_words(erased, site))
    if as_json:
        print(json.dumps({"site": str(site), **asdict(erased), "stays": STAYS}))


def _in_words(erased: Erased, site: Path) -> str:
    lines = [f"Forgotten. Of {site} were erased or rewritten: {', '.join(erased.files) or 'none'}."]
    for log, count in erased.named_in.items():
        lines.append(f"{count} lines of {log} still name the patient: read and edit it.")
    lines.append("A running agent drops the patient before its next release; restart it to clear")
    return " ".join([*lines, "its memory at once."])


def _say(words: str) -> None:
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    prose.print(words, markup=False)
    prose.print("What cannot be undone:", markup=False)
    for one in STAYS:
        prose.print(f"- {one}", markup=False)
