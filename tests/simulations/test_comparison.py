"""What every model says of everybody: who teaches which model, and who teaches none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.sharing import WeightArray
from models.trace import FloatArray
from models.training import Schedule
from server.run_record import COHORTS, MODELS, Model
from simulations import baselines, comparison, rivals
from simulations.comparison import all_forecasts
from simulations.people import ClinicPeople, Person, person_of
from simulations.rivals import federated, forecasts, pooled, tuned
from simulations.score_table import Forecasts, score_table
from study.protocol import parse_protocol
from study.public_start import PublicStart, read_public_start
from tests.models.people import made_up_trace

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""
pytestmark = pytest.mark.slow

SEED = 5
HORIZONS_MIN = (30, 60, 120)
SHORT = Schedule(steps=8, rate=1e-3, windows=64)

MEMBER, WITH_DOSES, NEW, LAGOON, FAR, FAR_NEW = (f"made-up-{number}" for number in range(6))
TAKES_PART = {MEMBER, WITH_DOSES, LAGOON}
EVERYBODY = {MEMBER, WITH_DOSES, NEW, LAGOON, FAR, FAR_NEW}
ON_THEIR_OWN: set[Model] = {"persistence", "mean", "virtual_only", "pretrained", "federated_dp"}
POOLED_OVER_MEMBERS: set[Model] = {"ridge", "boosting", "pooled", "federated"}
TUNED_AT_HOME: set[Model] = {"local", "federated_dp_local"}

Said = dict[Model, Mapping[str, FloatArray]]


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """A few steps of training in every rival, one round of the federation, and small trees."""
    real, small = baselines._new_boosting, {"max_iter": 15, "max_bins": 8}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "_new_boosting", lambda seed: real(seed).set_params(**small))
        for name in ("TUNING", "POOLED", "FEDERATED"):
            patch.setattr(rivals, name, SHORT)
        patch.setattr(rivals, "FEDERATED_ROUNDS", 1)
        yield


def sparse(person: Person) -> Person:
    """The same person with every sixth window, so that trees grow in no time."""
    lessons, exam = np.arange(0, len(person.train), 6), np.arange(0, len(person.test), 6)
    return replace(
        person,
        train=person.train.where(lessons),
        test=person.test.where(exam),
        train_doses=person.train_doses[lessons],
        test_doses=person.test_doses[exam],
    )


@pytest.fixture(scope="module")
def clinics() -> list[ClinicPeople]:
    """Two clinics that take part, the first with a new person, and an observer with another."""
    protocol = parse_protocol(PROTOCOL)
    six = [sparse(person_of(made_up_trace(n, days=3, doses=n == 1), protocol)) for n in range(6)]
    return [
        ClinicPeople("harbour", True, (six[0], six[1]), (six[2],), ()),
        ClinicPeople("lagoon", True, (six[3],), (), ()),
        ClinicPeople("far-shore", False, (six[4],), (six[5],), ()),
    ]


@pytest.fixture(scope="module")
def start() -> PublicStart:
    return read_public_start()


@pytest.fixture(scope="module")
def private(start: PublicStart) -> WeightArray:
    """A body that is neither of those that are public."""
    return np.asarray(0.9 * start.weights, dtype=np.float32)


def by_model(found: Sequence[Forecasts]) -> Said:
    return {one.model: one.of_person for one in found}


@pytest.fixture(scope="module")
def said(start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]) -> Said:
    return by_model(all_forecasts(start, private, clinics, SEED))


def people_of(clinics: Sequence[ClinicPeople]) -> dict[str, Person]:
    return {one.trace.patient: one for group in clinics for one in group.members + group.new}


def changed(
    clinics: Sequence[ClinicPeople], names: set[str], change: Callable[[Person], Person]
) -> list[ClinicPeople]:
    """The same clinics, with a change to the people of these names."""

    def after(group: Sequence[Person]) -> tuple[Person, ...]:
        return tuple(change(one) if one.trace.patient in names else one for one in group)

    return [replace(one, members=after(one.members), new=after(one.new)) for one in clinics]


def taught_otherwise(person: Person) -> Person:
    """What followed the training windows, and where they began, was higher."""
    train = person.train
    higher = replace(train, glucose_now=train.glucose_now + 5.0, target=train.target + 60.0)
    return replace(person, train=higher)


def ended_otherwise(person: Person) -> Person:
    """What followed the windows held out was higher."""
    return replace(person, test=replace(person.test, target=person.test.target + 60.0))


def moved(before: Said, after: Said, model: Model) -> set[str]:
    """Names of those of whom a model now says something else."""
    pairs = {name: (before[model][name], after[model][name]) for name in before[model]}
    return {name for name, (old, new) in pairs.items() if old.tobytes() != new.tobytes()}


# Everybody, by every model.


def test_every_model_speaks_of_everybody_scored(said: Said, clinics: list[ClinicPeople]) -> None:
    assert set(said) == set(MODELS)
    for model, of_person in said.items():
        assert set(of_person) == EVERYBODY, model
        for name, person in people_of(clinics).items():
            assert of_person[name].shape == person.test.target.shape
            assert np.isfinite(of_person[name]).all()


def test_each_model_is_named_once(said: Said) -> None:
    together = ON_THEIR_OWN | POOLED_OVER_MEMBERS | TUNED_AT_HOME
    assert together == set(said) and len(said) == len(MODELS)


def test_a_rival_nobody_asks_for_is_not_trained_and_changes_no_other(
    said: Said,
    start: PublicStart,
    private: WeightArray,
    clinics: list[ClinicPeople],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("pooled", "federated"):
        monkeypatch.setattr(f"simulations.comparison.{name}", None)  # calling it would raise
    left_out: frozenset[Model] = frozenset({"pooled", "federated"})
    less = by_model(all_forecasts(start, private, clinics, SEED, without=left_out))
    assert set(less) == set(MODELS) - left_out
    assert not any(moved(said, less, model) for model in less)


def test_every_cohort_can_be_scored(said: Said, clinics: list[ClinicPeople]) -> None:
    models = [Forecasts(model, of_person) for model, of_person in said.items()]
    rows = score_table(clinics, models, HORIZONS_MIN)
    everything = {(c, m, h) for c in COHORTS for m in MODELS for h in HORIZONS_MIN}
    assert {(one.cohort, one.model, one.horizon_min) for one in rows} == everything


def test_the_same_seed_says_the_same_and_nobody_looks_at_what_followed(
    said: Said, start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]
) -> None:
    others = changed(clinics, EVERYBODY, ended_otherwise)
    again = by_model(all_forecasts(start, private, others, SEED))
    assert all(not moved(said, again, model) for model in MODELS)


# Which body stands behind a name.


def test_persistence_says_what_was_last_read(said: Said, clinics: list[ClinicPeople]) -> None:
    for name, person in people_of(clinics).items():
        assert (said["persistence"][name] == person.test.glucose_now[:, None]).all()


def test_the_mean_is_everyones_own(said: Said, clinics: list[ClinicPeople]) -> None:
    """New people's and observers' too: their training days are known by the time of a forecast."""
    for name, person in people_of(clinics).items():
        own = person.train.glucose_now.mean()
        np.testing.assert_allclose(said["mean"][name], own, rtol=1e-12)
    assert len({float(said["mean"][name][0, 0]) for name in EVERYBODY}) == len(EVERYBODY)


def test_each_body_speaks_under_its_own_name(
    said: Said, start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]
) -> None:
    everybody = list(people_of(clinics).values())
    groups = [list(one.members) for one in clinics if one.takes_part]
    members = [person for group in groups for person in group]
    bodies: dict[Model, WeightArray] = {
        "virtual_only": start.virtual_only,
        "pretrained": start.weights,
        "pooled": pooled(start.weights, members, SEED),
        "federated": federated(start.weights, groups, SEED),
        "federated_dp": private,
    }
    for model, weights in bodies.items():
        for person, expected in zip(everybody, forecasts(weights, everybody), strict=True):
            np.testing.assert_array_equal(said[model][person.trace.patient], expected)


@pytest.mark.parametrize("model", sorted(TUNED_AT_HOME))
def test_each_clinic_tunes_the_body_on_its_own_members(
    model: Model, said: Said, start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]
) -> None:
    """The observer too; new people are forecast by the body of their clinic."""
    begin = start.weights if model == "local" else private
    for clinic in clinics:
        group = clinic.members + clinic.new
        body = tuned(begin, clinic.members, SEED)
        for person, expected in zip(group, forecasts(body, group), strict=True):
            np.testing.assert_array_equal(said[model][person.trace.patient], expected)


# Who teaches whom.


@pytest.fixture(scope="module")
def others_taught(start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]) -> Said:
    """Forecasts had new people and the observer's member lived otherwise."""
    taught = changed(clinics, {NEW, FAR}, taught_otherwise)
    return by_model(all_forecasts(start, private, taught, SEED))


@pytest.fixture(scope="module")
def member_taught(start: PublicStart, private: WeightArray, clinics: list[ClinicPeople]) -> Said:
    """Forecasts had the lagoon's one member lived otherwise."""
    taught = changed(clinics, {LAGOON}, taught_otherwise)
    return by_model(all_forecasts(start, private, taught, SEED))


@pytest.mark.parametrize("model", ["ridge", "boosting"])
def test_baselines_are_pooled_over_members_only(
    model: Model, said: Said, others_taught: Said, member_taught: Said
) -> None:
    assert moved(said, others_taught, model) == set()
    assert moved(said, member_taught, model) == EVERYBODY


def test_baselines_fitted_on_everybody_would_be_noticed(clinics: list[ClinicPeople]) -> None:
    """Planted: new people and observers are pooled with the members."""

    def planted(clinics: Sequence[ClinicPeople]) -> Said:
        everybody = list(people_of(clinics).values())
        return by_model(comparison._of_baselines(everybody, everybody, SEED))

    before, after = planted(clinics), planted(changed(clinics, {NEW, FAR}, taught_otherwise))
    assert moved(before, after, "ridge") == moved(before, after, "boosting") == EVERYBODY


@pytest.mark.parametrize("model", ["pooled", "federated"])
def test_bodies_are_taught_by_members_only(
    model: Model, said: Said, others_taught: Said, member_taught: Said
) -> None:
    """Those who lived otherwise have another latent; for anybody else nothing changes."""
    assert moved(said, others_taught, model) == {NEW, FAR}
    assert moved(said, member_taught, model) == EVERYBODY


@pytest.mark.parametrize("model", sorted(ON_THEIR_OWN - {"persistence"}))
def test_a_model_that_nobody_here_taught_depends_on_the_person_alone(
    model: Model, said: Said, others_taught: Said, member_taught: Said
) -> None:
    assert moved(said, others_taught, model) == {NEW, FAR}
    assert moved(said, member_taught, model) == {LAGOON}


@pytest.mark.parametrize("model", sorted(TUNED_AT_HOME))
def test_what_is_learned_at_home_stays_there(
    model: Model, said: Said, others_taught: Said, member_taught: Said
) -> None:
    """The observer's member moves the observer's new person; a new person moves nobody else."""
    assert moved(said, others_taught, model) == {NEW, FAR, FAR_NEW}
    assert moved(said, member_taught, model) == {LAGOON}


def test_an_observer_tuned_on_others_people_would_be_noticed(
    said: Said,
    clinics: list[ClinicPeople],
    monkeypatch: pytest.MonkeyPatch,
    start: PublicStart,
) -> None:
    """Planted: every clinic tunes the body on the first clinic's members."""
    monkeypatch.setattr(
        comparison, "tuned", lambda weights, _, seed: tuned(weights, clinics[0].members, seed)
    )
    planted: Said = {"local": comparison._after_own_tuning(start.weights, clinics, SEED)}
    assert moved(said, planted, "local") == {LAGOON, FAR, FAR_NEW}
