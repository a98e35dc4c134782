"""How much of what a federation gains is left under privacy: over budgets, splits and noise draws.

The gain is that of federated averaging without privacy over the public start. Each split holds out
other people; each draw is other noise, repeatable from its seed. People's rows are the release
path's own, and so are clip, grid, weights and shrinkage; what is left out is ledger and network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from client.enrolment import split_new
from models.sharing import SharedVector, WeightArray
from models.trace import FloatArray
from models.windows import Windows
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.flower import FlowerCentre
from server.rounds import step_of
from simulations.grid import InProcessGrid, quiet_flower
from simulations.people import ClinicPeople, Person, Progress
from simulations.rivals import federated, forecasts
from study.protocol import Protocol
from study.public_start import PublicStart

WINDOWS_TO_KNOW_A_PERSON = 600
WINDOWS_TO_JUDGE_A_PERSON = 300
"""Evenly spaced; hundreds of bodies are judged, and more windows change no figure's last digit."""


COHORTS = ("same_patients", "new_patients")
"""Whom the two rows of every gain are about."""


@dataclass(frozen=True)
class Judged:
    """RMSE of one body, mg/dL: of each enrolled person, (P, H), and of each new one, (N, H)."""

    same: FloatArray = field(repr=False)
    new: FloatArray = field(repr=False)

    def gain_over(self, other: "Judged") -> FloatArray:
        """How much smaller the errors are, mean over people, mg/dL: (2, H), same and new."""
        return np.stack([(other.same - self.same).mean(0), (other.new - self.new).mean(0)])


@dataclass(frozen=True)
class Split:
    """One choice of whom to hold out, and what its people could have without privacy."""

    clinics: tuple[ClinicPeople, ...] = field(repr=False)
    judges: tuple["_Judge", ...] = field(repr=False)
    start: Judged
    federated: Judged

    @property
    def gain(self) -> FloatArray:
        """Of the federation without privacy, mg/dL, (2, H)."""
        return self.federated.gain_over(self.start)


@dataclass(frozen=True)
class Draw:
    """One study under privacy: gain over the public start, mg/dL, (2, H); each clinic's, (S, H)."""

    split: int
    epsilon: float
    seed: int
    gain: FloatArray = field(repr=False)
    of_clinics: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Shares:
    """All draws of a study, and the non-private gain of each split, mg/dL, (splits, 2, H)."""

    protocol: Protocol
    gains: FloatArray = field(repr=False)
    draws: tuple[Draw, ...] = field(repr=False)

    @property
    def epsilons(self) -> list[float]:
        """The budgets that were tried, largest first."""
        return sorted({one.epsilon for one in self.draws}, reverse=True)

    def of(self, epsilon: float) -> list[Draw]:
        """The draws at one budget."""
        return [one for one in self.draws if one.epsilon == epsilon]

    def kept(self, epsilon: float) -> FloatArray:
        """Share of the non-private gain that each draw keeps, (draws, 2, H)."""
        return np.stack([one.gain / self.gains[one.split] for one in self.of(epsilon)])

    def worst_clinic(self, epsilon: float) -> FloatArray:
        """The smallest gain of any clinic, mean over draws, mg/dL, (H,): below 0 it is a loss."""
        by_split = [
            np.mean([one.of_clinics for one in self.of(epsilon) if one.split == split], axis=0)
            for split in range(len(self.gains))
        ]
        worst: FloatArray = np.min(by_split, axis=(0, 1))
        return worst

    def worse_off(self, epsilon: float) -> FloatArray:
        """Share of clinics and draws that end worse than the public start, (H,)."""
        share: FloatArray = np.mean([one.of_clinics < 0 for one in self.of(epsilon)], axis=(0, 1))
        return share


@dataclass(frozen=True)
class _Judge:
    """A clinic's people with fewer windows, for scoring alone."""

    same: tuple[Person, ...]
    new: tuple[Person, ...]


def shares(
    protocol: Protocol,
    start: PublicStart,
    clinics: Sequence[ClinicPeople],
    epsilons: Sequence[float],
    trials: tuple[int, int],
    progress: Progress,
) -> Shares:
    """What is left at each epsilon over `trials`, (splits, noise draws of each)."""
    found: list[Draw] = []
    gains = []
    for number in range(trials[0]):
        progress(f"split {number + 1} of {trials[0]}: federation without privacy")
        split = _split(protocol, start, clinics, number)
        gains.append(split.gain)
        for epsilon in epsilons:
            progress(f"split {number + 1} of {trials[0]}: epsilon {epsilon:g}")
            with quiet_flower():
                found += _draws(with_epsilon(protocol, epsilon), start, split, number, trials[1])
    return Shares(protocol, np.stack(gains), tuple(found))


def with_epsilon(protocol: Protocol, epsilon: float) -> Protocol:
    """The same protocol at another budget, made anew: a copy would keep the old noise."""
    plain = protocol.model_dump()
    plain["privacy"]["epsilon"] = epsilon
    return Protocol.model_validate(plain)


def _draws(
    protocol: Protocol, start: PublicStart, split: Split, number: int, count: int
) -> Iterator[Draw]:
    vector = start.shared_vector(protocol)
    sizes = [len(one.same) for one in split.judges]
    for seed in range(count):
        body = private_body(protocol, vector, split.clinics, seed)
        judged = _judged(body, split.judges)
        better = split.start.same - judged.same
        clinics = [part.mean(axis=0) for part in np.split(better, np.cumsum(sizes)[:-1])]
        yield Draw(
            number, protocol.privacy.epsilon, seed, judged.gain_over(split.start), np.stack(clinics)
        )


def private_body(
    protocol: Protocol, vector: SharedVector, clinics: Sequence[ClinicPeople], seed: int
) -> WeightArray:
    """The body that a study of these members ends with; its noise comes from the seed."""
    centre = FlowerCentre(InProcessGrid([]), len(clinics), 0.0, _never)
    declared = [protocol.clinic(one.name).declared_patients for one in clinics]
    shared = vector.start()
    for round_number in range(1, protocol.release.rounds + 1):
        releases = [
            release_sum(
                vector.rows(shared, [person.data for person in one.members]),
                protocol.release.clip_norm,
                protocol.sigma,
                SimulatedNoise(seed, one.name, round_number),
            ).values
            for one in clinics
        ]
        step = step_of(protocol, vector, centre, releases, declared)
        shared = shared + protocol.server.rate * step
    return vector.weights(shared)


def _split(
    protocol: Protocol, start: PublicStart, clinics: Sequence[ClinicPeople], number: int
) -> Split:
    parted = tuple(_parted(protocol, one, number) for one in clinics if one.takes_part)
    judges = tuple(_judge(one) for one in parted)
    rival = federated(start.weights, [one.members for one in parted], number)
    return Split(parted, judges, _judged(start.weights, judges), _judged(rival, judges))


def _parted(protocol: Protocol, clinic: ClinicPeople, number: int) -> ClinicPeople:
    """The clinic with other people held out as new ones."""
    people = sorted(clinic.members + clinic.new, key=lambda one: one.trace.patient)
    names = [one.trace.patient for one in people]
    count = protocol.clinic(clinic.name).hold_out_patients
    out = split_new(f"{protocol.study}|split {number}", names, count)
    return replace(
        clinic,
        members=tuple(one for one in people if one.trace.patient not in out),
        new=tuple(one for one in people if one.trace.patient in out),
    )


def _judge(clinic: ClinicPeople) -> _Judge:
    return _Judge(tuple(map(_thin, clinic.members)), tuple(map(_thin, clinic.new)))


def _thin(person: Person) -> Person:
    return replace(
        person,
        train=person.train.thinned(WINDOWS_TO_KNOW_A_PERSON),
        test=person.test.thinned(WINDOWS_TO_JUDGE_A_PERSON),
    )


def _judged(weights: WeightArray, judges: Sequence[_Judge]) -> Judged:
    same = [person for one in judges for person in one.same]
    new = [person for one in judges for person in one.new]
    errors = _errors(weights, same + new)
    return Judged(errors[: len(same)], errors[len(same) :])


def _errors(weights: WeightArray, people: Sequence[Person]) -> FloatArray:
    """RMSE of each person at each horizon, mg/dL, (P, H)."""
    said = forecasts(weights, people)
    windows: list[Windows] = [one.test for one in people]
    return np.stack(
        [
            np.sqrt(np.nanmean((guess - one.target) ** 2, axis=0))
            for guess, one in zip(said, windows, strict=True)
        ]
    )


def _never(seconds: float) -> None:
    """Nobody is waited for: only the average of the centre is used."""
