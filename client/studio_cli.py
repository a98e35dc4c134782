"""`insula twin studio`: a page for the clinician, on this machine only."""

import json
import secrets
import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.site_folder import SITE_TABLE
from study.failure import ExitCode, Failure

PORT = 8322


def studio(
    site: Annotated[Path, typer.Option("--site", help=f"Site folder: the one with {SITE_TABLE}.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
    host: Annotated[str, typer.Option(help="Loopback address to listen at.")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show a site's patients and ask their twins in a browser on this machine; stop with Ctrl-C.

    Prints an address and, once, the token to sign in with. Other machines cannot reach it.

    Example: insula twin studio --site sites/manchester
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise Failure(
            found="an installation without a web server, such as the agent's image",
            expected="Insula as `make setup` installs it",
            consequence="No studio was started.",
            remedy="run it beside the site folder on a machine of the clinic, not in the container",
            code=ExitCode.USAGE,
        )
    from client.studio import studio_app
    from study import web_door

    if not web_door.is_loopback(host):
        raise Failure(
            found=f"the address {host}, which other machines may reach",
            expected="this machine's own: 127.0.0.1, ::1 or localhost",
            consequence="No studio was started.",
            remedy="leave --host out; from elsewhere come through `ssh -L`",
            code=ExitCode.USAGE,
        )
    token = secrets.token_urlsafe(24)
    with web_door.listening(host, port, "studio") as door:
        bound = door.getsockname()[1]
        cookie = f"insula-studio-{bound}"
        app = studio_app(site, token, cookie, time.monotonic, lambda: datetime.now().astimezone())
        _tell(web_door.address(host, bound), token, as_json)
        web_door.answer_at(door, app)


def _tell(url: str, token: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": url, "token": token}), flush=True)
        return
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    prose.print("Twin studio, this machine only; Ctrl-C stops it. Sign in with the token:")
    print(f"{url}\n{token}", flush=True)
