"""A real site's folder for tests: readings, protocol, signatures, policy and keys, as on a disk."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from client.consent import AGREEMENT, SITE_KEY
from client.policy import Policy, write_policy
from client.site_folder import PROTOCOL
from client.site_serve import SITE_TABLE
from client.site_table import write_site
from models.trace import Trace
from study.agreement import SiteCaps, as_text, countersign, sign
from study.protocol import Protocol
from study.public_start import to_bytes
from study.signing_key import make_key
from tests.models.people import made_up_trace
from tests.server.test_app import small_start
from tests.study.small_study import protocol_with

START_S = 180.0
SEED = 11
CANARY = "MRN-CANARY"


def net_protocol(*changes: tuple[str, str]) -> Protocol:
    """The small study of three member clinics; shrinkage off, or few people move nothing."""
    return protocol_with(("deadline_s: 5", "deadline_s: 120, shrinkage: false"), *changes)


def made_traces(clinic: str, count: int) -> list[Trace]:
    """People of one clinic, with four days each, named so that a leak is seen."""
    first = sum(clinic.encode()) % 97
    return [
        replace(made_up_trace(first + number, days=4), patient=f"{CANARY}-{clinic}-{number}")
        for number in range(count)
    ]


def make_site(
    folder: Path,
    protocol: Protocol,
    clinic: str,
    traces: Sequence[Trace],
    **policy: object,
) -> Path:
    """`folder` as a site of this clinic that agreed to the protocol; a rehearsal's policy."""
    folder.mkdir(mode=0o700, parents=True)
    chosen: Mapping[str, object] = {
        "approved_protocols": (protocol.digest(),),
        "epsilon_cap": protocol.privacy.epsilon,
        "minimum_patients": 1,
        "rehearsal": True,
        **policy,
    }
    own = Policy.model_validate(chosen)
    write_policy(folder, own)
    write_site(folder / SITE_TABLE, traces)
    (folder / PROTOCOL).write_text(protocol.canonical(), encoding="utf-8")
    caps = SiteCaps(own.epsilon_cap, own.minimum_patients)
    signed = sign(protocol, make_key(folder / "coordinator.key"))
    agreement = countersign(signed, clinic, caps, make_key(folder / SITE_KEY))
    (folder / AGREEMENT).write_text(as_text(agreement), encoding="utf-8")
    (folder / "start.safetensors").write_bytes(to_bytes(small_start()))
    return folder


@dataclass
class AgentProcess:
    """`insula site serve` as a process of its own."""

    site: Path
    process: subprocess.Popen[str]

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self.site / "s"

    def kill(self) -> None:
        """SIGKILL: it gets to close nothing."""
        self.process.kill()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def spawn_agent(
    site: Path, *words: str, prefix: Sequence[str] = (), **variables: str
) -> AgentProcess:
    """The agent of a site as a process that may not answer yet."""
    command = [*prefix, sys.executable, "-m", "insula", "site", "serve", str(site), "--json"]
    command += ["--socket", str(site / "s"), "--seed", str(SEED), *words]
    command += ["--public-start", str(site / "start.safetensors")]
    with (site / "serve.txt").open("a") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **variables}
        )
    return AgentProcess(site, process)


def opened(agent: AgentProcess) -> AgentProcess:
    """The agent once it answers; AssertionError with its words if it does not."""
    late = threading.Timer(START_S, agent.process.kill)
    late.start()
    try:
        if agent.process.stdout is None or not agent.process.stdout.readline().startswith("{"):
            agent.process.wait(20)
            raise AssertionError((agent.site / "serve.txt").read_text())
    finally:
        late.cancel()
    return agent


def start_agent(
    site: Path, *words: str, prefix: Sequence[str] = (), **variables: str
) -> AgentProcess:
    """The agent of a site, once it answers."""
    return opened(spawn_agent(site, *words, prefix=prefix, **variables))


@contextmanager
def serving(site: Path, *words: str) -> Iterator[AgentProcess]:
    """The agent of a site while the block lasts."""
    agent = start_agent(site, *words)
    try:
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait(20)
        if agent.process.stdout is not None:
            agent.process.stdout.close()
