"""The page for hospital IT, typed as it stands: from no folder to `site check: ready`.

The server is Flower's own SuperLink over TLS with node authentication; the exports are those of six
virtual patients. The test plays the coordinator where the page says that the coordinator acts.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from client.check_network import Surroundings, network_items
from client.node_key import read_node_key
from client.node_standing import NodeKey, activation
from client.preflight import look_at
from client.server_line import Server, ask
from client.site_folder import NODE_KEY, NODE_NUMBER, NODE_PUBLIC, parse_settings
from client.site_init import make_site
from server.superlink import Identity, SuperLink, stop, superlink
from simulations.cohort import CohortSpec, virtual_clinic
from study.agreement import as_text, read_agreement, sign
from study.protocol import read_protocol
from study.signing_key import make_key, public_hex
from tests.client.certificates import Authority
from tests.documented import HOSPITAL, typed_by

ROOT = Path(__file__).parents[2]
PAGE = "docs/hospital-it.md"
RELAY = "insula site relay site"
CONNECTED_S = 120.0
SERVER = "study.example.org:9092"
FIFTEEN_MINUTES_S = 900.0


@dataclass(frozen=True)
class Centre:
    """The coordinator's things, and the folder in which the page is typed."""

    here: Path
    public_key: str

    def environment(self) -> dict[str, str]:
        """What a person's shell has once the first section is done."""
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": path, "COORDINATOR": self.public_key}

    def stop_agent(self) -> None:
        """End the agent that the page leaves running."""
        pid = self.here / "site" / "run" / "agent.pid"
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)


def blocks(page: str = PAGE) -> list[str]:
    """The shell blocks of a page that end by themselves, in their order."""
    return ["\n".join(block) for block in typed_by(HOSPITAL, page) if block != [RELAY]]


def typed(block: str, folder: Path, environment: dict[str, str]) -> str:
    """What a block prints; its server's name exchanged for the one that is there. What it leaves
    running in the background is the caller's to end."""
    with TemporaryFile("w+") as out:
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=500,
            start_new_session=True,
        )
        out.seek(0)
        return out.read()


def public_line(site: Path) -> str:
    """What the clinic sends the coordinator of its node."""
    return (site / NODE_PUBLIC).read_text().strip()


def relay_connects(centre: Centre, link: SuperLink) -> bool:
    """Type the relay's block, which does not end, and end it once the server knows it."""
    command = f"{RELAY} 2>&1".replace(SERVER, f"localhost:{link.port}")
    with (centre.here / "relay.txt").open("w+") as said:
        relay = subprocess.Popen(
            ["bash", "-c", command],
            cwd=centre.here,
            env={**centre.environment(), "FLWR_HOME": str(centre.here / "flower")},
            stdout=said,
            start_new_session=True,
        )
        until = time.monotonic() + CONNECTED_S
        try:
            while time.monotonic() < until and relay.poll() is None:
                if "SuperNode ID" in (centre.here / "relay.txt").read_text():
                    return True
                time.sleep(0.2)
            return False
        finally:
            stop(relay)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    """The study's server, whose CA lies beside it."""
    folder = tmp_path_factory.mktemp("centre")
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    with superlink(folder, Identity(folder / "ca.pem", *authority.serve(folder))) as running:
        yield running


@pytest.fixture
def centre(link: SuperLink, tmp_path: Path) -> Iterator[Centre]:
    """What the coordinator sends, in the folder where the hospital's person types."""
    key = make_key(tmp_path / "coordinator.key")
    here = tmp_path / "here"
    here.mkdir()
    (here / "ca.pem").write_bytes(link.ca.read_bytes())
    protocol = read_protocol(ROOT / "study" / "protocols" / "demo.yaml")
    (here / "protocol.yaml").write_text(protocol.canonical())
    (here / "agreement.json").write_text(as_text(sign(protocol, key)))
    spec = CohortSpec(("child", "adolescent"), patients=6, days=4, seed=21)
    clinic = virtual_clinic(spec, tmp_path / "cache", lambda done, total: None)
    (here / "exports").symlink_to(clinic)
    sent = Centre(here, public_hex(key))
    yield sent
    sent.stop_agent()


@pytest.mark.slow
def test_a_newcomer_reaches_ready(centre: Centre, link: SuperLink) -> None:
    begin = time.monotonic()
    first, *rest = blocks()
    installed = typed(f"{first}\ncommand -v insula", ROOT, centre.environment())
    assert installed.split()[-1] == str(ROOT / ".venv" / "bin" / "insula")
    printed = []
    for block in rest:
        text = block.replace(SERVER, f"localhost:{link.port}")
        printed.append(typed(text, centre.here, centre.environment()))
        if block.startswith("insula site init"):
            link.register("harbour", public_line(centre.here / "site"))
    took_s = time.monotonic() - begin
    assert "site check: network ready" in printed[1]
    assert "6 patients" in printed[2]
    assert printed[5].splitlines()[-1] == "site check: ready"
    assert "agreement" in printed[6] and "signed" in printed[6]
    assert took_s < FIFTEEN_MINUTES_S
    (checks,) = blocks("docs/site-check.md")
    ready = [line for line in typed(checks, centre.here, centre.environment()).splitlines()]
    assert [line for line in ready if "ready" in line] == [
        *("site check: ready", "site check: network ready", "site check: site ready")
    ]
    assert relay_connects(centre, link), (centre.here / "relay.txt").read_text()
    assert read_agreement(centre.here / "site" / "agreement.json").sites.keys() == {"harbour"}
    assert not (centre.here / "site" / "ledger" / "ledger.jsonl").read_text().count("debit")


@pytest.mark.slow
def test_the_real_server_s_answers_about_a_key_are_told_apart(
    link: SuperLink, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    plain = {"clinic": "harbour", "server": f"localhost:{link.port}"}
    make_site(site, parse_settings(plain, "the test"), link.ca)

    def code(item: str, ahead_s: float = 0.0) -> str:
        around = Surroundings(site, {}, lambda: time.time() + ahead_s)
        found = look_at(network_items(around), lambda name: None)
        return next(one.code for one in found if one.item == item)

    assert code("clock") == ""
    assert code("node key") == "node-key-not-registered"
    number = link.register("harbour", public_line(site))
    assert code("node key", 20.0) == "node-key-refused"
    assert code("clock", 20.0) == "clock-off"
    assert code("node key") == ""
    assert (site / NODE_NUMBER).read_text() == f"{number}\n"

    connect_relay(site, link)
    assert code("node key") == ""  # its number is known: the relay is not disturbed
    (site / NODE_NUMBER).unlink()
    assert code("node key") == "node-key-not-registered"  # as the page says


def connect_relay(site: Path, link: SuperLink) -> None:
    """What a SuperNode says first, and no good-bye."""
    node = NodeKey(read_node_key(site / NODE_KEY), time.time)
    server = Server("localhost", link.port, link.ca)
    path, body = "/v1/fleet/activate-node", activation(node.public)
    assert ask(server, path, body, node.headers()).status == 200
