"""The fused adjoint: every gradient against central differences, torch's own check, sharing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models import adjoint, tape
from models.adjoint import BLOCK, Drive, simulate
from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH, THETA_LOW
from models.inputs import Inputs, physiology_inputs
from models.openloop import open_loop
from models.trace import FloatArray
from tests.models.virtual import eventful, heads

START = 140.0
NUDGE = 1e-5


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(2, seed=4))


def run(theta: FloatArray, inputs: Inputs) -> FloatArray:
    """Interstitial glucose (B, n)."""
    start = torch.full((len(theta),), START, dtype=torch.float64)
    return np.asarray(simulate(torch.tensor(theta), Drive.of([inputs]), start).interstitial_mg_dl)


def gradient(theta: FloatArray, inputs: Inputs, weights: FloatArray) -> FloatArray:
    """Of the weighed sum of interstitial glucose, by theta (B, K)."""
    given = torch.tensor(theta, requires_grad=True)
    start = torch.full((len(theta),), START, dtype=torch.float64)
    path = simulate(given, Drive.of([inputs]), start).interstitial_mg_dl
    return np.asarray(torch.autograd.grad((path * torch.tensor(weights)).sum(), given)[0])


def worst(place: int, inputs: Inputs) -> float:
    """Largest error of one parameter's gradient, relative to the largest gradient."""
    theta = heads(3, seed=8)
    weights = np.random.default_rng(9).normal(size=(len(theta), len(inputs)))
    step = NUDGE * np.eye(len(NAMES))[place]
    rise = run(theta + step, inputs) - run(theta - step, inputs)
    differences = (rise * weights).sum(axis=1) / (2.0 * NUDGE)
    scale = float(np.abs(differences).max())
    assert scale > 0.0
    found = gradient(theta, inputs, weights)[:, place]
    return float(np.abs(found - differences).max()) / scale


@pytest.mark.parametrize("name", NAMES)
def test_every_parameters_gradient_agrees_with_central_differences(
    name: str, inputs: Inputs
) -> None:
    assert worst(NAMES.index(name), inputs) < 1e-6


def test_a_gradient_without_glucoses_own_parameters_is_seen(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong Gb gradient hides behind right trajectories: its line of the tape left out."""
    right: Callable[..., tuple[FloatArray, FloatArray]] = tape.run_taped

    def forgetful(*arguments: object) -> tuple[FloatArray, FloatArray]:
        out, lines = right(*arguments)
        lines[..., tape.OWN :] = 0.0
        return out, lines

    place = NAMES.index("Gb")
    assert worst(place, inputs) < 1e-6
    monkeypatch.setattr(adjoint, "run_taped", forgetful)
    assert worst(place, inputs) > 1e-3


def test_sensitivity_disturbance_doses_and_start_have_gradients_too(inputs: Inputs) -> None:
    drive = Drive.of([inputs.take(np.arange(80, 110))])
    zeros = torch.zeros(1, drive.local_hour.shape[1], dtype=torch.float64)
    start = torch.full((1,), START, dtype=torch.float64)
    theta = torch.tensor(BOOK_PRIOR.mean)[None]

    def glucose(
        insulin: torch.Tensor,
        carbs: torch.Tensor,
        m: torch.Tensor,
        d: torch.Tensor,
        g: torch.Tensor,
    ) -> torch.Tensor:
        run = simulate(theta, Drive(insulin, carbs, drive.local_hour), g, m, d)
        return run.interstitial_mg_dl[:, ::7] + 0.3 * run.glucose_mg_dl[:, ::7]

    given = (drive.insulin, drive.carbs, zeros, zeros, start)
    arguments = tuple(t.clone().requires_grad_() for t in given)
    assert torch.autograd.gradcheck(glucose, arguments, eps=1e-5, rtol=1e-5, atol=1e-7)


def test_it_is_the_open_loop(inputs: Inputs) -> None:
    theta = heads(BLOCK + 3, seed=1)
    fused = open_loop(theta, inputs, START).interstitial_mg_dl
    assert np.abs(run(theta, inputs) - fused).max() < 1e-9


def test_a_kept_tape_does_not_change_the_course(inputs: Inputs) -> None:
    theta = torch.tensor(heads(3, seed=2))
    start = torch.full((3,), START, dtype=torch.float64)
    plain = simulate(theta, Drive.of([inputs]), start).glucose_mg_dl
    taped = simulate(theta.requires_grad_(), Drive.of([inputs]), start).glucose_mg_dl
    assert torch.equal(plain, taped.detach())


def test_blocks_of_heads_do_not_touch_each_other(inputs: Inputs) -> None:
    theta = heads(2 * BLOCK + 1, seed=3)
    weights = np.random.default_rng(4).normal(size=(len(theta), len(inputs)))
    together = gradient(theta, inputs, weights)
    for b in (0, BLOCK - 1, BLOCK, 2 * BLOCK):
        alone = gradient(theta[b : b + 1], inputs, weights[b : b + 1])
        assert np.array_equal(alone[0], together[b])


def test_one_drive_shared_by_a_batch_collects_its_gradients(inputs: Inputs) -> None:
    theta = torch.tensor(heads(3, seed=5))
    drive = Drive.of([inputs.take(np.arange(60))])
    start = torch.full((3,), START, dtype=torch.float64)
    shared = drive.carbs.clone().requires_grad_()
    simulate(
        theta, Drive(drive.insulin, shared, drive.local_hour), start
    ).interstitial_mg_dl.sum().backward()
    apart = torch.zeros_like(shared)
    for b in range(3):
        own = drive.carbs.clone().requires_grad_()
        simulate(
            theta[b : b + 1], Drive(drive.insulin, own, drive.local_hour), start[:1]
        ).interstitial_mg_dl.sum().backward()
        assert own.grad is not None
        apart += own.grad
    assert shared.grad is not None
    assert torch.allclose(shared.grad, apart)


def test_beyond_a_bound_there_is_no_gradient(inputs: Inputs) -> None:
    theta = np.stack([THETA_HIGH + 0.1, THETA_LOW - 0.1])
    weights = np.ones((2, len(inputs)))
    assert not gradient(theta, inputs, weights).any()
    assert gradient(BOOK_PRIOR.mean[None], inputs, weights[:1]).all()
