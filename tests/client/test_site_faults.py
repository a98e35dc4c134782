"""What befalls a clinic's real agent process, with the real round loop asking it over its socket.

Killed at each step, its disk full, its neighbours gone or lying, the server lying: nothing that was
released is lost or drawn again, no budget is passed, and no failure is taken for a success.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.app import ask_agent
from client.enrolment import enrol
from client.framing import FORMAT, PREFIX, read_reply, request_frame
from client.head_store import HeadStore
from models.trace import FloatArray
from privacy.ledger import Ledger
from privacy.verifier import verify
from server.app import run_study
from server.checkpoint import RoundResult
from server.flower import FlowerCentre
from simulations.grid import InProcessGrid, quiet_flower
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.public_start import read_public_start
from study.wire import Code, Reply, Request
from tests.client.made_site import SEED, made_traces, make_site, net_protocol

pytestmark = pytest.mark.slow

PROTOCOL = net_protocol()
CLINICS = ("east", "north", "west")
OPEN_S = 120.0
Ask = Callable[[Request], Reply]


@dataclass
class Nursery:
    """Real agents by forking; whoever still lives is killed in the end."""

    process: subprocess.Popen[str]
    living: list[int] = field(default_factory=list)

    def agent(self, site: Path, **befalls: Any) -> int:
        """The pid of an agent that answers at SITE/s."""
        words = [str(site), "--socket", str(site / "s"), "--seed", str(SEED)]
        words += ["--public-start", str(site / "start.safetensors")]
        told = {"words": words, "log": str(site / "serve.txt"), **befalls}
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("the nursery has no ears")
        (site / "s").unlink(missing_ok=True)
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        self.living.append(pid)
        self._until_open(site, pid)
        return pid

    def kill(self, pid: int) -> None:
        """SIGKILL, and nothing after it until the process is gone."""
        os.kill(pid, signal.SIGKILL)
        self.until_gone(pid)

    def until_gone(self, pid: int) -> None:
        """Wait for the end of an agent that dies by itself."""
        end = time.monotonic() + OPEN_S
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        self.living.remove(pid)

    def _until_open(self, site: Path, pid: int) -> None:
        end = time.monotonic() + OPEN_S
        while "Answers at" not in _text(site / "serve.txt"):
            assert Path(f"/proc/{pid}").exists(), _text(site / "serve.txt")
            assert time.monotonic() < end, _text(site / "serve.txt")
            time.sleep(0.02)
        (site / "serve.txt").unlink()


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


@pytest.fixture(scope="module")
def nursery(repository: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.client.agent_nursery"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=repository, text=True, **pipes) as process:  # type: ignore[call-overload]
        made = Nursery(process)
        yield made
        for pid in made.living:
            os.kill(pid, signal.SIGKILL)
        process.stdin.close()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sites of three clinics whose heads are fitted."""
    folder = tmp_path_factory.mktemp("f")
    for name in CLINICS:
        traces = made_traces(name, 2)
        site = make_site(folder / name, PROTOCOL, name, traces)
        enrol(PROTOCOL, name, traces, HeadStore(site))
    return folder


@pytest.fixture
def sites(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "c"))


def asks(site: Path) -> Ask:
    """The relay's way to the agent of a site."""
    return lambda request: ask_agent(site / "s", request)


def run(folder: Path, ways: list[Ask], protocol: Protocol = PROTOCOL) -> tuple[RoundResult, ...]:
    """The real round loop over these ways, to its end or a Failure."""
    vector = read_public_start(folder / "c" / "east" / "start.safetensors").shared_vector(protocol)
    grid = InProcessGrid(ways)
    centre = FlowerCentre(grid, len(ways), 1.0, lambda seconds: None)
    with quiet_flower():
        return run_study(protocol, vector, centre, folder / "run", lambda a, b: None).rounds


def records(site: Path) -> list[str]:
    lines = (site / "ledger" / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines]


def spent(site: Path) -> float:
    with Ledger.open(site / "ledger", mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        return ledger.mu_spent()


def request(number: int, shared: FloatArray | None = None) -> Request:
    return Request(number, PROTOCOL.digest(), np.zeros(3) if shared is None else shared)


@pytest.mark.parametrize("step", ["debit", "store", "receipt"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_each_step_it_releases_what_it_owes_and_never_more(
    step: str, moment: str, nursery: Nursery, sites: Path
) -> None:
    east = sites / "east"
    victim = nursery.agent(east, kill=[step, moment])
    with pytest.raises((OSError, ValueError)):
        ask_agent(east / "s", request(1))
    nursery.until_gone(victim)
    stored = east / "ledger" / "releases" / "small-study.1.npy"
    kept = np.load(stored) if stored.is_file() else None
    pid = nursery.agent(east)
    first, again = (ask_agent(east / "s", request(1)) for _ in range(2))
    last = ask_agent(east / "s", request(2))
    nursery.kill(pid)
    assert first.code is again.code is Code.RELEASED
    assert first.release is not None and again.release is not None
    assert first.release.tobytes() == again.release.tobytes()
    assert kept is None or kept.tobytes() == first.release.tobytes()
    lost = 1 if (step, moment) in {("debit", "after"), ("store", "before")} else 0
    assert last.code is (Code.REFUSED if lost else Code.RELEASED)
    assert records(east).count("debit") == 2
    assert spent(east) <= PROTOCOL.mu * (1 + 1e-9)
    assert verify(east / "ledger").holds


RELAYS = ["connected", "half a question", "asked", "half an answer", "answered"]
"""Phases of a relay's call at which it is killed."""


def killed_relay(socket_file: Path, frame: bytes, phase: str) -> None:
    """A process that asks the agent as a relay does and gets SIGKILL at a phase of its call."""
    child = os.fork()
    if child == 0:
        with socket.socket(socket.AF_UNIX) as call:
            call.connect(str(socket_file))
            place = RELAYS.index(phase)
            call.sendall(frame[: (0, len(frame) // 2, len(frame))[min(place, 2)]])
            if place > 2:
                call.recv(10)
            while place > 3 and call.recv(65536):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_relay_killed_at_each_phase_costs_one_debit_and_the_next_gets_the_same_bytes(
    nursery: Nursery, sites: Path
) -> None:
    """The agent lives on: it waits for nobody who is gone, and draws no noise twice."""
    east = sites / "east"
    pid = nursery.agent(east)
    for phase in RELAYS:
        killed_relay(east / "s", request_frame(request(1)), phase)
    first, again = (ask_agent(east / "s", request(1)) for _ in range(2))
    nursery.kill(pid)
    assert first.code is again.code is Code.RELEASED
    assert first.release is not None and again.release is not None
    assert first.release.tobytes() == again.release.tobytes()
    kept = np.load(east / "ledger" / "releases" / "small-study.1.npy")
    assert kept.tobytes() == first.release.tobytes()
    assert records(east).count("debit") == records(east).count("receipt") == 1
    assert verify(east / "ledger").holds


def test_a_full_disk_releases_nothing_and_what_was_paid_is_sent_once_there_is_room(
    nursery: Nursery, sites: Path
) -> None:
    """No file may grow by a debit; then by a debit and no receipt; then there is room."""
    east, ledger = sites / "east", sites / "east" / "ledger" / "ledger.jsonl"
    debit, receipt = line_lengths(nursery, sites / "west")
    nursery.kill(nursery.agent(east))
    pid = nursery.agent(east, largest_file=ledger.stat().st_size + debit // 2)
    assert ask_agent(east / "s", request(1)).code is Code.REFUSED
    nursery.kill(pid)
    nursery.kill(nursery.agent(east))  # which cuts the torn line off, and says so in the ledger
    assert spent(east) == 0.0 and "repair" in records(east)
    room = ledger.stat().st_size + debit + receipt // 2
    pid = nursery.agent(east, largest_file=room)
    assert ask_agent(east / "s", request(1)).code is Code.REFUSED
    nursery.kill(pid)
    kept = np.load(east / "ledger" / "releases" / "small-study.1.npy")
    pid = nursery.agent(east)
    reply = ask_agent(east / "s", request(1))
    nursery.kill(pid)
    assert reply.code is Code.RELEASED and reply.release is not None
    assert reply.release.tobytes() == kept.tobytes()
    assert records(east).count("debit") == 1 and spent(east) == pytest.approx(1 / PROTOCOL.sigma)
    assert "largest file size" in (east / "agent.log").read_text()


def line_lengths(nursery: Nursery, site: Path) -> tuple[int, int]:
    """Bytes of a debit and of a receipt, as a clinic with room writes them."""
    pid = nursery.agent(site)
    assert ask_agent(site / "s", request(1)).code is Code.RELEASED
    nursery.kill(pid)
    lines = (site / "ledger" / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    of = {json.loads(line)["kind"]: len(line) for line in lines}
    return of["debit"], of["receipt"]


def test_a_study_goes_on_by_quorum_when_an_agent_dies_and_it_may_come_back(
    nursery: Nursery, sites: Path, tmp_path: Path
) -> None:
    pids = {name: nursery.agent(sites / name) for name in CLINICS}

    def dying(request: Request) -> Reply:
        if request.round_number == 2 and pids["west"] in nursery.living:
            nursery.kill(pids["west"])
        return ask_agent(sites / "west" / "s", request)

    rounds = run(tmp_path, [asks(sites / "east"), asks(sites / "north"), dying])
    assert rounds[0].took_part == CLINICS
    assert rounds[1].took_part == ("east", "north")
    assert rounds[1].refused == {"west": "NO_REPLY"}
    for name in ("east", "north"):
        nursery.kill(pids[name])
        assert spent(sites / name) == pytest.approx(PROTOCOL.mu)
    assert spent(sites / "west") == pytest.approx(1 / PROTOCOL.sigma)


def test_a_study_that_stops_below_its_quorum_is_resumed_to_the_bytes_of_one_that_did_not(
    nursery: Nursery, sites: Path, tmp_path: Path
) -> None:
    three = net_protocol(("quorum: 2", "quorum: 3"))
    digest = three.digest()
    undisturbed = tmp_path / "u"
    bodies = []
    for folder, die in ((undisturbed, False), (tmp_path / "d", True)):
        homes = Path(shutil.copytree(sites, folder / "c"))
        for name in CLINICS:
            shutil.rmtree(homes / name)
            make_site(homes / name, three, name, made_traces(name, 2))
            shutil.copytree(sites / name / "heads", homes / name / "heads")
            shutil.copy(sites / name / "heads.key", homes / name / "heads.key")
        pids = {name: nursery.agent(homes / name) for name in CLINICS}
        ways = [asks(homes / name) for name in CLINICS]
        if die:
            nursery.kill(pids["north"])
            with pytest.raises(Failure) as failure:
                run(folder, ways, three)
            assert failure.value.code is ExitCode.TOO_FEW_REPLIES
            assert not (folder / "run" / "body.safetensors").exists()
            pids["north"] = nursery.agent(homes / "north")
        rounds = run(folder, ways, three)
        assert [one.took_part for one in rounds] == [CLINICS] * 2
        bodies.append((folder / "run" / "body.safetensors").read_bytes())
        for pid in pids.values():
            nursery.kill(pid)
    assert bodies[0] == bodies[1] and len(digest) == 64


def test_a_lying_server_gets_what_the_protocol_allows_and_nothing_else(
    nursery: Nursery, sites: Path
) -> None:
    east = sites / "east"
    pid = nursery.agent(east)
    ask = asks(east)
    for number in (0, -1, 3, 10**12):
        assert ask(request(number)).code is Code.NO_SUCH_ROUND
    for shared in (np.zeros(2), np.zeros(4), np.zeros(0), np.array([0.0, np.nan, 0.0])):
        assert ask(request(1, shared)).code is Code.BAD_SHARED_VECTOR
    assert ask(Request(1, "0" * 64, np.zeros(3))).code is Code.OTHER_PROTOCOL
    assert records(east) == ["open"]
    for extra in ('"sigma":0.0', '"clip-norm":1e9', '"noise":"none"'):
        assert raw(east, extra).code is Code.MALFORMED
    honest = ask(request(1))
    for shared in (np.zeros(3), np.full(3, 1e308), np.full(3, -1e6)):
        again = ask(request(1, shared))
        assert again.release is not None and honest.release is not None
        assert again.release.tobytes() == honest.release.tobytes()
    assert sum(ask(request(number)).code is Code.RELEASED for number in range(2, 1001)) == 1
    nursery.kill(pid)
    assert records(east).count("debit") == 2
    assert spent(east) == pytest.approx(PROTOCOL.mu)


def raw(site: Path, extra: str) -> Reply:
    """What the agent says to a frame with one field more in its header."""
    head = f'{{"protocol-sha256":"{PROTOCOL.digest()}","server-round":1,{extra}}}'.encode()
    body = np.zeros(3).tobytes()
    lengths = (len(head), len(body)) + (0,) * (PREFIX.size // 4 - 4)
    with socket.socket(socket.AF_UNIX) as call:
        call.connect(str(site / "s"))
        call.sendall(PREFIX.pack(FORMAT, *lengths) + head + body)
        with call.makefile("rb") as answer:
            return read_reply(answer)


LIES: dict[str, tuple[FloatArray, str]] = {
    "nan": (np.full(3, np.nan), "BAD_RELEASE"),
    "infinite": (np.full(3, np.inf), "BAD_RELEASE"),
    "huge": (np.full(3, 1e12), "TOO_LARGE"),
    "long": (np.zeros(4), "BAD_RELEASE"),
    "flat": (np.zeros((1, 3)), "BAD_RELEASE"),
}


def test_clinics_that_lie_are_named_and_the_honest_ones_go_on(
    nursery: Nursery, sites: Path, tmp_path: Path
) -> None:
    """East and north are real agents; west sends, lie by lie, what no agent would let out."""
    checked = net_protocol(("quorum: 2", "norm_check: true, quorum: 2"), ("rounds: 2", "rounds: 6"))
    for name in ("east", "north"):
        shutil.rmtree(sites / name)
        make_site(sites / name, checked, name, made_traces(name, 2))
    pids = [nursery.agent(sites / name) for name in ("east", "north")]
    lies = list(LIES.values())

    def lying(request: Request) -> Reply:
        place = min(max(request.round_number, 1), 6) - 1
        if place == 5:  # an old round's release, as north sent it
            old = np.load(sites / "north" / "ledger" / "releases" / "small-study.1.npy")
            return Reply("west", Code.RELEASED, old)
        return Reply("west", Code.RELEASED, lies[place][0])

    rounds = run(tmp_path, [asks(sites / "east"), asks(sites / "north"), lying], checked)
    expected = [code for _, code in lies] + ["OLD_RELEASE"]
    assert [one.refused for one in rounds] == [{"west": code} for code in expected]
    assert all(np.isfinite(one.shared).all() for one in rounds)
    for pid in pids:
        nursery.kill(pid)
