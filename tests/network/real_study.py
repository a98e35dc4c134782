"""A study over the real network of this machine: the centre's command, agents and relays.

Everything is a process that a hospital or a coordinator would start, on the loopback interface,
with TLS and node keys. Nothing here stands in for a part.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from client.node_key import new_node_key, private_text, public_text
from server.certificates import make_certificates, utc_now
from study.protocol import Protocol
from tests.client.made_site import (
    AgentProcess,
    made_traces,
    make_site,
    opened,
    spawn_agent,
    start_agent,
)

LOOPBACK = "127.0.0.1"
PEOPLE = 2
"""Enrolled people of each clinic; heads are fitted by its own agent."""


def insula(*words: str) -> list[str]:
    """The command line of an `insula` command under this Python."""
    return [sys.executable, "-m", "insula", *words]


def descendants(pid: int, program: str) -> list[int]:
    """Processes below one of ours, at any depth, in whose command a program is named."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            if program in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
            found += descendants(int(child), program)
    return found


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass
class RealStudy:
    """The processes of one study by name: `centre`, `agent-CLINIC`, `relay-CLINIC`."""

    folder: Path
    protocol: Protocol
    hosts: Sequence[str] = (LOOPBACK,)
    port: int = field(default_factory=free_port)
    agents: dict[str, AgentProcess] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    public_keys: dict[str, str] = field(default_factory=dict)
    _relays: dict[str, tuple[list[str], Path]] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "run"

    @property
    def tls(self) -> Path:
        """CA and server's certificate."""
        return self.folder / "tls"

    def site(self, clinic: str) -> Path:
        """A clinic's site folder."""
        return self.folder / clinic

    def prepare(self) -> None:
        """Certificates, a site folder a clinic, and the list of node keys."""
        make_certificates(self.tls, [LOOPBACK, *self.hosts], utc_now())
        for one in self.protocol.members:
            site = self.site(one.name)
            make_site(site, self.protocol, one.name, made_traces(one.name, PEOPLE))
            self.public_keys[one.name] = self.node_key(site)
        (self.folder / "nodes.yaml").write_text(yaml.safe_dump(self.public_keys))
        (self.folder / "protocol.yaml").write_text(self.protocol.canonical())

    def node_key(self, site: Path) -> str:
        """A node key and the CA in a site's `node` folder; the public line."""
        key = new_node_key()
        (site / "node").mkdir()
        (site / "node" / "node.key").write_bytes(private_text(key))
        (site / "node" / "node.key").chmod(0o600)
        (site / "node" / "ca.pem").write_bytes((self.tls / "ca.pem").read_bytes())
        return public_text(key).strip()

    def start_agent(self, clinic: str, **variables: str) -> None:
        """`insula site serve`, listening when this returns."""
        self.agents[clinic] = start_agent(self.site(clinic), **variables)

    def start_relay(self, clinic: str, port: int | None = None, prefix: Sequence[str] = ()) -> None:
        """`insula site relay`, which becomes Flower's SuperNode; `prefix` goes before its words."""
        site = self.site(clinic)
        host = self.hosts[0] if prefix else LOOPBACK
        words = ["site", "relay", str(site), "--superlink", f"{host}:{port or self.port}"]
        words += ["--socket", str(site / "s"), "--port", str(free_port())]
        relay = ([*prefix, *insula(*words)], site / "relay.txt")
        if clinic in self.public_keys:
            self._relays[f"relay-{clinic}"] = relay
        self._start(f"relay-{clinic}", *relay)

    def stop_relay(self, clinic: str) -> None:
        """End a relay as its service manager does, and do not start it again."""
        name = f"relay-{clinic}"
        self._relays.pop(name, None)
        self.processes[name].terminate()
        try:
            self.processes[name].wait(15)
        except subprocess.TimeoutExpired:
            self.processes[name].kill()
            self.processes[name].wait(15)

    def start_centre(self) -> None:
        """`insula study start`."""
        words = ["study", "start", str(self.folder / "protocol.yaml"), "--out", str(self.run)]
        words += ["--tls", str(self.tls), "--nodes", str(self.folder / "nodes.yaml")]
        host = LOOPBACK if list(self.hosts) == [LOOPBACK] else "0.0.0.0"
        words += ["--host", host, "--port", str(self.port), "--json"]
        words += [
            "--public-start",
            str(self.site(self.protocol.members[0].name) / "start.safetensors"),
        ]
        self._start("centre", insula(*words), self.folder / "centre.txt")

    def resume_centre(self) -> None:
        """`insula study resume`."""
        words = ["study", "resume", str(self.run), "--json"]
        self._start("centre", insula(*words), self.folder / "centre.txt")

    def start_clinics(self, port: int | None = None) -> None:
        """Agent and relay of every member, the agents listening when this returns."""
        for one in self.protocol.members:
            self.start_relay(one.name, port)
            self.agents[one.name] = spawn_agent(self.site(one.name))
        for agent in self.agents.values():
            opened(agent)

    def wait(self, timeout_s: float = 450.0) -> int:
        """The exit code of the centre's command once it has ended."""
        centre = self.processes["centre"]
        self.until(lambda: centre.poll() is not None, timeout_s)
        return centre.returncode

    def words(self) -> str:
        """What the centre and Flower said, for a failing test."""
        logs = [self.folder / "centre.txt", self.run / "network" / "superlink.log"]
        logs += [self.site(one.name) / "relay.txt" for one in self.protocol.members]
        there = [one for one in logs if one.is_file()]
        return "\n".join(f"== {one}\n{one.read_text(errors='replace')[-3000:]}" for one in there)

    def kill(self, name: str) -> None:
        """SIGKILL one process of ours; its children are left as they are."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(20)

    def until(self, happened: Callable[[], bool], timeout_s: float = 120.0) -> None:
        """Wait for something; AssertionError with everybody's words if it does not happen."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if happened():
                return
            self._start_again()
            time.sleep(0.1)
        raise AssertionError(f"it did not happen within {timeout_s:g} s\n{self.words()}")

    def status(self) -> Mapping[str, object]:
        """`insula study status --json`, in this process."""
        done = subprocess.run(
            insula("study", "status", str(self.run), "--json"), capture_output=True, check=True
        )
        said: Mapping[str, object] = json.loads(done.stdout)
        return said

    def stop(self) -> None:
        """End everything that was started here: politely, then not."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)
        for agent in self.agents.values():
            agent.process.kill()
            agent.process.wait(15)
            if agent.process.stdout is not None:
                agent.process.stdout.close()

    def _start_again(self) -> None:
        """As a service manager does: Flower's SuperNode ends where a TLS handshake breaks off."""
        for name, relay in self._relays.items():
            if name in self.processes and self.processes[name].poll() is not None:
                self._start(name, *relay)

    def _start(self, name: str, command: list[str], log: Path) -> None:
        with log.open("ab") as file:
            self.processes[name] = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "FLWR_HOME": ""}
            )


@contextmanager
def real_study(
    folder: Path, protocol: Protocol, hosts: Sequence[str] = (LOOPBACK,)
) -> Iterator[RealStudy]:
    """A prepared study; whatever was started of it is ended with the block."""
    study = RealStudy(folder, protocol, hosts)
    study.prepare()
    try:
        yield study
    finally:
        study.stop()
