"""`insula study dashboard`: a run folder in a browser, read only."""

import json
import secrets
import socket
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.console import Console

from server.dashboard import TOKEN, dashboard_app
from study.failure import ExitCode, Failure

PORT = 8321


def dashboard(
    run: Annotated[Path, typer.Argument(help="Run folder of a study, finished or not.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show a run folder as web pages, read only, while the study runs and after; stop with Ctrl-C.

    By default only this machine sees it: from elsewhere come through `ssh -L`. Bound to another
    address it asks for a token, which is in the address printed, and goes over the wire in clear.

    Example: insula study dashboard runs/demo
    """
    if not run.is_dir():
        raise Failure(
            found=f"no folder {run}",
            expected="the run folder of a study",
            consequence="No dashboard was started.",
            remedy="give the folder named with --out; it is there once the study has begun",
            code=ExitCode.MISSING_INPUT,
        )
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    with listening(host, port) as door:
        url = address(host, door.getsockname()[1], token)
        if as_json:
            print(json.dumps({"run": str(run), "url": url, "token": token}), flush=True)
        else:
            prose = Console(stderr=True, highlight=False, soft_wrap=True)
            prose.print(f"{run}, read only; Ctrl-C stops it", markup=False)
            print(url, flush=True)
        serve(run, token, door)


def serve(run: Path, token: str | None, door: socket.socket) -> None:
    """Answer at an open door until a signal comes."""
    config = uvicorn.Config(
        dashboard_app(run, token, time.time),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="error",
        access_log=False,  # an address may hold the token
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[door])


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; a Failure says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise Failure(
            found=f"port {port} at {host}, which cannot be had: {error}",
            expected="a free port at an address of this machine",
            consequence="No dashboard was started.",
            remedy="give another --port, or 0 for any free one",
            code=ExitCode.USAGE,
        ) from error


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str, port: int, token: str | None) -> str:
    """Where a browser finds the dashboard."""
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{port}/" + (f"?{TOKEN}={token}" if token else "")
