"""Bodies without privacy: what they learn from, how clinics weigh, and that they come out again."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.forecast import Batch, batch_of, fit_latents, patient_loss
from models.sharing import WeightArray
from models.trace import FloatArray
from models.training import Schedule
from models.windows import Windows
from simulations import rivals
from simulations.people import Person, person_of
from simulations.rivals import federated, forecasts, pooled, tuned
from study.protocol import parse_protocol
from study.public_start import read_public_start
from tests.models.people import made_up_trace

pytestmark = pytest.mark.slow

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""
SEED = 5
FLOAT32 = 2e-7
"""Relative error of rounding to float32, and a little more."""

SHORT = Schedule(steps=8, rate=1e-3, windows=64)
Rival = Callable[[WeightArray, Sequence[Person], int], WeightArray]


def one_clinic(weights: WeightArray, people: Sequence[Person], seed: int) -> WeightArray:
    return federated(weights, [people], seed)


RIVALS = [
    pytest.param(tuned, id="tuned"),
    pytest.param(pooled, id="pooled"),
    pytest.param(one_clinic, id="federated"),
]


@pytest.fixture(scope="module")
def people() -> list[Person]:
    """Three people of four days each, the second with insulin and meals."""
    protocol = parse_protocol(PROTOCOL)
    return [person_of(made_up_trace(n, days=4, doses=n == 1), protocol) for n in range(3)]


@pytest.fixture(scope="module")
def weights() -> WeightArray:
    return read_public_start().weights


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps of training in every rival, and one round of the federation."""
    for name in ("TUNING", "POOLED", "FEDERATED"):
        monkeypatch.setattr(rivals, name, SHORT)
    monkeypatch.setattr(rivals, "FEDERATED_ROUNDS", 1)


def with_other_targets(person: Person, part: str) -> Person:
    """The same person, but what followed the windows of `part` was 60 mg/dL higher."""
    windows: Windows = getattr(person, part)
    changed = replace(windows, target=windows.target + 60.0)
    return replace(person, test=changed) if part == "test" else replace(person, train=changed)


def joined(arrays: Sequence[FloatArray]) -> bytes:
    return b"".join(array.tobytes() for array in arrays)


def training_loss(weights: WeightArray, people: Sequence[Person]) -> float:
    """Mean over people of the loss on all their training windows, latents fitted to the body."""
    body = torch.from_numpy(weights)
    batch = batch_of([one.train for one in people], at_most=3000)
    latents = fit_latents(body, batch)
    with torch.no_grad():
        losses = [float(patient_loss(body, z, batch.part(n))) for n, z in enumerate(latents)]
    return float(np.mean(losses))


# Training.


@pytest.mark.parametrize("rival", [tuned, pooled])
def test_without_people_the_body_stays_as_it_is(rival: Rival, weights: WeightArray) -> None:
    assert rival(weights, [], SEED).tobytes() == weights.tobytes()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("rival", RIVALS)
def test_equal_seeds_give_equal_bytes_and_others_do_not(
    rival: Rival, weights: WeightArray, people: list[Person]
) -> None:
    first, second = rival(weights, people, SEED), rival(weights, people, SEED)
    assert first.tobytes() == second.tobytes()
    assert rival(weights, people, SEED + 1).tobytes() != first.tobytes()
    assert first.shape == weights.shape and first.dtype == weights.dtype


@pytest.mark.usefixtures("short")
def test_the_public_start_itself_is_not_written_to(
    weights: WeightArray, people: list[Person]
) -> None:
    before = weights.tobytes()
    assert pooled(weights, people, SEED).tobytes() != before
    assert federated(weights, [people], SEED).tobytes() != before
    assert weights.tobytes() == before


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("rival", RIVALS)
def test_bodies_learn_from_training_windows_only(
    rival: Rival, weights: WeightArray, people: list[Person]
) -> None:
    answer = rival(weights, people, SEED).tobytes()
    other_tests = [with_other_targets(one, "test") for one in people]
    other_lessons = [*people[:2], with_other_targets(people[2], "train")]
    assert rival(weights, other_tests, SEED).tobytes() == answer
    assert rival(weights, other_lessons, SEED).tobytes() != answer


@pytest.mark.slow
def test_tuning_lowers_the_training_loss(weights: WeightArray, people: list[Person]) -> None:
    after = training_loss(tuned(weights, people, SEED), people)
    assert after < 0.95 * training_loss(weights, people)


def test_training_towards_something_else_would_be_noticed(
    weights: WeightArray, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: targets are mirrored at the twin's own path, so training runs away from them."""

    def mirrored(windows: Sequence[Windows], at_most: int) -> Batch:
        return batch_of(
            [replace(one, target=2.0 * one.start - one.target) for one in windows], at_most
        )

    monkeypatch.setattr(rivals, "batch_of", mirrored)
    monkeypatch.setattr(rivals, "TUNING", replace(rivals.TUNING, steps=60))
    planted = training_loss(tuned(weights, people, SEED), people)
    assert planted > training_loss(weights, people)


# The federation.


def weighted_by_hand(weights: WeightArray, people: list[Person], share: float) -> FloatArray:
    """One round of a clinic of two and a clinic of one, the first with this share."""
    first, second = tuned(weights, people[:2], SEED), tuned(weights, people[2:], SEED)
    return share * first.astype(np.float64) + (1.0 - share) * second.astype(np.float64)


@pytest.mark.usefixtures("short")
def test_a_clinic_weighs_as_many_as_its_people(weights: WeightArray, people: list[Person]) -> None:
    answer = federated(weights, [people[:2], people[2:]], SEED)
    expected = weighted_by_hand(weights, people, 2 / 3)
    np.testing.assert_allclose(answer, expected, rtol=FLOAT32, atol=0)


@pytest.mark.usefixtures("short")
def test_clinics_of_equal_weight_would_be_noticed(
    weights: WeightArray, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: every clinic counts as one person."""
    monkeypatch.setattr(rivals, "len", lambda people: 1, raising=False)
    planted = federated(weights, [people[:2], people[2:]], SEED)
    halves, thirds = (weighted_by_hand(weights, people, share) for share in (1 / 2, 2 / 3))
    np.testing.assert_allclose(planted, halves, rtol=FLOAT32, atol=0)
    assert not np.allclose(planted, thirds, rtol=FLOAT32, atol=0)


@pytest.mark.usefixtures("short")
def test_each_round_begins_where_the_last_one_ended(
    weights: WeightArray, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A federation of one clinic is that clinic training twice, with another seed each time.

    Its people's latent vectors stay with it in between: fitted anew, they would give another body.
    """
    monkeypatch.setattr(rivals, "FEDERATED_ROUNDS", 2)
    home = rivals._Home(weights, people)
    once = home.answer(weights, SHORT, SEED)
    twice = home.answer(once, SHORT, SEED + 1000)
    answer = federated(weights, [people], SEED)
    np.testing.assert_array_equal(answer, twice)
    assert not np.array_equal(answer, tuned(once, people, SEED + 1000))


@pytest.mark.usefixtures("short")
def test_a_clinic_without_people_changes_nothing(
    weights: WeightArray, people: list[Person]
) -> None:
    alone = federated(weights, [people], SEED)
    assert federated(weights, [people, []], SEED).tobytes() == alone.tobytes()


@pytest.mark.usefixtures("short")
def test_the_order_of_clinics_does_not_matter(weights: WeightArray, people: list[Person]) -> None:
    forth = federated(weights, [people[:2], people[2:]], SEED)
    back = federated(weights, [people[2:], people[:2]], SEED)
    np.testing.assert_allclose(forth, back, rtol=0, atol=1e-6)


# Forecasts.


def test_a_forecast_for_every_held_out_window_in_the_order_of_people(
    weights: WeightArray, people: list[Person]
) -> None:
    said = forecasts(weights, people)
    assert [one.shape for one in said] == [one.test.target.shape for one in people]
    assert all(np.isfinite(one).all() for one in said)
    for alone, together in zip(people, said, strict=True):
        (own,) = forecasts(weights, [alone])
        np.testing.assert_allclose(own, together, atol=0.05)


def test_clinics_without_anybody_leave_the_body_as_it_is(weights: WeightArray) -> None:
    nobody: list[Person] = []
    np.testing.assert_array_equal(federated(weights, [], SEED), weights)
    np.testing.assert_array_equal(federated(weights, [nobody], SEED), weights)


def test_nobody_is_forecast_nothing(weights: WeightArray) -> None:
    assert forecasts(weights, []) == []


def test_a_forecast_does_not_look_at_what_followed(
    weights: WeightArray, people: list[Person]
) -> None:
    others = [with_other_targets(one, "test") for one in people]
    assert joined(forecasts(weights, others)) == joined(forecasts(weights, people))


def test_a_latent_fitted_on_held_out_windows_would_be_noticed(
    weights: WeightArray, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: latents are fitted on the windows that are to be scored."""

    def looking_ahead(whose: Sequence[Person]) -> list[FloatArray]:
        held_out = {one.train.patient: one.test for one in whose}
        monkeypatch.setattr(
            rivals,
            "batch_of",
            lambda windows, n: batch_of([held_out[one.patient] for one in windows], n),
        )
        return forecasts(weights, whose)

    others = [with_other_targets(one, "test") for one in people]
    assert joined(looking_ahead(others)) != joined(looking_ahead(people))


def test_a_latent_is_fitted_on_the_windows_before(
    weights: WeightArray, people: list[Person]
) -> None:
    others = [with_other_targets(one, "train") for one in people]
    assert joined(forecasts(weights, others)) != joined(forecasts(weights, people))
