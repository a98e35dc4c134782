"""A whole study in one process: clinics' homes, their agents, the grid and the centre's round loop.

Also the same without privacy, for comparison. That path makes no agent, no ledger and no message:
an agent cannot be told to leave the noise out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from client.agent import Agent, AgentSite, Clock, NoiseOfRound
from client.head_store import HeadStore
from client.policy import Policy, write_policy
from models.sharing import PatientData, SharedVector, WeightArray
from models.trace import FloatArray
from privacy.noise import ExactNoise, SimulatedNoise
from server.app import checkpoints_of, run_study
from server.checkpoint import RoundResult
from server.flower import FlowerCentre
from server.metric_round import metrics_told
from server.privacy_spent import privacy_spent
from server.rounds import Progress
from server.run_record import MetricsTold, PrivacySpent
from simulations.consent import agree
from simulations.grid import InProcessGrid, quiet_flower
from study.failure import ExitCode, Failure
from study.protocol import Clinic, Protocol
from study.public_start import body_sha256

People = Mapping[str, Sequence[PatientData]]
"""Enrolled patients of each member clinic, by its name."""


@dataclass(frozen=True)
class FederationResult:
    """What a study ends with; `privacy` is what its releases spent on each patient."""

    shared: FloatArray = field(repr=False)
    weights: WeightArray = field(repr=False)
    body_sha256: str
    rounds: tuple[RoundResult, ...]
    privacy: PrivacySpent
    metrics: MetricsTold | None = None


def run_federation(
    protocol: Protocol,
    agents: Sequence[Agent],
    run_dir: Path,
    shared_vector: SharedVector,
    progress: Progress = lambda done, total: None,
) -> FederationResult:
    """The study over these agents; `run_dir` gets protocol.yaml, server/ and body.safetensors.

    Run again on the same folder it continues after the last phase that was written.
    """
    grid = InProcessGrid([agent.train for agent in agents])
    centre = FlowerCentre(grid, len(agents), protocol.server.deadline_s, _never)
    with quiet_flower():
        outcome = run_study(protocol, shared_vector, centre, run_dir, progress)
    weights = shared_vector.weights(outcome.shared)
    metrics = metrics_told(protocol, checkpoints_of(protocol, shared_vector, run_dir))
    return FederationResult(
        shared=outcome.shared,
        weights=weights,
        body_sha256=body_sha256(weights),
        rounds=outcome.rounds,
        privacy=privacy_spent(protocol, len(outcome.rounds), metrics),
        metrics=metrics,
    )


@contextmanager
def agents_of(
    protocol: Protocol,
    people: People,
    shared_vector: SharedVector,
    clinics: Path,
    noise: Callable[[str], NoiseOfRound],
    clock: Clock,
) -> Iterator[list[Agent]]:
    """An agent of every member clinic, each at home in `clinics`/NAME with its heads and policy."""
    with ExitStack() as open_agents:
        yield [
            open_agents.enter_context(
                Agent(
                    site=_home(protocol, one, people[one.name], clinics, clock),
                    protocol=protocol,
                    shared_vector=shared_vector,
                    patients=people[one.name],
                    noise=noise(one.name),
                )
            )
            for one in protocol.members
        ]


def noise_of(protocol: Protocol, seed: int) -> Callable[[str], NoiseOfRound]:
    """Each clinic's noise of each round, as the protocol says: exact, or repeatable from a seed."""
    if protocol.privacy.noise == "exact":
        return lambda clinic: lambda round_number: ExactNoise()
    return lambda clinic: lambda round_number: SimulatedNoise(seed, clinic, round_number)


def run_without_privacy(
    protocol: Protocol,
    people: People,
    shared_vector: SharedVector,
    *,
    rounds: int,
    clip_norm: float = np.inf,
) -> FloatArray:
    """The shared vector (d,) that plain averaging reaches: mean row of all patients, no noise.

    Never for data of people who were promised privacy, unless the result stays where they are.
    """
    patients = [one for clinic in protocol.members for one in people[clinic.name]]
    if not patients:
        raise Failure(
            found="no enrolled patient",
            expected="one at least",
            consequence="No average was made.",
            remedy="see why every patient was left out: too few days or readings",
            code=ExitCode.BAD_DATA,
        )
    shared = shared_vector.start()
    for _ in range(rounds):
        rows = shared_vector.rows(shared, patients)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        clipped = rows * np.minimum(1.0, clip_norm / np.maximum(norms, 1e-300))
        shared = shared + protocol.server.rate * clipped.mean(axis=0)
    return shared


def _home(
    protocol: Protocol, clinic: Clinic, patients: Sequence[PatientData], clinics: Path, clock: Clock
) -> AgentSite:
    """A clinic's home folder as a rehearsal prepares it: protocol approved, heads stored."""
    home = clinics / clinic.name
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    policy = Policy(
        approved_protocols=(protocol.digest(),),
        epsilon_cap=protocol.privacy.epsilon,
        minimum_patients=protocol.cohorts.minimum_patients,
        rehearsal=True,
    )
    write_policy(home, policy)
    agree(home, clinic.name, protocol, policy, clinics.parent)
    heads = HeadStore(home)
    for one in patients:
        heads.put(one.patient, one.head)
    return AgentSite(home, clinic.name, clock)


def _never(seconds: float) -> None:
    """Agents in one process are all there: nothing is waited for."""
