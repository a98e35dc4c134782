"""`insula site serve` and `insula site relay`: the two processes of a clinic."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.relay_command import RUNTIME_PORT, Relay, become
from client.site_folder import SETTINGS, read_settings
from study.failure import ExitCode, Failure

Site = Annotated[Path, typer.Argument(help="Site folder.")]
Socket = Annotated[
    Path | None, typer.Option(help="The agent's socket, by default the one that SITE names.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def serve(
    site: Site,
    socket: Socket = None,
    group: Annotated[
        str | None, typer.Option(help="Group that may open the socket too: the relay's.")
    ] = None,
    public_start: Annotated[
        Path | None, typer.Option(help="Public start, by default the one shipped.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of simulated noise, in a rehearsal only.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run the clinic's agent: it reads the site folder and answers the relay until it is stopped.

    Reads site.parquet, protocol.yaml, agreement.json, policy.yaml and the keys; fits heads that are
    not kept yet; listens on a Unix socket. Needs no network. Ends with 0 on SIGTERM.

    Example: insula site serve SITE
    """
    from client.site_serve import Ready, Serving, serve_site
    from study.public_start import SHIPPED

    place = _place(site, socket)
    prose = Console(stderr=True, highlight=False, soft_wrap=True)

    def started(ready: Ready) -> None:
        enrolled = ready.enrolled
        told = f"{len(enrolled.members)} patients enrolled, {enrolled.held_out} held out, "
        told += f"{len(enrolled.left_out)} left out. Answers at {place}."
        prose.print(f"{ready.clinic}, study {ready.protocol.study}: {told}", markup=False)
        for why in enrolled.left_out:
            prose.print(why, markup=False)
        if as_json:
            opened = {"clinic": ready.clinic, "study": ready.protocol.study, "socket": str(place)}
            opened["protocol_sha256"] = ready.protocol.digest()
            print(json.dumps(opened), flush=True)

    serve_site(Serving(site, place, group, public_start or SHIPPED, seed), started)


def relay(
    site: Site,
    superlink: Annotated[
        str | None, typer.Option(help="The study's server as HOST:PORT, if not SITE's own.")
    ] = None,
    socket: Socket = None,
    port: Annotated[
        int, typer.Option(help="Port on the loopback interface for Flower's own processes.")
    ] = RUNTIME_PORT,
    as_json: AsJson = False,
) -> None:
    """Run the clinic's relay: becomes Flower's SuperNode, with the node key and the pinned CA.

    With --json it prints the command and starts nothing.

    Example: insula site relay SITE
    """
    server = superlink or read_settings(site).server
    if not re.fullmatch(r".+:[0-9]{1,5}", server) or "//" in server:
        raise Failure(
            found=f"a server named {server!r}",
            expected="HOST:PORT, without https://",
            consequence="The relay did not start.",
            remedy="ask the coordinator for host and port",
            code=ExitCode.USAGE,
        )
    chosen = Relay(site, _place(site, socket), server, port)
    if as_json:
        print(json.dumps({"command": chosen.command()}))
        return
    become(chosen)


def _place(site: Path, socket: Path | None) -> Path:
    """The agent's socket: the one given, the one in SITE's settings, or SITE/run/agent.sock."""
    if socket is None and (site / SETTINGS).is_file():
        return read_settings(site).socket_in(site)
    return socket or site / "run" / "agent.sock"
