"""What lies where in a site folder, and `node/site.yaml`: who the clinic is, where the server is.

SITE itself is the agent's home. SITE/node is all of it that the relay, which the network reaches,
may see; SITE/run holds the socket between the two.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from study.failure import ExitCode, Failure
from study.protocol import Name

NODE, RUN, LEDGER = "node", "run", "ledger"
SETTINGS, NODE_KEY, NODE_PUBLIC, NODE_NUMBER, CA = (
    f"{NODE}/{name}" for name in ("site.yaml", "node.key", "node.pub", "node.number", "ca.pem")
)
SITE_TABLE, REPORT, QUARANTINE = "site.parquet", "site-report.json", "quarantine.csv"
PROTOCOL, LOG = "protocol.yaml", "agent.log"
COMPOSE, COMPOSE_VALUES = "compose.yaml", ".env"
HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
SERVER = re.compile(f"(?P<host>{HOST}):(?P<port>[0-9]{{1,5}})")
LONGEST_SOCKET = 100
"""Bytes of a Unix socket's path that every system takes (Linux 107, others 103)."""


def _server(text: str) -> str:
    found = SERVER.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError("expected HOST:PORT, such as study.example.org:9092")
    return text


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("expected an IANA name such as Europe/London") from error
    return text


class SiteSettings(BaseModel):
    """Which clinic, its server as HOST:PORT, the zone of its clocks, the agent's socket."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    clinic: Name
    server: Annotated[str, AfterValidator(_server)]
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    socket: str = f"{RUN}/agent.sock"

    @property
    def host(self) -> str:
        """The server's name or address, without brackets."""
        return self.server.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The server's port."""
        return int(self.server.rpartition(":")[2])

    def socket_in(self, site: Path) -> Path:
        """Where the agent listens: a relative `socket` is one below the site folder."""
        return site / self.socket


def parse_settings(plain: object, origin: str) -> SiteSettings:
    """Settings from plain values; a Failure names the first that is wrong."""
    try:
        return SiteSettings.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Failure(
            found=f"{origin}: {place}: {first['msg']}",
            expected="clinic, server, time_zone and socket",
            consequence="Nothing was done.",
            remedy="correct it",
            code=ExitCode.USAGE,
        ) from error


def read_settings(site: Path) -> SiteSettings:
    """The settings of a site folder; a Failure if `insula site init` did not make it."""
    path = site / SETTINGS
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(
            found=f"{path}, which cannot be read: {error}",
            expected="the settings of a site",
            consequence="Nothing was done.",
            remedy="name the site folder; `insula site init` makes one",
            code=ExitCode.MISSING_INPUT,
        ) from error
    return parse_settings(plain, str(path))


@contextmanager
def disk(place: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write below `place` into a Failure."""
    try:
        yield
    except OSError as error:
        where = error.filename or place
        raise Failure(
            found=f"{error.strerror or error} at {where}",
            expected=f"a folder {place} that this user may write, with room on its disk",
            consequence="Nothing half written was left.",
            remedy="make room, or give permission to write; then run it again",
            code=ExitCode.NOT_WRITTEN,
        ) from error
