"""What is read from a running container, and that each broken promise is seen."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from simulations.containers.looked_at import (
    Mount,
    Seen,
    agent_faults,
    hardening_faults,
    look,
    relay_faults,
)

STATUS = """\
Name:\tpython
Uid:\t10001\t10001\t10001\t10001
Gid:\t10001\t10001\t10001\t10001
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
"""
MOUNTS = """\
612 500 0:62 / / ro,relatime - overlay overlay rw,lowerdir=a
613 612 0:65 / /proc rw,nosuid - proc proc rw
614 612 0:66 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k
615 612 0:24 /h /etc/hosts rw,relatime - tmpfs tmpfs rw
616 612 0:67 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=1m
617 612 254:0 /x/node /node ro,relatime - ext4 /dev/vda rw
618 612 0:54 / /run/insula ro,relatime - tmpfs tmpfs rw,mode=700
"""
DEVICES = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\n"
HEAD = "  sl  local_address rem_address   st tx_queue\n"
TCP = HEAD + "   0: 0100007F:2386 00000000:0000 0A 0:0\n   1: 0200000A:9C40 0100000A:2384 01 0:0\n"


class Container:
    """A container whose files are given."""

    def __init__(self, **files: str) -> None:
        self.files = {
            "status": STATUS,
            "mountinfo": MOUNTS,
            "net/dev": DEVICES,
            "net/tcp": TCP,
            "net/tcp6": HEAD,
            "net/udp": HEAD,
            "net/udp6": HEAD,
        } | {name.replace("_", "/"): text for name, text in files.items()}

    def read(self, container: str, path: str) -> str:
        return self.files[path.removeprefix("/proc/1/")]

    def inspect(self, container: str) -> Mapping[str, Any]:
        pages = [{"HostIp": "127.0.0.1", "HostPort": "1"}, {"HostIp": "", "HostPort": "2"}]
        ports = {"9092/tcp": None, "8321/tcp": pages if container == "dashboard" else None}
        return {"NetworkSettings": {"Ports": ports}}


RELAY = look(Container(), "relay")
SITE = """\
617 612 254:0 /x /site rw,relatime - ext4 /dev/vda rw
619 617 254:0 /x/node /site/node ro,relatime - ext4 /dev/vda rw
620 617 254:0 /x/site.key /site/site.key ro,relatime - ext4 /dev/vda rw
618 612 0:54 / /run/insula rw,relatime - tmpfs tmpfs rw,mode=700
"""
AGENT = replace(
    look(Container(mountinfo="".join(MOUNTS.splitlines(True)[:-2]) + SITE), "agent"),
    interfaces=("lo",),
    listening=(),
)


def with_mount(seen: Seen, place: str, writable: bool) -> Seen:
    """The same container with one more mount, which hides what was there."""
    return replace(seen, mounts=(*seen.mounts, Mount(place, "ext4", writable)))


def test_a_container_is_read_as_it_is() -> None:
    assert RELAY.uids == (10001,) * 8
    assert set(RELAY.capabilities.values()) == {"0" * 16}
    assert (RELAY.no_new_privileges, RELAY.seccomp) == (True, True)
    assert RELAY.mount("/") == Mount("/", "overlay", False)
    assert RELAY.brought == {"/tmp": True, "/node": False, "/run/insula": False}
    assert RELAY.listening == ("0100007F",)
    assert RELAY.interfaces == ("lo", "eth0")
    assert RELAY.published == ()
    assert look(Container(), "dashboard").published == ("127.0.0.1", "any")


def test_what_keeps_the_promise_has_no_fault() -> None:
    assert hardening_faults(replace(RELAY, published=("127.0.0.1",))) == []
    assert hardening_faults(RELAY) + relay_faults(RELAY) == []
    assert hardening_faults(AGENT) + agent_faults(AGENT) == []


READ_ONLY_ROOT = "/ / ro,relatime - overlay"
OPEN_UDP = HEAD + "   0: 00000000:14E9 00000000:0000 07 0:0\n"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"status": STATUS.replace("Uid:\t10001", "Uid:\t0")}, "relay runs as root"),
        ({"status": STATUS.replace("Gid:\t10001", "Gid:\t0")}, "relay runs as root"),
        ({"mountinfo": MOUNTS.replace(READ_ONLY_ROOT, "/ / rw - overlay")}, "relay can write"),
        ({"status": STATUS.replace("CapEff:\t0", "CapEff:\t1")}, "relay has capabilities"),
        ({"status": STATUS.replace("CapBnd:\t0", "CapBnd:\t1")}, "relay has capabilities"),
        ({"status": STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")}, "relay may gain"),
        ({"status": STATUS.replace("Seccomp:\t2", "Seccomp:\t0")}, "relay has no seccomp"),
        ({"mountinfo": MOUNTS + "9 8 0:1 /s /site ro - ext4 a rw"}, "relay has"),
        ({"mountinfo": MOUNTS.replace("/node ro", "/node rw")}, "relay has"),
        ({"net_tcp": TCP.replace("0100007F:2386", "00000000:2386")}, "relay listens"),
        ({"net_udp": OPEN_UDP}, "relay listens"),
    ],
)
def test_each_broken_promise_is_seen(files: dict[str, str], fault: str) -> None:
    seen = look(Container(**files), "relay")
    assert [one for one in hardening_faults(seen) + relay_faults(seen) if one.startswith(fault)]


@pytest.mark.parametrize(
    ("judge", "seen", "fault"),
    [
        (agent_faults, replace(AGENT, interfaces=("lo", "eth0")), "agent has networks: ['eth0']"),
        (agent_faults, replace(AGENT, listening=("0100007F",)), "agent listens"),
        (agent_faults, with_mount(AGENT, "/site/node", True), "agent has {"),
        (agent_faults, with_mount(AGENT, "/site/site.key", True), "agent has {"),
        (agent_faults, with_mount(AGENT, "/home", False), "agent has {"),
        (hardening_faults, replace(AGENT, published=("0.0.0.0",)), "agent publishes a port"),
        (hardening_faults, replace(AGENT, published=("any",)), "agent publishes a port"),
        (hardening_faults, replace(AGENT, mounts=()), "agent can write to its root"),
    ],
)
def test_each_broken_promise_of_an_agent_is_seen(
    judge: Callable[[Seen], list[str]], seen: Seen, fault: str
) -> None:
    assert [one for one in judge(seen) if one.startswith(fault)]
