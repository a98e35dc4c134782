"""A slow line, a line cut in mid-round, a clinic that lies, a full disk: the bytes of a quiet day.

One study goes through it all, because each start over the network costs seconds of processor time.
The line is tests/network/wire.py between a relay and the server's door.
"""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from client.framing import read_request, reply_frame
from server.app_ending import is_held, running_lock
from simulations.federation import agents_of, noise_of, run_federation
from study.failure import ExitCode
from study.public_start import body_sha256, read_public_start
from study.wire import Code, Reply
from tests.client.made_site import SEED, net_protocol
from tests.network.real_study import RealStudy, descendants, real_study
from tests.network.test_study import mu_spent, people_of
from tests.network.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

DELAY_S, CUT_S = 0.3, 5.0
HONEST, LIAR, ON_THE_LINE = ("east", "west"), "north", "west"
ROOM = 12_000
"""Bytes that the full disk takes in one file: fewer than the body has, or the witnesses' words."""


@contextmanager
def lying(site: Path, dimension: int) -> Iterator[None]:
    """At the agent's socket, something that answers each round with numbers that are none."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(site / "s"))
        listening.listen()
        thread = threading.Thread(target=_lie, args=(listening, dimension), daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _lie(listening: socket.socket, dimension: int) -> None:
    with suppress(OSError):
        while True:
            call, _ = listening.accept()
            with call, call.makefile("rb") as asked:
                read_request(asked)
                call.sendall(reply_frame(Reply(LIAR, Code.RELEASED, np.full(dimension, np.nan))))


def released(study: RealStudy, clinic: str) -> list[Path]:
    """The releases that a clinic's ledger keeps."""
    return sorted((study.site(clinic) / "ledger" / "releases").glob("*.npy"))


def complained(study: RealStudy) -> int:
    """How often the relay on the line said that it could not get through."""
    said = (study.site(ON_THE_LINE) / "relay.txt").read_text(errors="replace")
    return said.count("Connection attempt failed")


def fill_disk(study: RealStudy) -> None:
    """From now on the ServerApp's disk takes small files only."""
    study.until(lambda: is_held(running_lock(study.run)))
    for pid in descendants(study.processes["centre"].pid, "flwr-serverapp"):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))


def ended_on_a_full_disk(study: RealStudy) -> int:
    """The exit code. A relay that the cut met in a TLS handshake ends, and its reply with it.

    Then the replies are too few, which is said; its clinic starts it and the study goes on.
    """
    fill_disk(study)
    code = study.wait(900)
    if code == ExitCode.TOO_FEW_REPLIES:
        study.resume_centre()
        fill_disk(study)
        code = study.wait(900)
    return code


def honest_body(study: RealStudy, folder: Path) -> str:
    """Hash of the body of a quiet day among those who do not lie."""
    protocol, start = study.protocol, study.site("east") / "start.safetensors"
    vector = read_public_start(start).shared_vector(protocol)
    people = {name: one.members for name, one in people_of(study, folder / "stores").items()}
    noise, homes = noise_of(protocol, SEED), folder / "homes"
    with agents_of(protocol, people, vector, homes, noise, lambda: 1.0) as agents:
        honest = [one for one in agents if one.site.name in HONEST]
        return run_federation(protocol, honest, folder / "here", vector).body_sha256


def test_slow_cut_lied_to_and_full_the_study_ends_with_the_bytes_of_a_quiet_day(
    tmp_path: Path,
) -> None:
    protocol = net_protocol(("deadline_s: 120", "deadline_s: 900"))
    with (
        real_study(tmp_path / "s", protocol) as study,
        Wire(study.port) as line,
        lying(study.site(LIAR), protocol.release.dimension),
    ):
        line.delay_s = DELAY_S
        study.start_centre()
        for name in (*HONEST, LIAR):
            study.start_relay(name, line.port if name == ON_THE_LINE else None)
        for name in HONEST:
            study.start_agent(name)

        # The line is cut when the clinic has released and its reply is not over.
        study.until(lambda: bool(released(study, ON_THE_LINE)), 600)
        complaints = complained(study)
        line.cut()
        before = released(study, ON_THE_LINE)[0].read_bytes()
        assert not (study.run / "server" / "0001-replies.safetensors").exists()
        time.sleep(CUT_S)
        ended = study.processes[f"relay-{ON_THE_LINE}"].poll() is not None
        assert ended or complained(study) > complaints, "the relay did not notice the cut"
        line.mend()
        assert ended_on_a_full_disk(study) == ExitCode.NOT_WRITTEN, study.words()
        said = (study.folder / "centre.txt").read_text()
        assert "File too large at" in said and "make room" in said and "Traceback" not in said
        assert not (study.run / "body.safetensors").exists()
        assert not list(study.run.rglob("*.draft")) and not (study.run / "run.json").exists()

        # There is room again.
        study.resume_centre()
        assert study.wait(900) == 0, study.words()
        done = study.status()["done"]
        assert isinstance(done, list) and len(done) == 2
        for one in done:
            assert (one["took_part"], one["refused"]) == ([*HONEST], {LIAR: "BAD_RELEASE"})
        assert [agent.stop() for agent in study.agents.values()] == [0, 0]
        there = load((study.run / "body.safetensors").read_bytes())["weights"]
        assert released(study, ON_THE_LINE)[0].read_bytes() == before
        assert body_sha256(there) == honest_body(study, tmp_path)
        for clinic in HONEST:
            assert mu_spent(study, clinic) == pytest.approx(protocol.mu)
