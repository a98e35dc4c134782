"""The same ServerApp and relay under `flwr run` end with the same bytes as in one process."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load

from client.app import ask_agent
from models.sharing import PatientData
from server import superlink
from simulations import flower_runtime
from simulations.federation import agents_of, noise_of, run_federation
from simulations.flower_runtime import behind_sockets, is_installed, run_under_flower
from study.failure import Failure
from study.public_start import body_sha256, to_bytes
from study.wire import Code, Request
from tests.client.test_serve import doubled, unjudged
from tests.models.people import made_up_patients
from tests.server.test_app import small_start
from tests.study.small_study import protocol_with

SEED = 11


@pytest.fixture
def flower() -> Iterator[None]:
    """Flower's simulation with Ray; a build machine must have it."""
    if not is_installed():
        reason = "needs the extra `flower`: pip install 'insula[flower]'"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; a build machine must have it, or this test is never run")
        pytest.skip(reason)
    yield


@pytest.mark.slow
@pytest.mark.usefixtures("flower")
def test_flwr_run_and_the_in_process_grid_end_with_the_same_body(tmp_path: Path) -> None:
    """Two rounds of three clinics, real adapter rows of real windows, the same simulated noise.

    Without shrinkage, which leaves the body of so few people where it was.
    """
    protocol = protocol_with(("deadline_s: 5", "deadline_s: 120, shrinkage: false"))
    start = small_start()
    vector = start.shared_vector(protocol)
    made = made_up_patients(3)
    people: dict[str, list[PatientData]] = {
        one.name: [replace(made[place], patient=f"MRN-{place}"), made[(place + 1) % 3]]
        for place, one in enumerate(protocol.members)
    }
    noise = noise_of(protocol, SEED)

    with agents_of(protocol, people, vector, tmp_path / "a", noise, lambda: 1.0) as agents:
        here = run_federation(protocol, agents, tmp_path / "here", vector)

    settings = {
        "protocol": tmp_path / "protocol.yaml",
        "public-start": tmp_path / "start.safetensors",
        "out": tmp_path / "there",
        "agents": tmp_path / "s",
    }
    settings["protocol"].write_text(protocol.canonical())
    settings["public-start"].write_bytes(to_bytes(start))
    with (
        agents_of(protocol, people, vector, tmp_path / "b", noise, lambda: 1.0) as agents,
        behind_sockets([(agent.train, agent.judge) for agent in agents], settings["agents"]),
    ):
        said = run_under_flower(settings, 3, tmp_path / "flower", timeout_s=300)

    there = load((tmp_path / "there" / "body.safetensors").read_bytes())["weights"]
    assert body_sha256(there) == here.body_sha256
    assert here.body_sha256 != body_sha256(start.weights)
    assert "round 2 of 2" in said
    for name in ("0001-replies", "0001-round", "0002-replies", "0002-round"):
        written = [
            (tmp_path / side / "server" / f"{name}.safetensors").read_bytes()
            for side in ("here", "there")
        ]
        assert written[0] == written[1], name
    installed = [path.name for path in (tmp_path / "flower" / "apps").iterdir()]
    assert any(name.startswith("insula") for name in installed)  # it ran from the bundle


@pytest.mark.parametrize("code", [0, 7])
def test_a_study_that_fails_under_flower_is_not_taken_for_a_success(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flower 1.41 ends with 0 where the ServerApp failed."""
    planted = tmp_path / "program"
    planted.write_text(f"#!/bin/sh\necho TOO_FEW_REPLIES\nexit {code}\n")
    planted.chmod(0o700)
    monkeypatch.setattr(flower_runtime, "program", lambda name: str(planted))
    monkeypatch.setattr(superlink, "_wait_for", lambda *_: None)
    with pytest.raises(Failure, match="TOO_FEW_REPLIES"):
        run_under_flower({"out": tmp_path / "out"}, 1, tmp_path / "flower", timeout_s=20)


def test_agents_answer_at_their_places(tmp_path: Path) -> None:
    request = Request(1, "0" * 64, small_start().shared_vector(protocol_with()).start())
    with behind_sockets([(doubled, unjudged)] * 2, tmp_path / "s"):
        assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["0.sock", "1.sock"]
        for place in (0, 1):
            assert ask_agent(tmp_path / "s" / f"{place}.sock", request).code is Code.RELEASED
    with pytest.raises(OSError, match="refused"):
        ask_agent(tmp_path / "s" / "0.sock", request)


def test_a_superlink_that_ends_at_once_is_said_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "flower-superlink"
    planted.write_text("#!/bin/sh\necho the port is taken\nexit 3\n")
    planted.chmod(0o700)
    monkeypatch.setattr(flower_runtime, "program", lambda name: str(planted))
    with pytest.raises(Failure, match="the port is taken"):
        run_under_flower({"out": tmp_path}, 1, tmp_path / "home", timeout_s=20)


def test_what_was_started_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SuperLink that ignores a polite end, and has a child that does too."""
    planted = tmp_path / "program"
    planted.write_text(
        "#!/bin/sh\ncase $1 in\nrun) exit 4;;\n*)\n"
        f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/leader\n"
        "while :; do sleep 0.05; done;;\nesac\n"
    )
    planted.chmod(0o700)
    monkeypatch.setattr(flower_runtime, "program", lambda name: str(planted))
    monkeypatch.setattr(superlink, "STOP_S", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = int(listening.getsockname()[1])
        monkeypatch.setattr(flower_runtime, "free_ports", lambda count: [port] * count)
        monkeypatch.setattr(superlink, "_wait_for", _until_child(tmp_path))
        with pytest.raises(Failure, match="ended with 4"):
            run_under_flower({"out": tmp_path}, 1, tmp_path / "home", timeout_s=20)
    for name in ("leader", "child"):
        assert _is_gone(int((tmp_path / name).read_text()))


def _until_child(folder: Path) -> object:
    def wait(*_: object) -> None:
        for _attempt in range(500):
            if (folder / "leader").exists():
                return
            threading.Event().wait(0.02)
        raise AssertionError("the planted program did not start")

    return wait


def _is_gone(pid: int) -> bool:
    """Whether the process ended within 10 s: the last signal has no one to wait for it."""
    for _attempt in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        threading.Event().wait(0.02)
    return False
