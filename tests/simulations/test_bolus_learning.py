from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.trace import FloatArray
from privacy.sensitivity import max_leave_one_out
from privacy.verifier import verify
from simulations.bolus_advisor import DIMENSION
from simulations.bolus_learning import (
    Budget,
    Course,
    Scale,
    rows_of,
    scale_of,
    taught_plainly,
    taught_privately,
)
from simulations.bolus_people import Lessons

pytestmark = pytest.mark.slow

COURSE = Course(overdose_weight=2.0, rounds=3, rate=1.0, clip_norm=0.4)
BUDGET = Budget(8.0, 1e-5, "simulated", declared=5)
START = np.zeros(DIMENSION)


def patient(seed: int, meals: int = 30, loud: float = 1.0) -> Lessons:
    """Somebody whose doses were too small by 0.3 of what the first feature says."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(0.5, 0.5, (meals, DIMENSION))
    return Lessons(loud * seen, loud * (0.3 * seen[:, 0] + 0.2 * rng.standard_normal(meals)))


@pytest.fixture(scope="module")
def scale() -> Scale:
    return scale_of([patient(seed) for seed in range(20)])


@pytest.fixture
def clinics() -> list[list[Lessons]]:
    return [[patient(100 * clinic + seed) for seed in range(5)] for clinic in range(4)]


def test_root_and_inverse_belong_together(scale: Scale) -> None:
    assert scale.root @ scale.inverse == pytest.approx(np.eye(DIMENSION), abs=1e-9)


def test_a_row_is_the_direction_that_lowers_a_patients_loss(scale: Scale) -> None:
    """By differences of the loss itself, in scaled coordinates, where errors are small."""
    one = replace(patient(7), left=0.2 * patient(7).left)
    weights = 0.01 * np.arange(DIMENSION) / DIMENSION

    def loss(v: FloatArray) -> float:
        error = one.left - one.seen @ (weights + scale.inverse @ v)
        return float(np.mean(np.where(error < 0.0, 2.0, 1.0) * error**2 / 2.0))

    (row,) = rows_of(weights, [one], scale, 2.0)
    steps = 1e-6 * np.eye(DIMENSION)
    slope = np.array([(loss(step) - loss(-step)) / 2e-6 for step in steps])
    assert row == pytest.approx(-slope, abs=1e-6)


def test_a_row_is_of_a_patient_and_not_of_a_meal(scale: Scale) -> None:
    """Twice the same meals are the same patient."""
    one = patient(1)
    twice = Lessons(np.tile(one.seen, (2, 1)), np.tile(one.left, 2))
    assert rows_of(START, [twice], scale, 2.0) == pytest.approx(rows_of(START, [one], scale, 2.0))
    nobody = Lessons(np.zeros((0, DIMENSION)), np.zeros(0))
    assert not rows_of(START, [nobody], scale, 2.0).any()


def test_no_patient_moves_the_sum_by_more_than_the_clip_norm(scale: Scale) -> None:
    people = [patient(seed, loud=10.0**seed) for seed in range(4)]
    found = max_leave_one_out(lambda these: rows_of(START, these, scale, 2.0), people, 0.4)
    assert 0.3 < found <= 0.4 * (1.0 + 1e-6)


def by_meal(people: Sequence[Lessons], scale: Scale) -> FloatArray:
    each = [Lessons(o.seen[[k]], o.left[[k]]) for o in people for k in range(len(o.left))]
    return rows_of(START, each, scale, 2.0)


def by_site(people: Sequence[Lessons], scale: Scale) -> FloatArray:
    rows = rows_of(START, people, scale, 2.0)
    return np.asarray(0.39 * rows / np.linalg.norm(rows.mean(axis=0)) ** 2)


@pytest.mark.parametrize("planted", [by_meal, by_site])
def test_the_check_sees_a_meal_as_unit_and_a_scaling_by_the_site(
    planted: Callable[[Sequence[Lessons], Scale], FloatArray], scale: Scale
) -> None:
    people = [patient(seed, loud=1.0 if seed else -6.0) for seed in range(4)]
    found = max_leave_one_out(lambda these: planted(these, scale), people, 0.4)
    assert found > 0.4 * (1.0 + 1e-6)


def test_one_patient_moves_the_weights_by_their_clipped_share(
    scale: Scale, clinics: list[list[Lessons]], tmp_path: Path
) -> None:
    """Through the whole release with the same noise: planted without a clip, this is red."""
    clinics[0][0] = patient(5, loud=1e6)
    course = replace(COURSE, rounds=1)
    ends = []
    for name, people in (("all", clinics), ("less", [clinics[0][1:], *clinics[1:]])):
        w, _ = taught_privately(START, people, scale, course, BUDGET, tmp_path / name, 1)
        ends.append(scale.root @ w * len(clinics) * BUDGET.declared)
    moved = np.linalg.norm(ends[0] - ends[1])
    assert 0.39 < moved <= 0.4 * (1.0 + 1e-6)


def test_a_patient_whose_record_is_not_finite_is_as_if_absent(
    scale: Scale, clinics: list[list[Lessons]], tmp_path: Path
) -> None:
    without = [clinics[0][1:], *clinics[1:]]
    clinics[0][0] = Lessons(np.full((3, DIMENSION), np.nan), np.ones(3))
    ends = [
        taught_privately(START, people, scale, COURSE, BUDGET, tmp_path / name, 1)[0]
        for name, people in (("nan", clinics), ("less", without))
    ]
    assert np.array_equal(ends[0], ends[1])


def test_what_is_spent_is_what_was_asked_and_the_ledgers_hold(
    scale: Scale, clinics: list[list[Lessons]], tmp_path: Path
) -> None:
    _, spent = taught_privately(START, clinics, scale, COURSE, BUDGET, tmp_path, 1)
    assert spent.epsilon == pytest.approx(8.0, abs=1e-6) and spent.releases == 3
    assert spent.mu == pytest.approx(np.sqrt(3) / spent.sigma)
    verdict = verify(tmp_path)
    assert verdict.holds and len(verdict.ledgers) == 4
    assert verdict.epsilon == pytest.approx(8.0, abs=1e-6)
    assert {one.debits for one in verdict.ledgers} == {3}


def test_the_seed_is_all_of_chance_and_a_budget_has_noise_of_its_own(
    scale: Scale, clinics: list[list[Lessons]], tmp_path: Path
) -> None:
    def end(folder: str, seed: int, budget: Budget) -> FloatArray:
        home = tmp_path / folder
        return taught_privately(START, clinics, scale, COURSE, budget, home, seed)[0]

    first = end("a", 1, BUDGET)
    assert np.array_equal(first, end("b", 1, BUDGET))
    assert not np.allclose(first, end("c", 2, BUDGET))
    tight = end("d", 1, replace(BUDGET, epsilon=0.5))
    plain = taught_plainly(START, [o for c in clinics for o in c], scale, COURSE)
    assert np.linalg.norm(tight - plain) > 2.0 * np.linalg.norm(first - plain)


def test_exact_noise_is_drawn_once_and_found_again(
    scale: Scale, clinics: list[list[Lessons]], tmp_path: Path
) -> None:
    exact = replace(BUDGET, noise="exact")
    first, _ = taught_privately(START, clinics, scale, COURSE, exact, tmp_path / "a", 1)
    again, _ = taught_privately(START, clinics, scale, COURSE, exact, tmp_path / "a", 1)
    other, _ = taught_privately(START, clinics, scale, COURSE, exact, tmp_path / "b", 1)
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_without_privacy_the_weights_come_to_what_the_doses_left(scale: Scale) -> None:
    people = [patient(seed, meals=200) for seed in range(30)]
    long = replace(COURSE, rounds=40, clip_norm=10.0)
    found = taught_plainly(START, people, scale, replace(long, overdose_weight=1.0))
    assert found[0] == pytest.approx(0.3, abs=0.02)
    assert np.abs(found[1:]).max() < 0.02
    shy = taught_plainly(START, people, scale, replace(long, overdose_weight=4.0))
    assert (people[0].seen @ (shy - found)).mean() < -0.02


def test_without_privacy_nobody_leads_either(scale: Scale) -> None:
    """Planted: no clip, and one loud patient of thirty moves the weights as far as they like."""
    people = [patient(seed) for seed in range(30)]
    once = replace(COURSE, rounds=1)
    plain = taught_plainly(START, people, scale, once)
    loud = taught_plainly(START, [patient(0, loud=1e6), *people[1:]], scale, once)
    assert np.linalg.norm(scale.root @ (loud - plain)) <= 2.0 * 0.4 / 30 * (1.0 + 1e-9)
