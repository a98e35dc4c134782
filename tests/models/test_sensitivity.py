"""Forward derivatives: equal to central differences and to the adjoint, in one pass."""

import numpy as np
import pytest
import torch

from models import sensitivity
from models.adjoint import Drive, simulate
from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH
from models.inputs import Inputs, physiology_inputs
from models.openloop import open_loop
from models.sensitivity import LANES, ORDER, sensitivities
from tests.models.virtual import eventful, heads

START, NUDGE = 140.0, 1e-5


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return physiology_inputs(eventful(3, seed=4))


def worst(name: str, inputs: Inputs) -> float:
    """Largest error of a parameter's derivatives over three heads, relative to the largest."""
    place = NAMES.index(name)
    step = NUDGE * np.eye(len(NAMES))[place]
    errors = []
    for theta in heads(3, seed=8):
        up, down = open_loop(np.stack([theta + step, theta - step]), inputs, START).states[..., -1]
        differences = (up - down) / (2.0 * NUDGE)
        found = sensitivities(theta, inputs, START)[1][:, place]
        errors.append(np.abs(found - differences).max() / np.abs(differences).max())
    return float(max(errors))


@pytest.mark.parametrize("name", NAMES)
def test_every_derivative_agrees_with_central_differences(name: str, inputs: Inputs) -> None:
    assert worst(name, inputs) < 1e-5


def test_the_course_is_the_open_loop(inputs: Inputs) -> None:
    theta = heads(1, seed=9)[0]
    course = sensitivities(theta, inputs, START)[0]
    assert np.abs(course - open_loop(theta, inputs, START).interstitial_mg_dl[0]).max() < 1e-10


def test_forward_and_backward_agree(inputs: Inputs) -> None:
    """Two routes that share nothing but the step's slopes: J' w of both."""
    theta = heads(1, seed=10)
    weights = np.random.default_rng(11).normal(size=len(inputs))
    given = torch.tensor(theta, requires_grad=True)
    start = torch.full((1,), START, dtype=torch.float64)
    path = simulate(given, Drive.of([inputs]), start).interstitial_mg_dl[0]
    (backward,) = torch.autograd.grad((path * torch.tensor(weights)).sum(), given)
    forward = sensitivities(theta[0], inputs, START)[1].T @ weights
    assert forward == pytest.approx(backward[0].numpy(), rel=1e-9)


def test_each_parameter_has_one_lane() -> None:
    assert sorted(ORDER.tolist()) == list(range(len(NAMES))) and len(NAMES) == LANES


def test_two_lanes_exchanged_would_be_seen(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    slipped = ORDER.copy()
    slipped[[0, 1]] = slipped[[1, 0]]
    assert worst("kd", inputs) < 1e-5
    monkeypatch.setattr(sensitivity, "ORDER", slipped)
    assert worst("kd", inputs) > 1e-2


def test_beyond_a_bound_there_is_no_derivative(inputs: Inputs) -> None:
    theta = BOOK_PRIOR.mean.copy()
    theta[NAMES.index("SI")] = THETA_HIGH[NAMES.index("SI")] + 0.1
    by_theta = sensitivities(theta, inputs, START)[1]
    moved = np.abs(by_theta).max(axis=0) > 0.0
    assert not moved[NAMES.index("SI")] and moved.sum() == len(NAMES) - 1


def test_the_first_row_is_the_start_and_owes_nothing(inputs: Inputs) -> None:
    course, by_theta = sensitivities(heads(1, seed=12)[0], inputs, 133.0)
    assert course[0] == 133.0 and not by_theta[0].any()
