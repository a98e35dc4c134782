"""A line slow, cut and unplugged, a clinic that lies, a full disk: the bytes of a quiet day.

One study goes through it all, because each start over the network costs seconds of processor time.
One relay reaches the server's door over tests/network/wire.py, another, where this machine allows
it, from a network namespace.
"""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from tests.network.link import Link, new_link
from tests.network.real_study import LOOPBACK, RealStudy, descendants, real_study
from tests.network.test_study import mu_spent, people_of
from tests.network.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

DELAY_S, CUT_S, UNPLUGGED_S = 0.3, 5.0, 15.0
HONEST, LIAR = ("east", "west"), "north"
UNPLUGGED, ON_THE_LINE = HONEST
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


@dataclass(frozen=True)
class Ended:
    """A study that is over: what its centre said of the full disk, and the first release sent."""

    study: RealStudy
    full: int
    said: str
    left: list[str]
    first: bytes
    waited: bool | None


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("n") / "s"
    protocol = net_protocol(("deadline_s: 120", "deadline_s: 900"))
    with (
        new_link() as link,
        real_study(folder, protocol, (link.host,) if link else (LOOPBACK,)) as study,
        Wire(study.port) as line,
        lying(study.site(LIAR), protocol.release.dimension),
    ):
        line.delay_s = DELAY_S
        study.start_centre()
        study.start_relay(UNPLUGGED, prefix=link.inside if link else ())
        study.start_relay(ON_THE_LINE, line.port)
        study.start_relay(LIAR)
        for name in HONEST:
            study.start_agent(name)
        first = cut_in_a_round(study, line)
        full = ended_on_a_full_disk(study)
        said = (study.folder / "centre.txt").read_text()
        left = [one.name for one in (study.run / "server").iterdir()]
        study.resume_centre()  # there is room again
        study.until(lambda: (study.run / "server" / "0001-round.safetensors").is_file(), 600)
        waited = unplugged_in_a_round(study, link) if link else None
        assert study.wait(900) == 0, study.words()
        assert [agent.stop() for agent in study.agents.values()] == [0, 0]
        yield Ended(study, full, said, left, first, waited)


def cut_in_a_round(study: RealStudy, line: Wire) -> bytes:
    """Cut the line when its clinic has released and its reply is not over; the release."""
    study.until(lambda: bool(released(study, ON_THE_LINE)), 600)
    complaints = complained(study)
    line.cut()
    assert not (study.run / "server" / "0001-replies.safetensors").exists()
    time.sleep(CUT_S)
    over = study.processes[f"relay-{ON_THE_LINE}"].poll() is not None
    assert over or complained(study) > complaints, "the relay did not notice the cut"
    line.mend()
    return released(study, ON_THE_LINE)[0].read_bytes()


def unplugged_in_a_round(study: RealStudy, link: Link) -> bool:
    """Whether the round waited for a clinic whose cable was out, and is in again."""
    study.until(lambda: link.reaches(study.port))
    link.unplug()
    assert not link.reaches(study.port)
    time.sleep(UNPLUGGED_S)
    waits = not (study.run / "server" / "0002-replies.safetensors").exists()
    link.plug_in()
    return waits


def test_the_body_is_that_of_a_quiet_day_among_those_who_do_not_lie(
    ended: Ended, tmp_path: Path
) -> None:
    there = load((ended.study.run / "body.safetensors").read_bytes())["weights"]
    assert body_sha256(there) == honest_body(ended.study, tmp_path)


def test_what_was_released_before_the_cut_was_not_drawn_again_and_nothing_is_paid_twice(
    ended: Ended,
) -> None:
    assert released(ended.study, ON_THE_LINE)[0].read_bytes() == ended.first
    for clinic in HONEST:
        assert len(released(ended.study, clinic)) == 2
        assert mu_spent(ended.study, clinic) == pytest.approx(ended.study.protocol.mu)


def test_the_liar_is_named_in_each_round_and_no_one_else(ended: Ended) -> None:
    done = ended.study.status()["done"]
    assert isinstance(done, list) and len(done) == 2
    for one in done:
        assert (one["took_part"], one["refused"]) == ([*HONEST], {LIAR: "BAD_RELEASE"})


def test_a_full_disk_ends_the_command_with_its_code_and_words(ended: Ended) -> None:
    assert ended.full == ExitCode.NOT_WRITTEN
    assert "File too large at" in ended.said and "make room" in ended.said
    assert "Traceback" not in ended.said
    assert not [name for name in ended.left if name.endswith("draft") or name == "over"]


def test_an_unplugged_cable_is_waited_for(ended: Ended) -> None:
    """The cable ends in a network namespace: packets get lost, and no side is told."""
    if ended.waited is None:
        reason = "needs root and iproute2 to make a network namespace"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; a build machine must have them, or this is never tested")
        pytest.skip(reason)
    assert ended.waited
