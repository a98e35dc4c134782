"""A study over the real network: TLS, node keys, real processes, and the bytes of a run in one.

What crosses is recorded twice, as a listener sees it and before it is encrypted, and searched for
what must stay at home.
"""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from client.enrolment import Enrolled, enrol
from client.head_store import HeadStore
from client.site_table import read_site
from models.trace import FloatArray
from privacy.ledger import Ledger
from server.certificates import make_certificates, utc_now
from simulations.federation import FederationResult, agents_of, noise_of, run_federation
from study.protocol import Protocol
from study.public_start import body_sha256, read_public_start
from tests.client.made_site import CANARY, SEED, net_protocol
from tests.network.real_study import LOOPBACK, RealStudy, real_study
from tests.network.wire import OpenedWire, Wire

TWO_CLINICS = ("declared_patients: 8", "declared_patients: 8\n    role: observer")
WORDS = (CANARY.encode(), b"glucose", b"Traceback", b"made-up", b"patients")


def of_two_clinics(*changes: tuple[str, str]) -> Protocol:
    """East and west are members, with time enough for a machine that has other work."""
    return net_protocol(TWO_CLINICS, ("deadline_s: 120", "deadline_s: 900"), *changes)


def people_of(study: RealStudy, store: Path) -> dict[str, Enrolled]:
    """Everybody as each site's own agent enrols them."""
    return {
        one.name: enrol(
            study.protocol,
            one.name,
            read_site(study.site(one.name) / "site.parquet"),
            HeadStore(store / one.name),
        )
        for one in study.protocol.members
    }


def in_one_process(study: RealStudy, folder: Path) -> FederationResult:
    """The same protocol, readings, seeds and noise, with neither socket nor network."""
    east = study.site(study.protocol.members[0].name)
    vector = read_public_start(east / "start.safetensors").shared_vector(study.protocol)
    people = {name: one.members for name, one in people_of(study, folder / "stores").items()}
    noise = noise_of(study.protocol, SEED)
    homes = folder / "homes"
    with agents_of(study.protocol, people, vector, homes, noise, lambda: 1.0) as agents:
        return run_federation(study.protocol, agents, folder / "here", vector)


def mu_spent(study: RealStudy, clinic: str) -> float:
    """What a clinic's ledger says was spent, once its agent is gone."""
    folder, protocol = study.site(clinic) / "ledger", study.protocol
    with Ledger.open(folder, mu_cap=protocol.mu, study=protocol.study) as ledger:
        return ledger.mu_spent()


@dataclass(frozen=True)
class Recorded:
    """A study that is over, the same in one process, and what crossed."""

    study: RealStudy
    here: FederationResult
    here_run: Path
    secret: bytes
    opened: bytes
    refused: dict[str, int | str]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("n")
    with real_study(folder / "s", of_two_clinics()) as study:
        with OpenedWire(study.port, study.tls) as opened, Wire(opened.port) as secret:
            study.start_centre()
            study.start_clinics(secret.port)
            start_strangers(study)
            study.until(lambda: b"/v1/fleet/activate-node" in opened.up)
            refused = refusals(study)
            assert study.wait() == 0, study.words()
            assert [agent.stop() for agent in study.agents.values()] == [0, 0]
        here = in_one_process(study, folder)
        crossed = bytes(secret.up + secret.down), bytes(opened.up + opened.down)
        yield Recorded(study, here, folder / "here", *crossed, refused)


def start_strangers(study: RealStudy) -> None:
    """A relay with a key of its own, and a registered one that pins another study's CA."""
    (study.site("stranger")).mkdir()
    study.node_key(study.site("stranger"))
    shutil.copytree(study.site("west") / "node", study.site("distrustful") / "node")
    make_certificates(study.folder / "other", [LOOPBACK], utc_now())
    shutil.copy(study.folder / "other" / "ca.pem", study.site("distrustful") / "node" / "ca.pem")
    for name in ("stranger", "distrustful"):
        study.start_relay(name)


def refusals(study: RealStudy) -> dict[str, int | str]:
    """What a stranger meets who reaches the server's port while the study runs."""
    trusted = ssl.create_default_context(cafile=str(study.tls / "ca.pem"))
    server = f"https://{LOOPBACK}:{study.port}"
    found: dict[str, int | str] = {}
    for path in ("control/start-run", "control/register-node", "runtime/acquire-task"):
        found[path] = httpx.post(f"{server}/v1/{path}", verify=trusted).status_code
    unsigned = {"content-type": "application/protobuf"}
    pulled = httpx.post(f"{server}/v1/fleet/pull-messages", verify=trusted, headers=unsigned)
    found["fleet/pull-messages"] = pulled.status_code
    with socket.create_connection((LOOPBACK, study.port)) as call:
        call.sendall(b"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: x\r\n\r\n")
        found["plain"] = call.recv(100).decode("latin-1")
    return found


@pytest.mark.slow
def test_the_body_is_that_of_the_same_study_in_one_process(recorded: Recorded) -> None:
    study, here = recorded.study, recorded.here
    there = load((study.run / "body.safetensors").read_bytes())["weights"]
    start = read_public_start(study.site("east") / "start.safetensors")
    assert body_sha256(there) == here.body_sha256 != body_sha256(start.weights)
    assert [one.took_part for one in here.rounds] == [("east", "west")] * 2
    for name in ("0001-replies", "0001-round", "0002-replies", "0002-round"):
        sides = (study.run, recorded.here_run)
        written = [(one / "server" / f"{name}.safetensors").read_bytes() for one in sides]
        assert written[0] == written[1], name


@pytest.mark.slow
def test_each_clinic_spent_its_budget_and_no_more(recorded: Recorded) -> None:
    for one in recorded.study.protocol.members:
        assert mu_spent(recorded.study, one.name) == pytest.approx(recorded.study.protocol.mu)


@pytest.mark.slow
def test_the_status_says_who_took_part(recorded: Recorded) -> None:
    found = recorded.study.status()
    assert (found["state"], found["round"], found["rounds"]) == ("finished", 2, 2)
    assert isinstance(found["done"], list)
    assert [one["took_part"] for one in found["done"]] == [["east", "west"]] * 2


@pytest.mark.slow
def test_nothing_that_the_study_started_is_left(recorded: Recorded) -> None:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    ours = str(recorded.study.run / "network")
    assert [line for line in listed.stdout.splitlines() if ours in line] == []


@pytest.mark.slow
def test_a_stranger_reaches_nothing_but_a_refusal(recorded: Recorded) -> None:
    assert recorded.refused["control/start-run"] == 404
    assert recorded.refused["control/register-node"] == 404
    assert recorded.refused["runtime/acquire-task"] == 404
    assert recorded.refused["fleet/pull-messages"] == 401
    assert "200" not in str(recorded.refused["plain"])


def windows_of(array: FloatArray) -> Iterator[bytes]:
    """Each two neighbouring numbers as the bytes that would cross, in both widths."""
    for kind in ("<f8", "<f4"):
        flat = np.ascontiguousarray(array, dtype=kind).ravel()
        yield from (flat[place : place + 2].tobytes() for place in range(0, len(flat) - 1, 2))


def holds(crossed: bytes, array: FloatArray) -> bool:
    """Whether any two neighbouring numbers of an array stand in what crossed."""
    there = (piece for piece in windows_of(array) if np.frombuffer(piece, "u1").any())
    return any(piece in crossed for piece in there)


@pytest.mark.slow
def test_what_crosses_is_the_releases_and_nothing_of_a_patient(
    recorded: Recorded, tmp_path: Path
) -> None:
    crossed = recorded.opened
    for one in recorded.study.protocol.members:
        kept = recorded.study.site(one.name) / "ledger" / "releases"
        for path in kept.iterdir():
            assert holds(crossed, np.load(path)), "the recording missed a release"
    for people in people_of(recorded.study, tmp_path).values():
        for person in people.members:
            assert not holds(crossed, person.head.theta)
            assert not holds(crossed, person.windows.target)
    for clinic in ("east", "west"):
        store = HeadStore(recorded.study.site(clinic))
        assert not any(name.encode() in crossed for name in store.pseudonyms())


@pytest.mark.slow
def test_nothing_crosses_in_clear_text(recorded: Recorded) -> None:
    assert b"/v1/fleet/pull-messages" in recorded.opened
    for word in (b"/v1/fleet", b"HTTP/1.1", b"small-study", b"east", *WORDS):
        assert word not in recorded.secret
    for path in (recorded.study.site("east") / "ledger" / "releases").iterdir():
        assert not holds(recorded.secret, np.load(path))


@pytest.mark.slow
def test_a_relay_with_a_key_nobody_registered_is_not_let_in(recorded: Recorded) -> None:
    said = (recorded.study.site("stranger") / "relay.txt").read_text()
    assert "Starting Flower SuperNode" in said and "SuperNode ID" not in said


@pytest.mark.slow
def test_a_relay_that_pins_another_ca_tells_this_server_nothing(recorded: Recorded) -> None:
    said = (recorded.study.site("distrustful") / "relay.txt").read_text()
    assert "Starting Flower SuperNode" in said and "SuperNode ID" not in said
