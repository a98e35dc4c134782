"""Ten clinics with real agents: three leave and the quorum goes on; a fourth, and the study stops.

One loses its relay, so that the grid sees it no more; the relays of the others find no agent.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from client.agent import Agent
from privacy.ledger import Ledger
from server.app import run_study
from server.flower import FlowerCentre
from server.rounds import Outcome
from simulations.federation import agents_of, noise_of
from simulations.grid import Ask, InProcessGrid, quiet_flower
from study.failure import ExitCode, Failure
from study.protocol import Protocol, parse_protocol
from study.wire import Reply, Request
from tests.study.small_study import TEXT, RidgeVector, small_person

NAMES = tuple(f"clinic-{number}" for number in range(10))
NODES = dict(enumerate(NAMES, start=1))
UNSEEN = NAMES[2]
"""Who goes with relay and all."""
THREE = {UNSEEN, NAMES[5], NAMES[9]}
SEED = 7

pytestmark = pytest.mark.slow


def of_ten() -> Protocol:
    """The small study with ten members of five declared patients, of whom seven must answer."""
    source = "declared_patients: 5, source: {layout: uom, folder: uom}"
    clinics = "".join(f"  - {{name: {name}, {source}}}\n" for name in NAMES)
    settings = TEXT[TEXT.index("release:") :].replace("quorum: 2", "quorum: 7")
    return parse_protocol(f"study: small-study\nclinics:\n{clinics}{settings}")


PROTOCOL = of_ten()


@dataclass
class Village:
    """The clinics, of whom some go after the first round."""

    going: Collection[str] = ()
    gone: set[str] = field(default_factory=set)

    def progress(self, done: int, total: int) -> None:
        """The first round is over."""
        self.gone |= set(self.going)

    def ask(self, name: str, agent: Agent) -> Ask:
        """The agent at its socket, where nobody listens once it is gone."""

        def asked(request: Request) -> Reply:
            if name in self.gone:
                raise ConnectionRefusedError
            return agent.train(request)

        return asked


class SeenGrid(InProcessGrid):
    """A grid without the node whose relay is gone."""

    def __init__(self, agents: Iterable[Agent], village: Village) -> None:
        super().__init__([village.ask(*one) for one in zip(NAMES, agents, strict=True)])
        self._village = village

    def get_node_ids(self) -> Iterable[int]:
        unseen = self._village.gone & {UNSEEN}
        return [node for node in super().get_node_ids() if NODES[node] not in unseen]


def run(folder: Path, village: Village) -> Outcome:
    """The study of these clinics, on as far as it goes."""
    people = {name: [small_person(name, number) for number in range(5)] for name in NAMES}
    noise, vector = noise_of(PROTOCOL, SEED), RidgeVector()
    with (
        agents_of(PROTOCOL, people, vector, folder / "clinics", noise, now) as agents,
        quiet_flower(),
    ):
        grid = SeenGrid(agents, village)
        centre = FlowerCentre(grid, len(NAMES), 1.0, unhurried, NODES)
        return run_study(PROTOCOL, vector, centre, folder, village.progress)


def now() -> float:
    """A clock that stands."""
    return 1.0


def unhurried(seconds: float) -> None:
    """Nobody comes back while the server waits."""


def releases_paid(folder: Path, name: str) -> int:
    """How many releases a clinic's ledger has paid for."""
    home = folder / "clinics" / name / "ledger"
    with Ledger.open(home, mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        return round(PROTOCOL.release.rounds * (ledger.mu_spent() / PROTOCOL.mu) ** 2)


def test_three_of_ten_gone_is_a_study_by_quorum_that_names_who_took_part(tmp_path: Path) -> None:
    first, second = run(tmp_path, Village(THREE)).rounds
    assert first.took_part == NAMES and first.refused == {}
    assert second.took_part == tuple(name for name in NAMES if name not in THREE)
    assert second.refused == {UNSEEN: "NO_REPLY", **dict.fromkeys(THREE - {UNSEEN}, "NO_AGENT")}
    assert (first.declared_patients, second.declared_patients) == (50, 35)
    assert {name for name in NAMES if releases_paid(tmp_path, name) == 1} == THREE
    assert {name for name in NAMES if releases_paid(tmp_path, name) == 2} == set(NAMES) - THREE


def test_four_of_ten_gone_is_too_few_and_the_finished_round_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "server" / "0001-round.safetensors"
    with pytest.raises(Failure, match="6 releases in round 2") as failure:
        run(tmp_path, Village({*THREE, NAMES[0]}))
    assert failure.value.code is ExitCode.TOO_FEW_REPLIES
    before = kept.read_bytes()
    assert not (tmp_path / "server" / "0002-round.safetensors").exists()
    assert not (tmp_path / "body.safetensors").exists()
    # They come back: round 2 is asked again, those who had released send the same once more.
    after = run(tmp_path, Village())
    assert kept.read_bytes() == before
    assert after.shared.tobytes() == run(tmp_path / "quiet", Village()).shared.tobytes()
    assert {releases_paid(tmp_path, name) for name in NAMES} == {2}
