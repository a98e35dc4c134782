"""What privacy leaves of a gain: a real study's bodies, honest splits, plain arithmetic."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.training import Schedule
from simulations import judges, rivals, share_of_gain
from simulations.federation import agents_of, noise_of, run_federation
from simulations.judges import judged_at_home
from simulations.people import ClinicPeople, person_of
from simulations.share_of_gain import (
    Draw,
    Remembered,
    Shares,
    private_body,
    shares,
    with_epsilon,
)
from study.protocol import Protocol, parse_protocol
from study.public_start import PublicStart, read_public_start
from tests.models.people import made_up_trace

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
    hold_out_patients: 1
  - name: lagoon
    declared_patients: 3
    source: {layout: uom, folder: lagoon}
    hold_out_patients: 1
  - name: far-shore
    declared_patients: 2
    role: observer
    source: {layout: uom, folder: far-shore}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 8}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: simulated}
"""
EPSILONS = (40.0, 0.05)


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return parse_protocol(PROTOCOL)


@pytest.fixture(scope="module")
def start() -> PublicStart:
    return read_public_start()


@pytest.fixture(scope="module")
def clinics(protocol: Protocol) -> list[ClinicPeople]:
    """Five people of harbour, four of lagoon, two observers, four days each."""
    people = [person_of(made_up_trace(n, days=4), protocol) for n in range(11)]
    return [
        ClinicPeople("harbour", True, tuple(people[:4]), (people[4],), ()),
        ClinicPeople("lagoon", True, tuple(people[5:8]), (people[8],), ()),
        ClinicPeople("far-shore", False, tuple(people[9:]), (), ()),
    ]


@pytest.fixture(scope="module")
def found(protocol: Protocol, start: PublicStart, clinics: Sequence[ClinicPeople]) -> Shares:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "FEDERATED", Schedule(steps=10, rate=1e-3, windows=64))
        patch.setattr(rivals, "FEDERATED_ROUNDS", 2)
        patch.setattr(judges, "LATENT_STEPS", 60)  # people of sine waves settle slowly
        return shares(protocol, start, clinics, EPSILONS, (2, 2), lambda step: None)[0]


@pytest.mark.slow
def test_the_body_is_the_one_that_a_real_study_ends_with(
    protocol: Protocol, start: PublicStart, clinics: Sequence[ClinicPeople], tmp_path: Path
) -> None:
    vector = start.shared_vector(protocol)
    members = [one for one in clinics if one.takes_part]
    people = {one.name: [person.data for person in one.members] for one in members}
    noise = noise_of(protocol, 7)
    with agents_of(protocol, people, vector, tmp_path / "c", noise, lambda: 1.0) as agents:
        real = run_federation(protocol, agents, tmp_path, vector)
    remembered = Remembered(vector)
    assert np.array_equal(private_body(protocol, remembered, members, 7), real.weights)
    assert not np.array_equal(private_body(protocol, remembered, members, 8), real.weights)
    assert np.array_equal(private_body(protocol, remembered, members, 7), real.weights)


@pytest.mark.slow
def test_each_split_and_budget_is_drawn_as_often_as_asked(found: Shares) -> None:
    places = sorted((one.split, one.epsilon, one.seed) for one in found.draws)
    seeds = {0: (0, 1), 1: (2, 3)}
    assert places == [(s, e, n) for s in (0, 1) for e in sorted(EPSILONS) for n in seeds[s]]
    assert found.gains.shape == (2, 2, 3) and found.kept(40.0).shape == (4, 2, 3)
    assert all(one.of_clinics.shape == (2, 3) for one in found.draws)


@pytest.mark.slow
def test_a_budget_of_nothing_moves_nothing_and_a_large_one_something(found: Shares) -> None:
    for tight in found.of(0.05):
        assert np.abs(tight.gain).max() < 0.2
    assert min(np.abs(one.gain).max() for one in found.of(40.0)) > 0.2


@pytest.mark.slow
def test_without_shrinkage_a_budget_of_nothing_does_harm(
    protocol: Protocol, start: PublicStart, clinics: Sequence[ClinicPeople]
) -> None:
    """What the test above would see if the release were not shrunk."""
    plain = protocol.model_dump()
    plain["server"]["shrinkage"] = False
    careless = with_epsilon(Protocol.model_validate(plain), 0.05)
    members = [one for one in clinics if one.takes_part]
    moved = private_body(careless, Remembered(start.shared_vector(careless)), members, 0)
    moved = moved - start.weights
    careful = with_epsilon(protocol, 0.05)
    still = private_body(careful, Remembered(start.shared_vector(careful)), members, 0)
    still = still - start.weights
    assert np.linalg.norm(moved) > 10.0 * np.linalg.norm(still)


@pytest.mark.parametrize("number", range(6))
def test_a_split_holds_out_whole_people_and_loses_nobody(
    protocol: Protocol, clinics: Sequence[ClinicPeople], number: int
) -> None:
    for clinic in clinics[:2]:
        parted = share_of_gain._parted(protocol, clinic, number)
        members = {one.trace.patient for one in parted.members}
        new = {one.trace.patient for one in parted.new}
        everybody = {one.trace.patient for one in clinic.members + clinic.new}
        assert len(new) == 1 and members | new == everybody and not members & new


def test_splits_differ(protocol: Protocol, clinics: Sequence[ClinicPeople]) -> None:
    out = {share_of_gain._parted(protocol, clinics[0], n).new[0].trace.patient for n in range(8)}
    assert len(out) > 2


def hand_made(protocol: Protocol) -> Shares:
    """Two splits of one draw: half of a gain of 2 kept, a quarter of a gain of 4."""
    gains = np.stack([np.full((2, 3), 2.0), np.full((2, 3), 4.0)])
    clinics = np.array([[1.0, 1.0, 1.0], [1.0, -0.5, 1.0]])
    kept = np.array([True, False])
    draws = tuple(Draw(split, 8.0, 0, np.full((2, 3), 1.0), clinics, kept) for split in (0, 1))
    return Shares(protocol, gains, draws)


def test_shares_are_of_the_split_s_own_gain(protocol: Protocol) -> None:
    kept = hand_made(protocol).kept(8.0)
    np.testing.assert_allclose(kept[0], 0.5)
    np.testing.assert_allclose(kept[1], 0.25)


def test_the_worst_clinic_and_those_worse_off_are_named_by_horizon(protocol: Protocol) -> None:
    found = hand_made(protocol)
    np.testing.assert_allclose(found.worst_clinic(8.0), [1.0, -0.5, 1.0])
    np.testing.assert_allclose(found.worse_off(8.0), [0.0, 0.5, 0.0])


def test_a_clinic_that_kept_the_public_start_gains_and_loses_nothing(protocol: Protocol) -> None:
    found = hand_made(protocol)
    np.testing.assert_allclose(found.worst_clinic(8.0, at_home=True), 0.0)
    np.testing.assert_allclose(found.worse_off(8.0, at_home=True), 0.0)
    assert found.taken_up(8.0) == 0.5
    rash = tuple(replace(one, taken_up=np.array([True, True])) for one in found.draws)
    assert replace(found, draws=rash).worst_clinic(8.0, at_home=True)[1] == -0.5


@pytest.mark.slow
def test_a_clinic_judges_at_home_by_days_before_those_that_are_reported(
    found: Shares, protocol: Protocol, start: PublicStart, clinics: Sequence[ClinicPeople]
) -> None:
    split = share_of_gain._split(protocol, start, clinics, 0)
    for clinic in split.clinics:
        for person in clinic.members:
            home = judged_at_home(person)
            assert home.train.origin.max() < home.test.origin.min()
            assert home.test.origin.max() < person.test.origin.min()
    places = np.cumsum(split.judges.sizes)[:-1]
    worse = start.weights + np.float32(0.05)
    assert not share_of_gain._taken_up(split, worse, places).any()
    assert all(one.taken_up.shape == (2,) for one in found.draws)


def test_one_bad_split_is_not_hidden_by_a_good_one(protocol: Protocol) -> None:
    found = hand_made(protocol)
    bad = replace(found.draws[1], of_clinics=np.full((2, 3), -3.0))
    assert (replace(found, draws=(found.draws[0], bad)).worst_clinic(8.0) == -3.0).all()


def test_another_budget_changes_the_noise_and_nothing_else(protocol: Protocol) -> None:
    assert protocol.sigma > 0  # known before: a copy would remember it
    tight = with_epsilon(protocol, 2.0)
    assert tight.sigma > protocol.sigma
    assert tight.release == protocol.release and tight.clinics == protocol.clinics
