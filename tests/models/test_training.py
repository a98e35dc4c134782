import numpy as np
import pytest
import torch

from models.correction import initial_weights
from models.forecast import batch_of, patient_loss
from models.training import Schedule, train
from tests.models.people import made_up_windows

pytestmark = pytest.mark.slow

SHORT = Schedule(steps=120, rate=3e-3, windows=128)


@pytest.fixture(scope="module")
def batch():  # type: ignore[no-untyped-def]
    return batch_of([made_up_windows(seed) for seed in range(3)], 400)


def mean_loss(weights: torch.Tensor, latents: torch.Tensor, batch) -> float:  # type: ignore[no-untyped-def]
    losses = [patient_loss(weights, latents[i], batch.part(i)) for i in range(len(latents))]
    return float(torch.stack(losses).mean())


def test_training_lowers_the_loss_of_every_patient_mean(batch) -> None:  # type: ignore[no-untyped-def]
    start = initial_weights(0)
    done = train(start, batch, SHORT, seed=1)
    before = mean_loss(start, torch.zeros_like(done.latents), batch)
    assert mean_loss(done.weights, done.latents, batch) < 0.8 * before


def test_training_is_reproducible_to_the_bit(batch) -> None:  # type: ignore[no-untyped-def]
    first, second = (train(initial_weights(0), batch, SHORT, seed=1) for _ in range(2))
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.latents, second.latents)


def test_another_seed_draws_other_windows(batch) -> None:  # type: ignore[no-untyped-def]
    first, second = (train(initial_weights(0), batch, SHORT, seed) for seed in (1, 2))
    assert not torch.equal(first.weights, second.weights)


def test_the_start_is_not_written_over(batch) -> None:  # type: ignore[no-untyped-def]
    start, latents = initial_weights(0), torch.ones(3, 4)
    train(start, batch, SHORT, seed=1, latents=latents)
    assert torch.equal(start, initial_weights(0)) and torch.equal(latents, torch.ones(3, 4))


def test_no_global_seed_is_needed_or_touched(batch) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = train(initial_weights(0), batch, SHORT, seed=1).weights
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(train(initial_weights(0), batch, SHORT, seed=1).weights, first)


def test_windows_without_a_target_are_never_drawn() -> None:
    windows = made_up_windows(0).thinned(60)
    target = windows.target.copy()
    target[:30] = np.nan
    poisoned = windows.features.copy()
    poisoned[:30] = np.nan
    batch = batch_of(
        [type(windows)(**{**windows.__dict__, "target": target, "features": poisoned})], 60
    )
    done = train(initial_weights(0), batch, Schedule(steps=20, rate=1e-3, windows=64), seed=1)
    assert torch.isfinite(done.weights).all()
