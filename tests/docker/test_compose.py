"""Every service of the compose files is closed where it can be, and the files say one thing."""

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from client.relay_command import Relay
from simulations.containers.compose_file import Composed, Service, read_compose
from study.protocol import read_protocol

Check = Callable[[Composed], list[str]]
HOSPITAL, REHEARSAL = "docker/client.compose.yaml", "docker/compose.yaml"
FILES = (HOSPITAL, REHEARSAL)
VARIABLES = {
    "INSULA_CLINIC": "harbour",
    "INSULA_SERVER": "server:9092",
    "INSULA_UID": "10001",
    "INSULA_GID": "10001",
    "INSULA_AGENT_IMAGE": "insula-agent",
    "INSULA_RELAY_IMAGE": "insula-relay",
    "INSULA_BASE_IMAGE": "python:3.11-slim@sha256:0",
}
HARDENED: Mapping[str, object] = {
    "user": "10001:10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "tmpfs": ["/tmp:size=512m,mode=1777,nosuid,nodev,noexec"],
    "pids_limit": 256,
}
OPENING = ("privileged", "cap_add", "devices", "pid", "ipc", "uts", "userns_mode", "group_add")


def unhardened(composed: Composed) -> list[str]:
    """Services that lack a key of the hardening, or have another value."""
    return [
        f"{one.name} has {key} {one.settings.get(key)!r}"
        for one in composed.services
        for key, value in HARDENED.items()
        if one.settings.get(key) != value
    ]


def opened(composed: Composed) -> list[str]:
    """Services with a key that opens what the hardening closed, or with a port to the outside.

    The coordinator's pages have a port for this machine alone; no clinic has any.
    """
    wrong = [
        f"{one.name} has {key}"
        for one in composed.services
        for key in (*OPENING, "expose")
        if key in one.settings
    ]
    return wrong + [
        f"{one.name} has port {port}"
        for one in composed.services
        for port in one.settings.get("ports", [])
        if not port.startswith("127.0.0.1:") or one.name != "dashboard"
    ]


def unwatched(composed: Composed) -> list[str]:
    """Services without a health check, or without bounds on memory."""
    keys = ("healthcheck", "mem_limit")
    return [
        f"{one.name} has no {key}"
        for one in composed.services
        for key in keys
        if not one.settings.get(key)
    ]


def networked_agents(composed: Composed) -> list[str]:
    """Agents with any network."""
    agents = [one for one in composed.services if one.name.endswith("agent")]
    return [
        f"{one.name} has a network"
        for one in agents
        if one.settings.get("network_mode") != "none" or "networks" in one.settings
    ]


def relays_with_data(composed: Composed) -> list[str]:
    """Relays with a mount beside node key and socket, or with one that they may write to."""
    relays = [one for one in composed.services if one.name.endswith("relay")]
    return [
        f"{one.name} mounts {mount}"
        for one in relays
        for mount in one.settings["volumes"]
        if not mount.endswith(("/node:/node:ro", "door:/run/insula:ro"))
    ]


def agents_that_change_keys(composed: Composed) -> list[str]:
    """Agents whose relay's key or signing key is not mounted read-only over the site folder."""
    agents = [one for one in composed.services if one.name.endswith("agent")]
    return [
        f"{one.name} may change {place}"
        for one in agents
        for place in ("node", "site.key")
        if not any(
            mount.endswith(f"/{place}:/site/{place}:ro") for mount in one.settings["volumes"]
        )
    ]


CHECKS: list[Check] = [
    unhardened,
    opened,
    unwatched,
    networked_agents,
    relays_with_data,
    agents_that_change_keys,
]

PLANTED: list[tuple[Check, str, str, object, str]] = [
    *((unhardened, "relay", key, None, f"relay has {key} None") for key in HARDENED),
    (unhardened, "agent", "user", "0:0", "agent has user '0:0'"),
    (unhardened, "agent", "cap_drop", ["NET_RAW"], "agent has cap_drop ['NET_RAW']"),
    *((opened, "agent", key, True, f"agent has {key}") for key in OPENING),
    (opened, "relay", "ports", ["9094:9094"], "relay has port 9094:9094"),
    (opened, "relay", "ports", ["127.0.0.1:1:1"], "relay has port 127.0.0.1:1:1"),
    (opened, "dashboard", "ports", ["8321:8321"], "dashboard has port 8321:8321"),
    (unwatched, "agent", "healthcheck", None, "agent has no healthcheck"),
    (unwatched, "relay", "mem_limit", None, "relay has no mem_limit"),
    (networked_agents, "agent", "network_mode", "bridge", "agent has a network"),
    (networked_agents, "agent", "networks", ["out"], "agent has a network"),
    (relays_with_data, "relay", "volumes", ["./:/site:ro"], "relay mounts ./:/site:ro"),
    (relays_with_data, "relay", "volumes", ["./node:/node"], "relay mounts ./node:/node"),
    (agents_that_change_keys, "agent", "volumes", ["./:/site"], "agent may change node"),
]


def composed(repository: Path, name: str) -> Composed:
    """A compose file with the variables of a clinic."""
    return read_compose(repository / name, VARIABLES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_compose_files_are_closed(check: Check, name: str, repository: Path) -> None:
    wrong = check(composed(repository, name))
    assert not wrong, "\n".join([str(check.__doc__), *wrong])


@pytest.mark.parametrize(("check", "service", "key", "value", "message"), PLANTED)
def test_each_guard_sees_what_it_guards_against(
    check: Check, service: str, key: str, value: object, message: str, repository: Path
) -> None:
    lawful = composed(repository, REHEARSAL if service == "dashboard" else HOSPITAL)
    planted = [
        Service(one.name, {**copy.deepcopy(dict(one.settings)), key: value}, one.folder)
        if one.name == service
        else one
        for one in lawful.services
    ]
    assert message in check(Composed(tuple(planted), lawful.networks, lawful.volumes))


def test_every_guard_is_planted() -> None:
    assert {check for check, *_ in PLANTED} == set(CHECKS)


def test_a_rehearsals_clinics_are_a_hospitals(repository: Path) -> None:
    """But for its folder, its name, restarts, which its script does, and a proxy: it has none."""
    hospital = {one.name: one for one in composed(repository, HOSPITAL).services}
    rehearsed = [one for one in composed(repository, REHEARSAL).services if "-" in one.name]
    assert len(rehearsed) == 6
    for one in rehearsed:
        clinic, part = one.name.split("-")
        mine, other = portable(one, clinic), portable(hospital[part], clinic)
        assert mine == other, one.name


def test_a_hospital_s_relay_hears_of_a_proxy_and_its_agent_of_nothing(repository: Path) -> None:
    heard = {
        one.name: one.settings.get("environment", {})
        for one in composed(repository, HOSPITAL).services
    }
    assert heard == {"agent": {}, "relay": {"HTTPS_PROXY": "", "NO_PROXY": ""}}


def portable(service: Service, clinic: str) -> dict[str, Any]:
    """A service's settings without what differs between a hospital and a rehearsal of it."""
    kept = {
        key: value
        for key, value in service.settings.items()
        if key not in ("restart", "logging", "build", "depends_on", "environment")
    }
    kept["volumes"] = [
        each.replace(f"../runs/containers/{clinic}", ".")
        .replace(f"{clinic}-", "")
        .replace("./:", ".:")
        for each in service.settings["volumes"]
    ]
    return kept


def test_the_relay_is_the_one_that_insula_site_relay_starts(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "node").mkdir()
    for name in ("node.key", "ca.pem"):
        (tmp_path / "node" / name).touch()
    door = Path("/run/insula/agent.sock")
    command = Relay(tmp_path, door, "server:9092").command()[1:]
    flags = dict(zip(command[::2], command[1::2], strict=True))
    services = composed(repository, HOSPITAL).services
    (relay,) = (one for one in services if one.name == "relay")
    said = dict(word.split("=", 1) for word in relay.command)
    moved = {k: v.replace(f"{tmp_path}/node", "/node") for k, v in flags.items() if k != "--port"}
    assert said == moved


def test_the_clinics_are_those_of_the_rehearsed_protocol(repository: Path) -> None:
    protocol = read_protocol(repository / "docker" / "rehearsal.yaml")
    services = [one.name for one in composed(repository, REHEARSAL).services]
    wanted = {f"{one.name}-{part}" for one in protocol.members for part in ("agent", "relay")}
    assert set(services) == wanted | {"server", "dashboard"}


def test_the_rehearsals_network_leads_nowhere(repository: Path) -> None:
    made = composed(repository, REHEARSAL)
    assert made.network_words("out") == ["--internal"]


def test_no_image_of_a_hospital_is_chosen_for_it(repository: Path) -> None:
    text = (repository / HOSPITAL).read_text(encoding="utf-8")
    for name in ("INSULA_AGENT_IMAGE", "INSULA_RELAY_IMAGE", "INSULA_SERVER", "INSULA_UID"):
        assert f"${{{name}:?" in text


def test_there_is_one_source_of_a_hospitals_file(repository: Path) -> None:
    link = repository / HOSPITAL
    assert link.is_symlink()
    assert os.readlink(link) == "../client/templates/client.compose.yaml"
