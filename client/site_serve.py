"""A site's agent as a process of its own: it reads the site's folder once, then answers the relay.

Everything that bounds what leaves lies in that folder: readings, protocol, agreement, policy, keys
and ledger. The process needs no network.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from client.agent import Agent, AgentSite, NoiseOfRound
from client.consent import AGREEMENT, SITE_KEY
from client.departure import require_present, takes_part
from client.enrolment import Enrolled, enrol
from client.head_store import HeadStore
from client.policy import read_policy, refused
from client.serve import AgentServer
from client.site_folder import LONGEST_SOCKET, PROTOCOL
from client.site_table import read_site
from privacy.ledger import LedgerError
from privacy.noise import ExactNoise, SimulatedNoise
from study.agreement import read_agreement
from study.failure import ExitCode, Failure
from study.protocol import Protocol, read_protocol
from study.public_start import SHIPPED, read_public_start
from study.signing_key import public_hex, read_key

SITE_TABLE = "site.parquet"


@dataclass(frozen=True)
class Serving:
    """Where an agent listens, who may ask beside its owner, and what a rehearsal adds.

    `seed` is of simulated noise, which only a policy with `rehearsal: true` allows.
    """

    site: Path
    socket: Path
    group: str | None = None
    public_start: Path = SHIPPED
    seed: int = 1


@dataclass(frozen=True)
class Ready:
    """A clinic that can answer: its name, its protocol and who is enrolled."""

    clinic: str
    protocol: Protocol
    enrolled: Enrolled


def clinic_of(site: Path, protocol: Protocol) -> str:
    """The name under which this site's own key countersigned the agreement."""
    own = public_hex(read_key(site / SITE_KEY))
    signed = read_agreement(site / AGREEMENT).sites
    names = [name for name, one in signed.items() if one.signed.public_key == own]
    if len(names) != 1:
        raise refused(f"{len(names)} countersignatures by this site's key", "one, of its clinic")
    protocol.clinic(names[0])
    return names[0]


def people_of(site: Path, protocol: Protocol, clinic: str) -> Enrolled:
    """Everybody of the site table whom the protocol takes and nobody asked to forget."""
    stays = takes_part(site)
    traces = [one for one in read_site(site / SITE_TABLE) if stays(one.patient)]
    return enrol(protocol, clinic, traces, HeadStore(site))


@contextmanager
def opened(serving: Serving) -> Iterator[tuple[Agent, Ready]]:
    """The site's agent with its ledger open; a Failure with its code if anything forbids it."""
    site = serving.site
    require_present(site)
    protocol = read_protocol(site / PROTOCOL)
    vector = read_public_start(serving.public_start).shared_vector(protocol)
    clinic = clinic_of(site, protocol)
    policy = read_policy(site)
    policy.require_protocol(protocol)
    enrolled = people_of(site, protocol, clinic)
    policy.require(protocol, len(enrolled.members))
    home = AgentSite(site, clinic, time.time)
    try:
        agent = Agent(home, protocol, vector, enrolled.members, noise_of(protocol, clinic, serving))
    except LedgerError as error:
        raise _no_ledger(error) from error
    with agent:
        yield agent, Ready(clinic, protocol, enrolled)


def noise_of(protocol: Protocol, clinic: str, serving: Serving) -> NoiseOfRound:
    """The noise the protocol names: exact, or in a rehearsal repeatable from the seed."""
    if protocol.privacy.noise == "exact":
        return lambda round_number: ExactNoise()
    return lambda round_number: SimulatedNoise(serving.seed, clinic, round_number)


def serve_site(serving: Serving, started: Callable[[Ready], None]) -> None:
    """Answer the relay until SIGTERM or SIGINT; `started` is called once the door is open.

    A request that is being answered is answered first; the ledger is closed, the socket removed.
    """
    _check_socket(serving.socket)
    with suppress(_Stopped), _Told() as told, opened(serving) as (agent, ready):
        with AgentServer(agent.train, serving.socket, agent.judge) as door:
            _admit(serving)
            told.door = door
            agent.note(f"open: {ready.clinic} answers at {serving.socket}")
            started(ready)
            door.serve_forever(0.1)
        serving.socket.unlink(missing_ok=True)
        agent.note("closed")


class _Stopped(Exception):
    """Told to stop before the door was open."""


class _Told:
    """SIGTERM and SIGINT close the door; what they did before is restored afterwards."""

    door: AgentServer | None = None

    def __enter__(self) -> Self:
        numbers = (signal.SIGTERM, signal.SIGINT)
        self._before = {number: signal.signal(number, self._stop) for number in numbers}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.door is None:
            raise _Stopped
        # shutdown() waits for the loop that this very thread runs, so another thread calls it.
        threading.Thread(target=self.door.shutdown, daemon=True).start()


def _admit(serving: Serving) -> None:
    """Let a group open the socket: the relay's, where it runs as another user."""
    if serving.group is None:
        return
    try:
        group = int(serving.group) if serving.group.isdigit() else serving.group
        shutil.chown(serving.socket, group=group)
        os.chmod(serving.socket, 0o660)
    except (LookupError, OSError) as error:
        raise _no_socket(f"group {serving.group!r}: {error}", "a group this user is in") from error


def _check_socket(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > LONGEST_SOCKET:
        raise _no_socket(f"a socket path of {length} bytes", f"at most {LONGEST_SOCKET}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _no_socket(f"{path.parent}: {error.strerror}", "a folder to write to") from error


def _no_socket(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="The agent did not start, and nothing left the clinic.",
        remedy="give another place with --socket, or another group with --group",
        code=ExitCode.USAGE,
    )


def _no_ledger(error: LedgerError) -> Failure:
    return Failure(
        found=f"a ledger that does not open ({error})",
        expected="a ledger that nobody else uses, whole and writable",
        consequence="The agent did not start, and nothing left the clinic.",
        remedy="do as the ledger says; `insula privacy verify` checks it",
        code=ExitCode.REFUSED,
    )
