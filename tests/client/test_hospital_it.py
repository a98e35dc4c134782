"""The page for hospital IT, typed as it stands: from no folder to `site check: ready`.

The server is Flower's own SuperLink over TLS with node authentication; the exports are those of six
virtual patients. The test plays the coordinator where the page says that the coordinator acts.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from client.check_network import Surroundings, network_items
from client.node_key import read_node_key
from client.node_standing import NodeKey, activation
from client.preflight import look_at
from client.server_line import Server, ask
from client.site_folder import NODE_KEY, NODE_NUMBER, NODE_PUBLIC, parse_settings
from client.site_init import make_site
from simulations.cohort import CohortSpec, virtual_clinic
from study.agreement import as_text, read_agreement, sign
from study.protocol import read_protocol
from study.signing_key import make_key, public_hex
from tests.client.certificates import Authority
from tests.client.real_superlink import RunningLink, superlink

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_TYPED = ("make setup", "docker ", "insula site relay")
"""Blocks that install, that need an engine, or that do not end; other tests run those."""
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


def blocks(repository: Path) -> list[str]:
    """The shell blocks of the page that end by themselves, in their order."""
    page = (repository / "docs" / "hospital-it.md").read_text()
    return [one for one in FENCE.findall(page) if not any(word in one for word in NOT_TYPED)]


def typed(block: str, folder: Path, environment: dict[str, str]) -> str:
    """What a block prints; its server's name exchanged for the one that is there. What it leaves
    running in the background is the caller's to end."""
    with (folder / "typed.txt").open("w+") as out:
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


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLink]:
    """The study's server, whose CA lies beside it."""
    folder = tmp_path_factory.mktemp("centre")
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    with superlink(folder, folder / "ca.pem", authority.serve(folder)) as running:
        yield running


@pytest.fixture
def centre(link: RunningLink, tmp_path: Path) -> Iterator[Centre]:
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
def test_a_newcomer_reaches_ready(centre: Centre, link: RunningLink) -> None:
    begin = time.monotonic()
    printed = []
    for block in blocks(ROOT):
        text = block.replace(SERVER, f"localhost:{link.port}")
        printed.append(typed(text, centre.here, centre.environment()))
        if block.startswith("insula site init"):
            link.register(centre.here / "site" / NODE_PUBLIC)
    took_s = time.monotonic() - begin
    assert "site check: network ready" in printed[1]
    assert "6 patients" in printed[2]
    assert printed[5].splitlines()[-1] == "site check: ready"
    assert "agreement" in printed[6] and "signed" in printed[6]
    assert took_s < FIFTEEN_MINUTES_S
    assert read_agreement(centre.here / "site" / "agreement.json").sites.keys() == {"harbour"}
    assert not (centre.here / "site" / "ledger" / "ledger.jsonl").read_text().count("debit")


@pytest.mark.slow
def test_the_real_server_s_answers_about_a_key_are_told_apart(
    link: RunningLink, tmp_path: Path
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
    number = link.register(site / NODE_PUBLIC)
    assert code("node key", 20.0) == "node-key-refused"
    assert code("clock", 20.0) == "clock-off"
    assert code("node key") == ""
    assert (site / NODE_NUMBER).read_text() == f"{number}\n"

    connect_relay(site, link)
    assert code("node key") == ""  # its number is known: the relay is not disturbed
    (site / NODE_NUMBER).unlink()
    assert code("node key") == "node-key-not-registered"  # as the page says


def connect_relay(site: Path, link: RunningLink) -> None:
    """What a SuperNode says first, and no good-bye."""
    node = NodeKey(read_node_key(site / NODE_KEY), time.time)
    server = Server("localhost", link.port, link.ca)
    path, body = "/v1/fleet/activate-node", activation(node.public)
    assert ask(server, path, body, node.headers()).status == 200
