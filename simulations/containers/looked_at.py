"""What a running container really is, read from inside it, and what of that breaks the promise.

The compose file says what is asked; the kernel says what was given: user, capabilities, mounts,
sockets and networks of the container's first process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

NO_FLAGS = "0" * 16
LISTENING, OPEN_DATAGRAMS = "0A", "07"
LOOPBACK_HEX = (
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
)
"""127.0.0.1, ::1 and ::ffff:127.0.0.1 as a little-endian kernel prints them."""
PLACES_OF_THE_ENGINE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")
KERNEL = ("/proc", "/sys", "/dev")
THIS_MACHINE = "127.0.0.1"


class Looks(Protocol):
    """An engine's way into a container."""

    def read(self, container: str, path: str) -> str:
        """A file as the container's own user sees it."""

    def inspect(self, container: str) -> Mapping[str, Any]:
        """All that the engine says of a container."""


@dataclass(frozen=True)
class Mount:
    """A mounted folder or file: where, of what kind, and whether it can be written."""

    place: str
    kind: str
    writable: bool


@dataclass(frozen=True)
class Seen:
    """What was found in one running container; `listening` are addresses in the kernel's hex.

    `published` are the addresses of this machine at which a port of the container is reached.
    """

    name: str
    uids: tuple[int, ...]
    capabilities: Mapping[str, str]
    no_new_privileges: bool
    seccomp: bool
    mounts: tuple[Mount, ...]
    listening: tuple[str, ...]
    interfaces: tuple[str, ...]
    published: tuple[str, ...]

    def mount(self, place: str) -> Mount | None:
        """What is mounted at a place."""
        return next((one for one in reversed(self.mounts) if one.place == place), None)

    @property
    def brought(self) -> dict[str, bool]:
        """Places that come from outside of image, kernel and engine: whether each is writable."""
        own = [one for one in self.mounts if not _is_of_the_system(one)]
        return {one.place: one.writable for one in own}


def look(engine: Looks, container: str) -> Seen:
    """Read everything that `faults` judges from a running container."""
    status = dict(
        line.split(":", 1) for line in engine.read(container, "/proc/1/status").splitlines()
    )
    ports = engine.inspect(container)["NetworkSettings"].get("Ports") or {}
    return Seen(
        name=container,
        uids=tuple(int(word) for word in (status["Uid"] + status["Gid"]).split()),
        capabilities={k: v.strip() for k, v in status.items() if k.startswith("Cap")},
        no_new_privileges=status["NoNewPrivs"].strip() == "1",
        seccomp=status["Seccomp"].strip() == "2",
        mounts=tuple(_mounts(engine.read(container, "/proc/1/mountinfo"))),
        listening=tuple(_listening(engine, container)),
        interfaces=tuple(_interfaces(engine.read(container, "/proc/1/net/dev"))),
        published=tuple(one["HostIp"] or "any" for where in ports.values() for one in where or ()),
    )


def hardening_faults(seen: Seen) -> list[str]:
    """What any container of ours must not be."""
    root = seen.mount("/")
    wrong = {
        "runs as root": 0 in seen.uids,
        "can write to its root": root is None or root.writable,
        "has capabilities": any(flags != NO_FLAGS for flags in seen.capabilities.values()),
        "may gain privileges": not seen.no_new_privileges,
        "has no seccomp filter": not seen.seccomp,
        "publishes a port": any(place != THIS_MACHINE for place in seen.published),
    }
    return [f"{seen.name} {what}" for what, is_so in wrong.items() if is_so]


def agent_faults(seen: Seen) -> list[str]:
    """What an agent must not have: any network, and keys that it could change."""
    allowed = {"/site": True, "/run/insula": True, "/tmp": True}
    kept = {"/site/node": False, "/site/site.key": False}
    wrong = {
        f"has {seen.brought} mounted": seen.brought != allowed | kept,
        f"has networks: {[one for one in seen.interfaces if one != 'lo']}": any(
            one != "lo" for one in seen.interfaces
        ),
        f"listens on {seen.listening}": bool(seen.listening),
    }
    return [f"{seen.name} {what}" for what, is_so in wrong.items() if is_so]


def relay_faults(seen: Seen) -> list[str]:
    """What a relay must not have: data, a place to keep any, a door from outside."""
    allowed = {"/node": False, "/run/insula": False, "/tmp": True}
    outside = [one for one in seen.listening if not is_loopback(one)]
    wrong = {
        f"has {seen.brought} mounted": seen.brought != allowed,
        f"listens on {outside}": bool(outside),
    }
    return [f"{seen.name} {what}" for what, is_so in wrong.items() if is_so]


def is_loopback(address: str) -> bool:
    """Whether a listening address, in the kernel's hex, is of the container itself alone."""
    return address in LOOPBACK_HEX


def _listening(engine: Looks, container: str) -> Iterator[str]:
    """Addresses of TCP sockets that listen, and of UDP sockets that take anybody's datagrams."""
    for protocol, state in (("tcp", LISTENING), ("udp", OPEN_DATAGRAMS)):
        for table in (protocol, f"{protocol}6"):
            rows = engine.read(container, f"/proc/1/net/{table}").splitlines()[1:]
            sockets = [row.split()[1:4] for row in rows]
            yield from (local.split(":")[0] for local, _, is_in in sockets if is_in == state)


def _mounts(table: str) -> Iterator[Mount]:
    for line in table.splitlines():
        fields, of_kind = line.split(" - ", 1)
        _, _, _, _, place, options = fields.split(" ")[:6]
        kind, _, whole = of_kind.split(" ")[:3]
        writable = "rw" in options.split(",") and "rw" in whole.split(",")
        yield Mount(place, kind, writable)


def _is_of_the_system(mount: Mount) -> bool:
    place = mount.place
    return (
        place == "/"
        or place in PLACES_OF_THE_ENGINE
        or place == "/run/secrets"
        or any(place == top or place.startswith(top + "/") for top in KERNEL)
    )


def _interfaces(table: str) -> Sequence[str]:
    return [line.split(":")[0].strip() for line in table.splitlines()[2:]]
