"""Two recursions through time with exact adjoints: a first-order linear one, and glucose."""

from typing import Any

import numba
import numpy as np
import torch

from models.trace import FloatArray

GLUCOSE_FLOOR_MG_DL = 10.0
GLUCOSE_CEILING_MG_DL = 1000.0
LEAST_CLEARANCE = 0.1

# Risk of hypoglycaemia (Kovatchev et al. 1997, as scaled by Dalla Man et al. 2014).
R1 = 1.4407
R2 = 0.8124
RISK_FLAT_BELOW_MG_DL = 60.0

Floats = FloatArray


@numba.njit(cache=True, inline="always")
def risk_distance(glucose: float, baseline: float) -> float:
    """ln(max(G, 60))^r2 - ln(Gb)^r2 where it is negative, else 0."""
    if glucose >= baseline:
        return 0.0
    level = np.log(max(glucose, RISK_FLAT_BELOW_MG_DL)) ** R2
    distance: float = level - np.log(baseline) ** R2
    return distance


@numba.njit(cache=True, inline="always")
def amplified(action: float, distance: float, amplitude: float) -> float:
    """rho X, 1/min, rho = 1 + a 10 r1 distance^2; a lack of insulin (X < 0) is not amplified."""
    if action <= 0.0:
        return action
    return (1.0 + amplitude * 10.0 * R1 * distance * distance) * action


@numba.njit(cache=True, inline="always")
def next_glucose(glucose: float, source: float, clearance: float) -> float:
    """(G + source) / (1 + clearance), mg/dL, held between floor and ceiling."""
    if 1.0 + clearance < LEAST_CLEARANCE:
        return GLUCOSE_CEILING_MG_DL
    after = (glucose + source) / (1.0 + clearance)
    held: float = min(max(after, GLUCOSE_FLOOR_MG_DL), GLUCOSE_CEILING_MG_DL)
    return held


def linear_scan(
    u: torch.Tensor, rate: torch.Tensor, gain: torch.Tensor, start: torch.Tensor
) -> torch.Tensor:
    """y (B, T) with y_t = (y_{t-1} + gain u_t) / (1 + rate), or y' = -rate y + gain u backwards.

    `u` (B, T); `rate`, `gain` and `start` = y_{-1} (B,). Differentiable in all four, float64.
    """
    scanned: torch.Tensor = _LinearScan.apply(u, rate, gain, start)  # type: ignore[no-untyped-call]
    return scanned


def glucose_scan(
    source: torch.Tensor,
    action: torch.Tensor,
    effectiveness: torch.Tensor,
    baseline: torch.Tensor,
    amplitude: torch.Tensor,
    start: torch.Tensor,
) -> torch.Tensor:
    """G (B, T), mg/dL: G_t = (G_{t-1} + source_t) / (1 + SG + rho(G_{t-1}) X_t).

    `source` (mg/dL/min) and `action` X (1/min) are (B, T); SG, Gb, the amplitude of rho and the
    starting glucose are (B,). Differentiable in all six; where G is held at its floor or ceiling
    the derivative is 0.
    """
    scanned: torch.Tensor = _GlucoseScan.apply(  # type: ignore[no-untyped-call]
        source, action, effectiveness, baseline, amplitude, start
    )
    return scanned


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
        arrays = _arrays(tensors)
        out = _linear_forward(*arrays)
        ctx.kept = (arrays, out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, ...]:
        (u, rate, gain, _), out = ctx.kept
        adjoints = _linear_backward(_arrays(grads)[0], out, u, rate, gain)
        return tuple(torch.from_numpy(a) for a in adjoints)


class _GlucoseScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
        source, action, *heads = _arrays(tensors)
        kept = (source, action, np.stack(heads, axis=1))
        out = _glucose_forward(*kept)
        ctx.kept = (kept, out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kept, out = ctx.kept
        d_source, d_action, d_heads = _glucose_backward(_arrays(grads)[0], out, *kept)
        adjoints = (d_source, d_action, *d_heads.T)
        return tuple(torch.from_numpy(a) for a in adjoints)


def _arrays(tensors: tuple[torch.Tensor, ...]) -> tuple[Floats, ...]:
    return tuple(t.detach().contiguous().numpy() for t in tensors)


@numba.njit(cache=True)
def _linear_forward(u: Floats, rate: Floats, gain: Floats, start: Floats) -> Floats:
    out = np.empty_like(u)
    for b in range(u.shape[0]):
        keep, y = 1.0 / (1.0 + rate[b]), start[b]
        for t in range(u.shape[1]):
            y = (y + gain[b] * u[b, t]) * keep
            out[b, t] = y
    return out


@numba.njit(cache=True)
def _linear_backward(
    grad: Floats, out: Floats, u: Floats, rate: Floats, gain: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    d_u = np.empty_like(u)
    d_rate, d_gain, d_start = np.zeros_like(rate), np.zeros_like(rate), np.zeros_like(rate)
    for b in range(u.shape[0]):
        keep, costate = 1.0 / (1.0 + rate[b]), 0.0
        for t in range(u.shape[1] - 1, -1, -1):
            costate = (costate + grad[b, t]) * keep
            d_u[b, t] = costate * gain[b]
            d_gain[b] += costate * u[b, t]
            d_rate[b] -= costate * out[b, t]
        d_start[b] = costate
    return d_u, d_rate, d_gain, d_start


@numba.njit(cache=True)
def _glucose_forward(source: Floats, action: Floats, heads: Floats) -> Floats:
    """`heads` (B, 4): SG, Gb, amplitude of rho, starting glucose."""
    out = np.empty_like(source)
    for b in range(source.shape[0]):
        sg, gb, amplitude, g = heads[b]
        for t in range(source.shape[1]):
            clearance = sg + amplified(action[b, t], risk_distance(g, gb), amplitude)
            g = next_glucose(g, source[b, t], clearance)
            out[b, t] = g
    return out


@numba.njit(cache=True)
def _glucose_backward(
    grad: Floats, out: Floats, source: Floats, action: Floats, heads: Floats
) -> tuple[Floats, Floats, Floats]:
    """Adjoints of source, action and heads; `pull` is the costate of rho."""
    d_source, d_action = np.zeros_like(source), np.zeros_like(source)
    d_heads = np.zeros_like(heads)
    for b in range(source.shape[0]):
        sg, gb, amplitude, start = heads[b]
        costate = 0.0
        for t in range(source.shape[1] - 1, -1, -1):
            costate += grad[b, t]
            g, x = out[b, t], action[b, t]
            before = out[b, t - 1] if t else start
            if g <= GLUCOSE_FLOOR_MG_DL or g >= GLUCOSE_CEILING_MG_DL:
                costate = 0.0
                continue
            distance = risk_distance(before, gb)
            costate /= 1.0 + sg + amplified(x, distance, amplitude)
            pull = -costate * g * max(x, 0.0)
            bend = pull * 20.0 * R1 * amplitude * distance
            d_source[b, t] = costate
            d_action[b, t] = -costate * g * (amplified(x, distance, amplitude) / x if x else 1.0)
            d_heads[b, 0] -= costate * g
            d_heads[b, 1] -= bend * _power_slope(gb)
            d_heads[b, 2] += pull * 10.0 * R1 * distance * distance
            if before > RISK_FLAT_BELOW_MG_DL:
                costate += bend * _power_slope(before)
        d_heads[b, 3] = costate
    return d_source, d_action, d_heads


@numba.njit(cache=True, inline="always")
def _power_slope(glucose: float) -> float:
    """d/dG of ln(G)^r2."""
    slope: float = R2 * np.log(glucose) ** (R2 - 1.0) / glucose
    return slope
