"""`insula site check`: all that must hold before a clinic takes part, looked at one by one."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.check_network import Surroundings, network_items
from client.preflight import Finding, Item, Outcome, first_trouble, look_at
from study.failure import ExitCode

COLOURS = {
    Outcome.OK: "green",
    Outcome.FAILED: "red",
    Outcome.UNMEASURED: "yellow",
    Outcome.NOT_TESTED: "dim",
}


class Part(StrEnum):
    """What is looked at: the line to the server, or the site folder."""

    NETWORK = "network"
    SITE = "site"


def check(
    site: Annotated[Path, typer.Argument(help="Site folder.")],
    only: Annotated[
        Part | None, typer.Option(help="One part: network (SITE/node is enough) or site.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="HOST:PORT in place of the one in node/site.yaml.")
    ] = None,
    socket: Annotated[
        Path | None, typer.Option(help="The agent's socket, by default as in node/site.yaml.")
    ] = None,
    public_start: Annotated[
        Path | None, typer.Option(help="Public start, by default the one shipped.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Look at everything a round needs, and say what is wrong; exit 0 only if nothing is.

    The line to the server is tried for real; the site folder is read; a dry round is computed that
    spends nothing and of which nothing leaves. docs/site-check.md has each code, cause and remedy.

    Example: insula site check site
    """
    items = (
        [] if only is Part.SITE else network_items(Surroundings(site, os.environ, server=server))
    )
    items += [] if only is Part.NETWORK else _site_items(site, public_start, socket)
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    with prose.status("looking") as status:
        findings = look_at(items, lambda name: status.update(f"looking at: {name}"))
    trouble = first_trouble(findings)
    prose.print(_table(findings))
    for one in findings:
        if one.code:
            prose.print(f"{one.code}: {one.remedy}.", markup=False)
    if as_json:
        first = "" if trouble is None else trouble.code
        told = {"ready": trouble is None, "first": first, "findings": [*map(asdict, findings)]}
        print(json.dumps(told))
    elif trouble is None:
        print("site check: ready" if only is None else f"site check: {only} ready")
    else:
        print(f"site check: not ready: {trouble.code}")
    raise typer.Exit(ExitCode.SUCCESS if trouble is None else ExitCode.NOT_READY)


def _site_items(site: Path, public_start: Path | None, socket: Path | None) -> list[Item]:
    from client.check_site import Home, site_items  # loads torch, which the network needs not
    from study.public_start import SHIPPED

    return site_items(Home(site, public_start or SHIPPED, socket))


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("looked at", "outcome", "found", box=None, pad_edge=False)
    for one in findings:
        table.add_row(one.item, Text(one.outcome, COLOURS[one.outcome]), _plain(one.words))
    return table


def _plain(words: str) -> Text:
    """A stranger's words, such as the names in a certificate: no markup, no control characters."""
    return Text("".join(letter if letter.isprintable() else "?" for letter in words))
