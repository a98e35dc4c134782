"""What every page that Insula serves stands on: a door on this machine, headers, whose name counts.

The dashboard of the centre and the studio of a clinic share this and nothing else.
"""

import socket
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from study.failure import ExitCode, Failure

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""For every answer, beside a content security policy of its own."""


def names_this_machine(host: str) -> bool:
    """Whether a `Host` header is a name under which only this machine is meant.

    A page of the open web whose name was made to point here (DNS rebinding) sends its own name.
    """
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return is_loopback(name[1:-1] if name[:1] + name[-1:] == "[]" else name.lower())


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int, what: str) -> socket.socket:
    """A socket that listens for `what` (for example `dashboard`); a Failure says why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise Failure(
            found=f"port {port} at {host}, which cannot be had: {error}",
            expected="a free port at an address of this machine",
            consequence=f"No {what} was started.",
            remedy="give another --port, or 0 for any free one",
            code=ExitCode.USAGE,
        ) from error


def address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def answer_at(door: socket.socket, app: ASGIApp) -> None:
    """Answer at an open door until a signal comes; no address that is asked for is written down."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[door])
