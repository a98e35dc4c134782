"""What `site check` looks at outside the machine: name, proxy, port, TLS, clock, node key.

Needs SITE/node alone, which is what the relay may see, and no Flower.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path

from client.node_key import read_node_key
from client.node_standing import NodeKey, node_number
from client.preflight import Item, Outcome, Trouble
from client.proxy import proxy_for
from client.server_line import Answer, NoAnswer, Server, ask, connect, secure
from client.site_folder import (
    CA,
    NODE_KEY,
    NODE_NUMBER,
    SiteSettings,
    parse_settings,
    read_settings,
)

LARGEST_OFFSET_S = 5.0
"""Flower refuses a node whose clock is further ahead."""
DATE_STEP_S = 1.1
"""A server's Date is whole seconds, and as old as its last tick."""


@dataclass(frozen=True)
class Surroundings:
    """A site's folder and what is given from outside: environment, clock, another server."""

    site: Path
    environment: Mapping[str, str]
    clock: Callable[[], float] = time.time
    server: str | None = None

    @cached_property
    def settings(self) -> SiteSettings:
        """The site's settings, with the other server if one was named."""
        found = read_settings(self.site)
        if self.server is None:
            return found
        return parse_settings({**found.model_dump(), "server": self.server}, "--server")

    @cached_property
    def line(self) -> Server:
        """The way to the server."""
        settings = self.settings
        proxy = proxy_for(settings.host, settings.port, self.environment)
        return Server(settings.host, settings.port, self.site / CA, proxy)


def network_items(around: Surroundings) -> list[Item]:
    """Everything outside the machine, in the order in which each leans on those before."""
    return [
        Item("settings", lambda: _settings(around), "site-settings"),
        Item("proxy", lambda: _proxy(around), "proxy-setting", ("settings",)),
        Item("name", lambda: _name(around), "dns-unknown", ("proxy",)),
        Item("port", lambda: _port(around), "port-unreachable", ("name",)),
        Item("certificate", lambda: _certificate(around), "tls-certificate", ("port",)),
        Item("clock", lambda: _clock(around), "clock-unmeasured", ("certificate",)),
        Item("node key", lambda: _node_key(around), "node-key-unreadable", ("certificate",)),
    ]


def _settings(around: Surroundings) -> str:
    return f"{around.settings.clinic}, server {around.settings.server}"


def _proxy(around: Surroundings) -> str:
    proxy = around.line.proxy
    return "none" if proxy is None else f"{proxy.host}:{proxy.port}"


def _name(around: Surroundings) -> str:
    if around.line.proxy is not None:
        return "left to the proxy"
    host = around.settings.host
    try:
        found = socket.getaddrinfo(host, around.settings.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        code = "dns-no-answer" if error.errno == socket.EAI_AGAIN else "dns-unknown"
        raise Trouble(code, f"{host}: {error.strerror}") from error
    except (OSError, UnicodeError) as error:
        raise Trouble("dns-unknown", f"{host}: {error}") from error
    return ", ".join(dict.fromkeys(str(one[4][0]) for one in found))


def _port(around: Surroundings) -> str:
    begin = time.monotonic()
    connect(around.line).close()
    return f"connected in {1000 * (time.monotonic() - begin):.0f} ms"


def _certificate(around: Surroundings) -> str:
    with connect(around.line) as line, secure(line, around.line) as safe:
        until = safe.getpeercert()
        return f"{safe.version()}, by the pinned CA, valid until {(until or {}).get('notAfter')}"


def _clock(around: Surroundings) -> str:
    begin = around.clock()
    try:
        answer = ask(around.line, "/health")
    except NoAnswer as none:
        raise Trouble("clock-unmeasured", str(none), Outcome.UNMEASURED) from none
    end = around.clock()
    offset_s = (begin + end) / 2 - _date_of(answer).timestamp() - DATE_STEP_S / 2
    unsure_s = DATE_STEP_S / 2 + (end - begin) / 2
    words = f"this machine {abs(offset_s):.1f} s {'ahead of' if offset_s > 0 else 'behind'} the "
    words += f"server, give or take {unsure_s:.1f} s"
    if unsure_s > LARGEST_OFFSET_S / 2:
        raise Trouble("clock-unmeasured", words, Outcome.UNMEASURED)
    if abs(offset_s) > LARGEST_OFFSET_S:
        raise Trouble("clock-off", words)
    return words


def _date_of(answer: Answer) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError, IndexError) as error:
        words = "the server tells no time"
        raise Trouble("clock-unmeasured", words, Outcome.UNMEASURED) from error


def _node_key(around: Surroundings) -> str:
    key = read_node_key(around.site / NODE_KEY)
    place = around.site / NODE_NUMBER

    def post(path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return ask(around.line, path, body, headers)

    try:
        number = node_number(NodeKey(key, around.clock), _known_number(place), post)
    except NoAnswer as none:
        raise Trouble("node-key-unmeasured", str(none), Outcome.UNMEASURED) from none
    with contextlib.suppress(OSError):  # the relay's folder may be read-only
        place.write_text(f"{number}\n", encoding="ascii")
        os.chmod(place, 0o600)
    return f"registered, node {number}"


def _known_number(place: Path) -> int | None:
    try:
        number = int(place.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return number if 0 < number < 2**64 else None
