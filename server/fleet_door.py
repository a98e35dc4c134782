"""The one door from the network to the SuperLink: Flower's Fleet API, and nothing beside it.

Flower 1.41 serves three APIs on one port: Fleet for the relays, Runtime for the ServerApp, and
Control, with which anybody who reaches it may start a run, that is, code of their own at the
centre and in every relay. So the SuperLink listens on the loopback interface only, and this door
hands on what is addressed to the Fleet API.
"""

import errno
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from study.failure import ExitCode, Failure

FLEET = "/v1/fleet/"
HEALTH = "/health"
LARGEST_BODY = 64 * 2**20
PATIENCE_S = 60.0
OWN_TO_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Door:
    """Where the door listens and with which certificate; `inner` is the SuperLink as an URL.

    `inner_ca` is the certificate by which the SuperLink is known.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    inner: str
    inner_ca: Path


def application(door: Door, transport: httpx.AsyncBaseTransport | None = None) -> Starlette:
    """The door as an ASGI application; `transport` stands in for the SuperLink in tests."""
    client = _client(door, transport)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def hand_on(request: Request) -> Response:
        if not is_fleet(request.url.path):
            return PlainTextResponse("not here", 404)
        try:
            body = await _body(request)
        except ClientDisconnect:  # the line was cut: nobody is there to hear the answer
            return PlainTextResponse("cut off", 400)
        if body is None:
            return PlainTextResponse("too large", 413)
        headers = [(k, v) for k, v in request.headers.items() if k not in OWN_TO_A_CONNECTION]
        try:
            came = await client.post(request.url.path, content=body, headers=headers)
        except httpx.HTTPError:
            return PlainTextResponse("no SuperLink", 503)
        kept = {k: v for k, v in came.headers.items() if k not in OWN_TO_A_CONNECTION}
        return Response(came.content, came.status_code, kept)

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    routes = [
        Route(HEALTH, health, methods=["GET"]),
        Route("/{path:path}", hand_on, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def is_fleet(path: str) -> bool:
    """Whether a request is for the Fleet API, without a way around in its path."""
    name = path.removeprefix(FLEET)
    return path.startswith(FLEET) and name.isascii() and name.replace("-", "").isalpha()


@contextmanager
def open_door(door: Door) -> Iterator[None]:
    """The door in a thread of its own while the block lasts."""
    config = uvicorn.Config(
        application(door),
        ssl_certfile=str(door.certificate),
        ssl_keyfile=str(door.key),
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    with _listening(door) as listening:
        thread = threading.Thread(target=_serve, args=(server, listening), name="fleet-door")
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    try:
        server.run([listening])
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # uvloop's word for a line that was still open when the time to close was up: it is cut.


@contextmanager
def _listening(door: Door) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        listening = socket.create_server((door.host, door.port), family=family)
    except OSError as error:
        raise Failure(
            found=f"no way to listen at {door.host}:{door.port}: {error.strerror or error}",
            expected="an address of this machine, and a port that is free",
            consequence="The study was not started.",
            remedy="see what listens there, or give another --host or --port",
            code=ExitCode.NO_SUPERLINK,
        ) from error
    with listening:
        yield listening


def _client(door: Door, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    if transport is not None:
        return httpx.AsyncClient(base_url=door.inner, transport=transport)
    trusted = ssl.create_default_context(cafile=str(door.inner_ca))
    return httpx.AsyncClient(
        base_url=door.inner, verify=trusted, timeout=PATIENCE_S, trust_env=False
    )


async def _body(request: Request) -> bytes | None:
    """The whole body, or None once it is longer than any message of a study."""
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > LARGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
