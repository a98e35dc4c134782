"""`insula study dashboard`: a run folder in a browser, read only."""

import json
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.dashboard import TOKEN, dashboard_app
from study import web_door
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
    token = None if web_door.is_loopback(host) else secrets.token_urlsafe(24)
    with web_door.listening(host, port, "dashboard") as door:
        url = address(host, door.getsockname()[1], token)
        if as_json:
            print(json.dumps({"run": str(run), "url": url, "token": token}), flush=True)
        else:
            prose = Console(stderr=True, highlight=False, soft_wrap=True)
            prose.print(f"{run}, read only; Ctrl-C stops it", markup=False)
            print(url, flush=True)
        web_door.answer_at(door, dashboard_app(run, token, time.time))


def address(host: str, port: int, token: str | None) -> str:
    """Where a browser finds the dashboard."""
    return web_door.address(host, port) + (f"?{TOKEN}={token}" if token else "")
