"""`insula study certificates | start | status | resume`: the centre of a study over the network."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from server import deployment
from server.certificates import make_certificates, utc_now
from server.deployment_status import Status
from server.deployment_status import status as status_of
from study.public_start import SHIPPED

Run = Annotated[Path, typer.Argument(help="Run folder that `insula study start` wrote.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def certificates(
    folder: Annotated[Path, typer.Argument(help="New folder for ca.pem, server.pem, server.key.")],
    host: Annotated[
        list[str], typer.Option(help="Name or address of the server; may be repeated.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make a CA and the server's certificate: what the sites pin, and what the server shows.

    The CA's key is not kept, so that nobody can make a second server. Valid for a year.

    Example: insula study certificates tls --host study.example.org
    """
    sha256 = make_certificates(folder, host, utc_now())
    _say(f"Send {folder / 'ca.pem'} to every site, and read its SHA-256 to them by telephone.")
    print(json.dumps({"folder": str(folder), "ca_sha256": sha256}) if as_json else sha256)


def start(
    protocol: Annotated[Path, typer.Argument(help="Protocol file, YAML.")],
    out: Annotated[Path, typer.Option(help="New run folder.")],
    tls: Annotated[Path, typer.Option(help="Folder with ca.pem, server.pem and server.key.")],
    nodes: Annotated[Path, typer.Option(help="YAML file `clinic: public node key`.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 9092,
    public_start: Annotated[
        Path | None, typer.Option(help="Public start, by default the one shipped.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study over the network until its last round is over; what it starts ends with it.

    Relays of the clinics in NODES may connect, over TLS and by their key; nobody else is let in.

    Example: insula study start PROTOCOL --out RUN --tls DIR --nodes FILE
    """
    terms = deployment.Terms(
        protocol=str(protocol.resolve()),
        public_start=str((public_start or SHIPPED).resolve()),
        tls=str(tls.resolve()),
        nodes=str(nodes.resolve()),
        host=host,
        port=port,
    )
    with _stopped_by_sigterm():
        deployment.start(terms, out, _say)
    _told(out, as_json)


def resume(run: Run, as_json: AsJson = False) -> None:
    """Go on with a study that stopped; it ends with the bytes it would have ended with.

    Example: insula study resume RUN
    """
    with _stopped_by_sigterm():
        deployment.resume(run, _say)
    _told(run, as_json)


def status(run: Run, as_json: AsJson = False) -> None:
    """Say where a study stands: phase, round, who took part, seconds.

    Example: insula study status RUN
    """
    _told(run, as_json)


def _told(run: Path, as_json: bool) -> None:
    found = status_of(run, time.time())
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print(in_words(found))


def in_words(found: Status) -> str:
    """The status as a coordinator reads it, a line a round."""
    lines = [f"{found.study}: {found.state}, round {found.round} of {found.rounds}, {found.phase}"]
    if found.state != "finished":
        lines[0] += f" for {found.seconds:.0f} s"
    for one in found.done:
        missing = "".join(f", {name} {code}" for name, code in one.refused.items())
        took_part = ", ".join(one.took_part)
        lines.append(f"round {one.round}: {took_part} took part{missing}; {one.seconds:.0f} s")
    if found.failure:
        lines.append(f"It stopped because of {found.failure}")
    return "\n".join(lines)


def _say(words: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(words, markup=False)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM is an interrupt: what was started is stopped, finished rounds are kept."""

    def interrupt(number: int, frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
