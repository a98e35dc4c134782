"""How much of what a federation gains is left under privacy: over budgets, splits and noise draws.

The gain is that of federated averaging without privacy over the public start. Each split holds out
other people; each draw is other noise, repeatable from its seed. People's rows are the release
path's own, and so are clip, grid, weights and shrinkage; what is left out is ledger and network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from client.adoption import choose
from client.enrolment import split_new
from models.adapter import Adapter
from models.sharing import PatientData, SharedVector, WeightArray
from models.trace import FloatArray
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.flower import FlowerCentre
from server.rounds import step_of
from simulations.grid import InProcessGrid, quiet_flower
from simulations.judges import Judged, Judges, judged_at_home
from simulations.people import ClinicPeople, Progress
from simulations.rivals import federated
from study.protocol import Protocol, Release
from study.public_start import PublicStart
from study.usual_settings import usual

Kind = Literal["own", "adapter", "body"]
BoolArray = npt.NDArray[np.bool_]

COHORTS = ("same_patients", "new_patients")
"""Whom the two rows of every gain are about."""


@dataclass(frozen=True)
class Split:
    """One choice of whom to hold out, and what its people could have without privacy."""

    clinics: tuple[ClinicPeople, ...] = field(repr=False)
    judges: Judges = field(repr=False)
    homes: Judges = field(repr=False)
    start: Judged
    start_at_home: Judged
    federated: Judged

    @property
    def gain(self) -> FloatArray:
        """Of the federation without privacy, mg/dL, (2, H)."""
        return self.federated.gain_over(self.start)


@dataclass(frozen=True)
class Draw:
    """One study under privacy: gain over the public start, mg/dL, (2, H); each clinic's, (S, H).

    `taken_up` (S,) says which clinics keep the new body after their own check at home.
    """

    split: int
    epsilon: float
    seed: int
    gain: FloatArray = field(repr=False)
    of_clinics: FloatArray = field(repr=False)
    taken_up: BoolArray = field(repr=False)

    @property
    def at_home(self) -> FloatArray:
        """What each clinic has once it chose, (S, H): nothing where it kept the public start."""
        return np.where(self.taken_up[:, None], self.of_clinics, 0.0)


@dataclass(frozen=True)
class Shares:
    """All draws of a study, and the non-private gain of each split, mg/dL, (splits, 2, H)."""

    protocol: Protocol
    gains: FloatArray = field(repr=False)
    draws: tuple[Draw, ...] = field(repr=False)
    releases: Mapping[float, Release] = field(default_factory=dict, repr=False)

    def release(self, epsilon: float) -> Release:
        """What was released at this budget: the protocol's own, unless others are `releases`."""
        return self.releases.get(epsilon, self.protocol.release)

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

    def worst_clinic(self, epsilon: float, at_home: bool = False) -> FloatArray:
        """The smallest gain of any clinic, mean over draws, mg/dL, (H,): below 0 it is a loss.

        `at_home`: after each clinic chose between the new body and the public start.
        """
        by_split = [
            np.mean([_of(one, at_home) for one in self.of(epsilon) if one.split == split], axis=0)
            for split in range(len(self.gains))
        ]
        worst: FloatArray = np.min(by_split, axis=(0, 1))
        return worst

    def worse_off(self, epsilon: float, at_home: bool = False) -> FloatArray:
        """Share of clinics and draws that end worse than the public start, (H,)."""
        share: FloatArray = np.mean(
            [_of(one, at_home) < 0 for one in self.of(epsilon)], axis=(0, 1)
        )
        return share

    def taken_up(self, epsilon: float) -> float:
        """Share of clinics and draws that keep the new body after their check at home."""
        return float(np.mean([one.taken_up for one in self.of(epsilon)]))


def _of(draw: Draw, at_home: bool) -> FloatArray:
    return draw.at_home if at_home else draw.of_clinics


def shares(
    protocol: Protocol,
    start: PublicStart,
    clinics: Sequence[ClinicPeople],
    epsilons: Sequence[float],
    trials: tuple[int, int],
    progress: Progress,
    kinds: Sequence[Kind] = ("own",),
) -> list[Shares]:
    """What is left at each epsilon over `trials`, (splits, noise draws of each), for each of kinds.

    A kind is "own", the protocol's release at every budget, or "adapter" or "body" with the
    settings usual for size and budget. No two splits share a draw of noise.
    """
    studies = {kind: [_study(protocol, e, kind) for e in epsilons] for kind in kinds}
    vectors = {kind: _vectors(start, those) for kind, those in studies.items()}
    found: dict[str, list[Draw]] = {kind: [] for kind in kinds}
    gains = []
    for number in range(trials[0]):
        progress(f"split {number + 1} of {trials[0]}: federation without privacy")
        split = _split(protocol, start, clinics, number)
        gains.append(split.gain)
        seeds = range(number * trials[1], (number + 1) * trials[1])
        for kind, those in studies.items():
            for study, vector in zip(those, vectors[kind], strict=True):
                epsilon = study.privacy.epsilon
                progress(f"split {number + 1} of {trials[0]}: {kind}, epsilon {epsilon:g}")
                with quiet_flower():
                    found[kind] += _draws(study, vector, split, number, seeds)
    return [
        Shares(
            protocol,
            np.stack(gains),
            tuple(found[kind]),
            {study.privacy.epsilon: study.release for study in studies[kind]},
        )
        for kind in kinds
    ]


def _study(protocol: Protocol, epsilon: float, kind: Kind) -> Protocol:
    again = with_epsilon(protocol, epsilon)
    return again if kind == "own" else usual(again, kind)


def _vectors(start: PublicStart, studies: Sequence[Protocol]) -> list["Remembered"]:
    """What each study shares; adapters share what they know of a patient, whatever their length."""
    plain = [start.shared_vector(one) for one in studies]
    widest = max(plain, key=lambda one: one.dimension)
    return [
        Remembered(widest.narrowed(one.dimension) if isinstance(widest, Adapter) else one)
        for one in plain
    ]


@dataclass(frozen=True)
class Remembered:
    """A shared vector that makes a patient's first row once: at the start it is always the same."""

    vector: SharedVector
    _rows: dict[str, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        """The rows of `vector`, (P, d)."""
        if not np.array_equal(shared, self.vector.start()):
            return self.vector.rows(shared, patients)
        for one in patients:
            if one.patient not in self._rows:
                self._rows[one.patient] = self.vector.rows(shared, [one])[0]
        return np.stack([self._rows[one.patient] for one in patients])


def trimmed(
    protocol: Protocol, clinics: Sequence[ClinicPeople], sites: int, patients: int
) -> tuple[Protocol, list[ClinicPeople]]:
    """A smaller study of the same people: the first clinics, and the first patients of each."""
    few = [one for one in clinics if one.takes_part][:sites]
    plain = protocol.model_dump()
    kept = [one for one in plain["clinics"] if one["name"] in {each.name for each in few}]
    for one in kept:
        one["declared_patients"] = patients
    plain["clinics"], plain["server"]["quorum"] = tuple(kept), 1
    plain["study"] = f"{protocol.study}-{len(few)}x{patients}"
    return Protocol.model_validate(plain), [
        replace(one, members=one.members[:patients]) for one in few
    ]


def with_epsilon(protocol: Protocol, epsilon: float) -> Protocol:
    """The same protocol at another budget, made anew: a copy would keep the old noise."""
    plain = protocol.model_dump()
    plain["privacy"]["epsilon"] = epsilon
    return Protocol.model_validate(plain)


def _draws(
    protocol: Protocol, vector: Remembered, split: Split, number: int, seeds: range
) -> Iterator[Draw]:
    places = np.cumsum(split.judges.sizes)[:-1]
    for seed in seeds:
        body = private_body(protocol, vector, split.clinics, seed)
        judged = split.judges.errors(body)
        better = split.start.same - judged.same
        clinics = [part.mean(axis=0) for part in np.split(better, places)]
        yield Draw(
            number,
            protocol.privacy.epsilon,
            seed,
            judged.gain_over(split.start),
            np.stack(clinics),
            _taken_up(split, body, places),
        )


def _taken_up(split: Split, body: WeightArray, places: npt.NDArray[np.intp]) -> BoolArray:
    """Which clinics keep this body, (S,), by the last fifth of their people's training days."""
    old, new = (
        np.split(one.over_horizons, places)
        for one in (split.start_at_home, split.homes.errors(body))
    )
    kept = [choose(a.tolist(), b.tolist()).kept for a, b in zip(new, old, strict=True)]
    return np.array([one == "new" for one in kept])


def private_body(
    protocol: Protocol, remembered: Remembered, clinics: Sequence[ClinicPeople], seed: int
) -> WeightArray:
    """The body that a study of these members ends with; its noise comes from the seed."""
    centre = FlowerCentre(InProcessGrid([]), len(clinics), 0.0, _never)
    declared = [protocol.clinic(one.name).declared_patients for one in clinics]
    vector = remembered.vector
    shared = vector.start()
    for round_number in range(1, protocol.release.rounds + 1):
        releases = [
            release_sum(
                remembered.rows(shared, [person.data for person in one.members]),
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
    judges = Judges(start.weights, parted)
    rival = federated(start.weights, [one.members for one in parted], number)
    homes = Judges(start.weights, [_at_home(one) for one in parted])
    return Split(
        parted,
        judges,
        homes,
        judges.errors(start.weights),
        homes.errors(start.weights),
        judges.errors(rival),
    )


def _at_home(clinic: ClinicPeople) -> ClinicPeople:
    return replace(clinic, members=tuple(map(judged_at_home, clinic.members)), new=())


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


def _never(seconds: float) -> None:
    """Nobody is waited for: only the average of the centre is used."""
