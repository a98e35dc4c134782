"""The two scans: hand-computed steps, torch's own gradient check, and what a wrong adjoint does."""

import numpy as np
import pytest
import torch

from models import scan
from models.scan import (
    GLUCOSE_CEILING_MG_DL,
    GLUCOSE_FLOOR_MG_DL,
    R1,
    R2,
    clearance,
    glucose_head,
    glucose_scan,
    linear_scan,
    next_glucose,
    risk_distance,
)

BATCH, MINUTES = 3, 12


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def drawn(low: float, high: float, *shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).uniform(low, high, size=shape)
    return torch.tensor(values, requires_grad=True)


def glucose_arguments() -> tuple[torch.Tensor, ...]:
    """A run through 40-130 mg/dL: above Gb, between 60 and Gb, and below 60."""
    return (
        drawn(0.0, 4.0, BATCH, MINUTES, seed=1),
        drawn(-0.02, 0.2, BATCH, MINUTES, seed=2),
        tensor(0.01, 0.02, 0.03),
        tensor(100.0, 120.0, 140.0),
        tensor(0.3, 1.0, 2.0),
        tensor(130.0, 90.0, 70.0),
    )


def test_the_linear_scan_takes_trapezoidal_steps() -> None:
    out = linear_scan(tensor(1.0, 0.0, 4.0)[None], tensor(1.0), tensor(2.0), tensor(4.0))
    assert out.tolist()[0] == pytest.approx([8.0 / 3.0, 8.0 / 9.0, 152.0 / 27.0])


def test_the_linear_scan_reaches_its_steady_state() -> None:
    u = torch.full((1, 5000), 3.0, dtype=torch.float64)
    out = linear_scan(u, tensor(0.02), tensor(0.1), tensor(0.0))
    assert out[0, -1].item() == pytest.approx(0.1 / 0.02 * 3.0)


def test_the_linear_scans_adjoint_is_exact() -> None:
    arguments = (
        drawn(-1.0, 1.0, BATCH, MINUTES),
        tensor(0.001, 0.05, 0.9),
        tensor(1.0, 0.5, 2.0),
        tensor(3.0, -1.0, 0.0),
    )
    assert torch.autograd.gradcheck(linear_scan, arguments, eps=1e-6, rtol=1e-6)


def test_the_glucose_scan_takes_trapezoidal_steps() -> None:
    ones = (tensor(0.1), tensor(60.0), tensor(1.0), tensor(110.0))
    out = glucose_scan(tensor(10.0, 0.0)[None], tensor(0.1, 0.0)[None], *ones)
    first = (110.0 * 0.9 + 10.0) / 1.1
    assert out.tolist()[0] == pytest.approx([first, first * 0.95 / 1.05])


def test_the_glucose_scans_adjoint_is_exact() -> None:
    assert torch.autograd.gradcheck(glucose_scan, glucose_arguments(), eps=1e-6, rtol=1e-5)


def test_a_wrong_gradient_of_gb_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that once hid behind right trajectories: the derivative of rho by Gb left out."""
    right = scan._glucose_backward

    def without_gb(*arguments: np.ndarray) -> tuple[np.ndarray, ...]:
        d_source, d_action, d_heads = right(*arguments)
        d_heads[:, 1] = 0.0
        return d_source, d_action, d_heads

    monkeypatch.setattr(scan, "_glucose_backward", without_gb)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(glucose_scan, glucose_arguments(), eps=1e-6, rtol=1e-5)


def test_risk_is_nought_at_gb_and_flat_below_60() -> None:
    head = glucose_head(0.02, 119.0, 1.0)
    assert risk_distance(120.0, head) == 0.0
    assert risk_distance(119.0, head) == 0.0
    assert risk_distance(80.0, head) == pytest.approx(np.log(80.0) ** R2 - np.log(119.0) ** R2)
    assert risk_distance(30.0, head) == risk_distance(60.0, head)


def test_only_insulin_above_rest_is_amplified() -> None:
    head = glucose_head(0.01, 120.0, 1.5)
    risk = 10.0 * R1 * risk_distance(80.0, head) ** 2
    assert clearance(80.0, 0.02, head) == pytest.approx(0.01 + 0.02 * (1.0 + 1.5 * risk))
    assert clearance(80.0, -0.02, head) == pytest.approx(-0.01)
    assert clearance(130.0, 0.02, head) == pytest.approx(0.03)


def test_glucose_stays_between_floor_and_ceiling() -> None:
    head = glucose_head(0.02, 120.0, 1.0)
    assert next_glucose(100.0, -500.0, 0.0, head) == GLUCOSE_FLOOR_MG_DL
    assert next_glucose(100.0, 5000.0, 0.0, head) == GLUCOSE_CEILING_MG_DL
    assert next_glucose(100.0, 1.0, -1.95, head) == GLUCOSE_CEILING_MG_DL


def test_what_lies_before_a_held_value_has_no_derivative() -> None:
    source, action, *heads = glucose_arguments()
    with torch.no_grad():
        source[:, 5] = -1e4
        source[:, 6:] = 40.0
    glucose = glucose_scan(source, action, *heads)
    (gradient,) = torch.autograd.grad(glucose[:, 8].sum(), source)
    assert not gradient[:, :6].any()
    assert gradient[:, 6:9].all()


def test_adjoints_stay_exact_over_a_day() -> None:
    """Along one random direction, against central differences: errors would add up in time."""
    minutes = 1440
    arguments = [
        drawn(2.0, 3.0, 2, minutes, seed=5),
        drawn(-0.005, 0.02, 2, minutes, seed=6),
        tensor(0.02, 0.03),
        tensor(110.0, 130.0),
        tensor(0.5, 1.5),
        tensor(90.0, 200.0),
    ]
    weights = drawn(-1.0, 1.0, 2, minutes, seed=7).detach()
    directions = [drawn(-1.0, 1.0, *a.shape, seed=8).detach() * a.abs().mean() for a in arguments]

    def weighed(step: float) -> float:
        moved = [a + step * d for a, d in zip(arguments, directions, strict=True)]
        return (glucose_scan(*moved) * weights).sum().item()

    gradients = torch.autograd.grad((glucose_scan(*arguments) * weights).sum(), arguments)
    slope = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
    assert (weighed(1e-6) - weighed(-1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_one_input_shared_by_a_batch_collects_its_gradients() -> None:
    u = drawn(0.0, 1.0, 1, MINUTES)
    rates = tensor(0.01, 0.1, 0.5)
    ones, zeros = torch.ones(BATCH).double(), torch.zeros(BATCH).double()
    linear_scan(u.expand(BATCH, -1), rates, ones, zeros).sum().backward()
    apart = torch.zeros_like(u)
    for b in range(BATCH):
        alone = linear_scan(u, rates[b : b + 1], ones[:1], zeros[:1]).sum()
        apart += torch.autograd.grad(alone, u)[0]
    assert u.grad is not None
    assert torch.allclose(u.grad, apart)
