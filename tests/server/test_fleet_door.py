"""From the network only Flower's Fleet API can be reached; what is handed on is handed on whole."""

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from server import fleet_door
from server.certificates import make_certificates, utc_now
from server.fleet_door import Door, application, is_fleet, open_door
from server.superlink import free_port
from study.failure import ExitCode, Failure


@pytest.fixture
def door(tmp_path: Path) -> Door:
    make_certificates(tmp_path, ["127.0.0.1"], utc_now())
    own = (tmp_path / "server.pem", tmp_path / "server.key")
    return Door("127.0.0.1", free_port(), *own, "https://inner", tmp_path / "ca.pem")


class SuperLink(httpx.AsyncBaseTransport):
    """Remembers what reached it and answers with the body turned around."""

    def __init__(self) -> None:
        self.came: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.came.append(request)
        return httpx.Response(201, content=body[::-1], headers={"x-own": "yes"})


class Ended:
    """A server that ends with an error of the system."""

    def __init__(self, number: int) -> None:
        self.number = number

    def run(self, sockets: list[socket.socket]) -> None:
        raise OSError(self.number, "")


def test_a_line_still_open_at_the_end_is_cut_and_any_other_error_is_told() -> None:
    with socket.socket() as listening:
        fleet_door._serve(Ended(errno.EBUSY), listening)  # type: ignore[arg-type]
        with pytest.raises(OSError):
            fleet_door._serve(Ended(errno.EIO), listening)  # type: ignore[arg-type]


@pytest.fixture
def inner() -> SuperLink:
    return SuperLink()


@dataclass
class Client:
    """Calls an application as the network would, without one."""

    app: Starlette

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://door") as client:
                return await client.request(method, path, **given)

        return asyncio.run(one())

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.call("POST", path, **given)

    def get(self, path: str) -> httpx.Response:
        return self.call("GET", path)


@pytest.fixture
def client(door: Door, inner: SuperLink) -> Client:
    return Client(application(door, inner))


def test_a_call_of_the_fleet_api_is_handed_on_whole(client: Client, inner: SuperLink) -> None:
    signed = {"flwr-public-key": "abc", "flwr-signature": "def"}
    came = client.post("/v1/fleet/pull-messages", content=b"\x00\x01\x02", headers=signed)
    assert (came.status_code, came.content, came.headers["x-own"]) == (201, b"\x02\x01\x00", "yes")
    (request,) = inner.came
    assert str(request.url) == "https://inner/v1/fleet/pull-messages"
    assert {name: request.headers[name] for name in signed} == signed


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/start-run",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/fleet/../control/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "/v1/fleet/..%2fcontrol%2fstart-run",
        "/v1/fleet//v1/control/start-run",
        "/v1/fleet/",
        "/v1/fleet",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_nothing_else_reaches_the_superlink(path: str, client: Client, inner: SuperLink) -> None:
    assert client.post(path, content=b"x").status_code == 404
    assert client.get(path).status_code in (404, 405)
    assert inner.came == []


def test_the_guard_is_what_holds_them_back(
    client: Client, inner: SuperLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: every path is taken for the Fleet API's."""
    monkeypatch.setattr(fleet_door, "is_fleet", lambda path: True)
    assert client.post("/v1/control/start-run", content=b"x").status_code == 201
    assert len(inner.came) == 1


def test_fleet_paths_are_told_by_their_form() -> None:
    assert is_fleet("/v1/fleet/push-object")
    for path in ("/v1/fleet/a/b", "/v1/fleet/..", "/v1/fleet/a.b", "/v1/fleet/é", "/v2/fleet/a"):
        assert not is_fleet(path)


def test_a_body_longer_than_any_message_goes_no_further(
    client: Client, inner: SuperLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_door, "LARGEST_BODY", 10)
    assert client.post("/v1/fleet/push-object", content=b"x" * 10).status_code == 201
    assert client.post("/v1/fleet/push-object", content=b"x" * 11).status_code == 413
    assert len(inner.came) == 1


def test_a_superlink_that_is_gone_is_a_503(door: Door) -> None:
    class Gone(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

    client = Client(application(door, Gone()))
    assert client.post("/v1/fleet/pull-messages").status_code == 503


def test_the_open_door_speaks_tls_and_tells_its_clock(door: Door) -> None:
    with open_door(door):
        came = httpx.get(f"https://127.0.0.1:{door.port}/health", verify=_trusting(door))
        assert (came.status_code, came.text) == (200, "ok")
        assert came.headers["date"] and "server" not in came.headers
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{door.port}/health")
        gone = f"https://127.0.0.1:{door.port}/v1/fleet/pull-messages"
        assert httpx.post(gone, verify=_trusting(door)).status_code == 503
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://127.0.0.1:{door.port}/health", verify=_trusting(door))


def _trusting(door: Door) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(door.inner_ca))


def test_a_port_that_is_taken_is_said(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        socket.create_server((door.host, door.port)),
        pytest.raises(Failure) as failure,
        open_door(door),
    ):
        raise AssertionError("the door was opened")
    assert failure.value.code is ExitCode.NO_SUPERLINK
    assert str(door.port) in failure.value.found


def test_a_line_that_is_cut_in_a_request_is_no_error_and_nothing_is_handed_on(
    door: Door, inner: SuperLink
) -> None:
    """Half of a body, and nobody there any more."""
    coming = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/fleet/push-messages", "headers": []}
    asyncio.run(application(door, inner)({**scope, "query_string": b""}, receive, send))
    assert sent[0]["status"] == 400 and inner.came == [] and coming == []
