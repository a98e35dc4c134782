"""The agent as a process of its own: it answers as one in this process would, or does not start."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from client import site_serve
from client.agent import Agent, AgentSite
from client.app import ask_agent
from client.enrolment import enrol
from client.forgetting import forget
from client.head_store import HeadStore
from client.policy import POLICY
from client.site_serve import Ready, Serving, clinic_of, opened, serve_site
from client.site_table import read_site
from privacy.ledger import Ledger
from privacy.noise import ExactNoise, SimulatedNoise
from study.failure import ExitCode, Failure
from study.public_start import read_public_start
from study.wire import Code, Reply, Request
from tests.client.made_site import SEED, made_traces, make_site, net_protocol, serving

PROTOCOL = net_protocol()
TRACES = made_traces("east", 2)


def request(number: int = 1) -> Request:
    shared = np.zeros(PROTOCOL.release.dimension)
    return Request(number, PROTOCOL.digest(), shared)


def in_this_process(site: Path) -> Reply:
    """What the same folder's agent answers when it is called directly."""
    vector = read_public_start(site / "start.safetensors").shared_vector(PROTOCOL)
    people = enrol(PROTOCOL, "east", read_site(site / "site.parquet"), HeadStore(site)).members
    home = AgentSite(site, "east", lambda: 1.0)
    with Agent(home, PROTOCOL, vector, people, lambda n: SimulatedNoise(SEED, "east", n)) as agent:
        return agent.train(request())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose heads are fitted, so that copies of it start at once."""
    folder = make_site(tmp_path_factory.mktemp("sites") / "east", PROTOCOL, "east", TRACES)
    enrol(PROTOCOL, "east", TRACES, HeadStore(folder))
    return folder


@pytest.fixture
def copy(site: Path, tmp_path: Path) -> Iterator[Path]:
    yield shutil.copytree(site, tmp_path / "east")


@pytest.mark.slow
def test_the_process_answers_what_an_agent_in_one_process_answers(
    copy: Path, site: Path, tmp_path: Path
) -> None:
    expected = in_this_process(shutil.copytree(site, tmp_path / "here"))
    with serving(copy) as agent:
        assert stat.S_IMODE(agent.socket.stat().st_mode) == 0o600
        reply = ask_agent(agent.socket, request())
        assert reply.code is Code.RELEASED and expected.release is not None
        assert reply.release is not None
        assert reply.release.tobytes() == expected.release.tobytes()
        assert ask_agent(agent.socket, request(3)).code is Code.NO_SUCH_ROUND
        assert agent.stop() == 0
        assert not agent.socket.exists()
    log = (copy / "agent.log").read_text()
    assert [line.split(" ", 1)[1].split(":")[0] for line in log.splitlines()] == [
        "open",
        "round 1 RELEASED",
        "round 3 NO_SUCH_ROUND",
        "closed",
    ]
    with Ledger.open(copy / "ledger", mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        assert ledger.mu_spent() == pytest.approx(1 / PROTOCOL.sigma)


def place(site: Path) -> Serving:
    return Serving(site, site / "s", None, site / "start.safetensors", SEED)


def never(ready: Ready) -> None:
    raise AssertionError("the door was opened")


@pytest.mark.parametrize(
    ("spoil", "code", "found"),
    [
        ("rm site.parquet", ExitCode.MISSING_INPUT, "site.parquet"),
        ("rm protocol.yaml", ExitCode.MISSING_INPUT, "protocol.yaml"),
        ("rm policy.yaml", ExitCode.REFUSED, "no usable policy"),
        ("rm agreement.json", ExitCode.REFUSED, "no-agreement"),
        ("rm site.key", ExitCode.REFUSED, "no key"),
        ("rm start.safetensors", ExitCode.MISSING_INPUT, "public start"),
        ("echo 'study: [' > protocol.yaml", ExitCode.BAD_PROTOCOL, "not YAML"),
        ("sed -i 's/epsilon: 8.0/epsilon: 9.0/' protocol.yaml", ExitCode.REFUSED, "nobody"),
        ("sed -i 's/rehearsal: true/rehearsal: false/' policy.yaml", ExitCode.REFUSED, "protects"),
        ("sed -i 's/minimum_patients: 1/minimum_patients: 3/' policy.yaml", ExitCode.REFUSED, "2"),
        ("echo > left.json", ExitCode.REFUSED, "this clinic left"),
        ("echo > forgotten.json", ExitCode.REFUSED, "forgotten.json, which cannot be read"),
        ("echo > site.parquet", ExitCode.BAD_DATA, "parquet"),
        ("mkdir -p ledger; echo x > ledger/ledger.jsonl", ExitCode.REFUSED, "ledger"),
    ],
)
def test_what_is_not_as_agreed_opens_no_door(
    spoil: str, code: ExitCode, found: str, copy: Path
) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=copy, check=True)
    with pytest.raises(Failure, match=found) as refusal:
        serve_site(place(copy), never)
    assert refusal.value.code is code
    assert not (copy / "s").exists()


def test_who_is_forgotten_is_not_enrolled_and_gets_no_head_again(copy: Path) -> None:
    """Readings that somebody copied back into the site table, past `insula site import`."""
    before = (copy / "site.parquet").read_bytes()
    name = TRACES[0].patient
    forget(copy, name)
    (copy / "site.parquet").write_bytes(before)
    with opened(place(copy)) as (agent, ready):
        assert [one.patient for one in agent.patients] == [TRACES[1].patient]
        assert len(ready.enrolled.members) == 1
    assert HeadStore(copy).get(name) is None


def test_another_key_than_the_one_that_signed_is_no_clinic(copy: Path) -> None:
    (copy / "site.key").write_bytes(bytes(range(32)))
    with pytest.raises(Failure, match="0 countersignatures by this site's key"):
        clinic_of(copy, PROTOCOL)


def test_a_second_agent_of_a_site_refuses_and_leaves_the_first_its_door(copy: Path) -> None:
    (copy / "s").write_text("the first agent's")
    with (
        Ledger.open(copy / "ledger", mu_cap=PROTOCOL.mu, study=PROTOCOL.study),
        pytest.raises(Failure, match="held by another process") as refusal,
    ):
        serve_site(place(copy), never)
    assert refusal.value.code is ExitCode.REFUSED
    assert (copy / "s").read_text() == "the first agent's"


def test_a_socket_path_too_long_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="at most 100"):
        serve_site(Serving(tmp_path, tmp_path / ("x" * 108)), never)


def test_a_group_that_is_not_there_is_said(copy: Path) -> None:
    chosen = Serving(copy, copy / "s", "no-such-group", copy / "start.safetensors")
    with pytest.raises(Failure, match="no-such-group"):
        serve_site(chosen, never)


def test_the_named_group_may_ask_and_others_not(copy: Path) -> None:
    own = os.getgid()
    chosen = Serving(copy, copy / "s", str(own), copy / "start.safetensors")
    modes = []

    def look(ready: Ready) -> None:
        modes.append(stat.S_IMODE((copy / "s").stat().st_mode))
        os.kill(os.getpid(), signal.SIGTERM)

    serve_site(chosen, look)
    assert modes == [0o660]


def test_a_stop_before_the_door_is_open_ends_in_peace(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def stopped(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(site_serve, "read_site", stopped)
    serve_site(place(copy), never)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (copy / "s").exists()


def test_exact_noise_is_the_operating_system_s_whatever_the_seed() -> None:
    exact = net_protocol(("noise: simulated", "noise: exact"))
    source = site_serve.noise_of(exact, "east", Serving(Path(), Path(), seed=3))(1)
    assert isinstance(source, ExactNoise)


@pytest.mark.slow
def test_a_refusal_to_start_has_its_exit_code_and_says_so_in_json(copy: Path) -> None:
    (copy / POLICY).unlink()
    command = [sys.executable, "-m", "insula", "site", "serve", str(copy), "--json"]
    command += ["--public-start", str(copy / "start.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.REFUSED
    assert "no usable policy" in json.loads(done.stdout)["error"]["found"]
