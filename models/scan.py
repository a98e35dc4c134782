"""Two recursions through time with exact adjoints: a first-order linear one, and glucose."""

from typing import Any

import numba
import numpy as np
import torch

from models.trace import FloatArray

GLUCOSE_FLOOR_MG_DL = 10.0
GLUCOSE_CEILING_MG_DL = 1000.0
LEAST_HALF_CLEARANCE = -0.9
"""Below it, insulin lacks so much that glucose runs away within the minute."""

# Risk of hypoglycaemia (Kovatchev et al. 1997, as scaled by Dalla Man et al. 2014).
R1 = 1.4407
R2 = 0.8124
RISK_FLAT_BELOW_MG_DL = 60.0

Floats = FloatArray


@numba.njit(cache=True, inline="always")
def glucose_head(effectiveness: float, baseline: float, amplitude: float) -> FloatArray:
    """SG, Gb, a and ln(Gb)^r2, (4,)."""
    return np.array([effectiveness, baseline, amplitude, np.log(baseline) ** R2])


@numba.njit(cache=True, inline="always")
def risk_distance(glucose: float, head: FloatArray) -> float:
    """ln(max(G, 60))^r2 - ln(Gb)^r2 where it is negative, else 0; `head` from `glucose_head`."""
    if glucose >= head[1]:
        return 0.0
    distance: float = np.log(max(glucose, RISK_FLAT_BELOW_MG_DL)) ** R2 - head[3]
    return distance


@numba.njit(cache=True, inline="always")
def _rho(glucose: float, action: float, head: FloatArray) -> float:
    """1 + a 10 r1 distance^2; a lack of insulin (X < 0) is not amplified."""
    distance = risk_distance(glucose, head) if action > 0.0 else 0.0
    rho: float = 1.0 + head[2] * 10.0 * R1 * distance * distance
    return rho


@numba.njit(cache=True, inline="always")
def clearance(glucose: float, action: float, head: FloatArray) -> float:
    """SG + rho(G) X, 1/min; `head` from `glucose_head`."""
    loss: float = head[0] + _rho(glucose, action, head) * action
    return loss


@numba.njit(cache=True, inline="always")
def halfway(glucose: float, source: float, action: float, head: FloatArray) -> float:
    """G half a minute on, mg/dL, by a backward Euler step."""
    return (glucose + 0.5 * source) / (1.0 + 0.5 * clearance(glucose, action, head))


@numba.njit(cache=True, inline="always")
def next_glucose(glucose: float, source: float, action: float, head: FloatArray) -> float:
    """G a minute on, mg/dL, by a trapezoidal step with the clearance of halfway."""
    half = 0.5 * clearance(halfway(glucose, source, action, head), action, head)
    if half <= LEAST_HALF_CLEARANCE:
        return GLUCOSE_CEILING_MG_DL
    after = (glucose * (1.0 - half) + source) / (1.0 + half)
    held: float = min(max(after, GLUCOSE_FLOOR_MG_DL), GLUCOSE_CEILING_MG_DL)
    return held


def linear_scan(
    u: torch.Tensor, rate: torch.Tensor, gain: torch.Tensor, start: torch.Tensor
) -> torch.Tensor:
    """y (B, T) at the end of each minute of y' = gain u - rate y, by the trapezoidal rule.

        y_t - y_{t-1} = (gain u_t - rate y_{t-1}) / (1 + rate / 2)

    `u` (B, T) are means over the minutes; `rate` < 2 per minute, `gain` and `start` = y_{-1} (B,).
    Differentiable in all four, float64.
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
    """G (B, T), mg/dL, at the end of each minute of G' = source - (SG + rho(G) X) G.

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
        u, *heads = _arrays(tensors)
        kept = (u, np.stack(heads, axis=1))
        out = _linear_forward(*kept)
        ctx.kept = (kept, out)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kept, out = ctx.kept
        d_u, d_heads = _linear_backward(_arrays(grads)[0], out, *kept)
        return tuple(torch.from_numpy(a) for a in (d_u, *d_heads.T))


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
def _linear_forward(u: Floats, heads: Floats) -> Floats:
    """`heads` (B, 3): rate, gain, start."""
    out = np.empty_like(u)
    for b in range(u.shape[0]):
        rate, gain, y = heads[b]
        damping = 1.0 / (1.0 + 0.5 * rate)
        for t in range(u.shape[1]):
            y += (gain * u[b, t] - rate * y) * damping
            out[b, t] = y
    return out


@numba.njit(cache=True)
def _linear_backward(grad: Floats, out: Floats, u: Floats, heads: Floats) -> tuple[Floats, Floats]:
    """Adjoints of u (B, T) and of rate, gain and start, (B, 3)."""
    d_u, d_heads = np.empty_like(u), np.zeros_like(heads)
    for b in range(u.shape[0]):
        rate, gain, start = heads[b]
        damping, costate = 1.0 / (1.0 + 0.5 * rate), 0.0
        for t in range(u.shape[1] - 1, -1, -1):
            costate += grad[b, t]
            before = out[b, t - 1] if t else start
            d_u[b, t] = costate * gain * damping
            d_heads[b, 0] -= costate * 0.5 * (before + out[b, t]) * damping
            d_heads[b, 1] += costate * u[b, t] * damping
            costate *= 1.0 - rate * damping
        d_heads[b, 2] = costate
    return d_u, d_heads


@numba.njit(cache=True)
def _glucose_forward(source: Floats, action: Floats, heads: Floats) -> Floats:
    """`heads` (B, 4): SG, Gb, amplitude of rho, starting glucose."""
    out = np.empty_like(source)
    for b in range(source.shape[0]):
        head, g = glucose_head(heads[b, 0], heads[b, 1], heads[b, 2]), heads[b, 3]
        for t in range(source.shape[1]):
            g = next_glucose(g, source[b, t], action[b, t], head)
            out[b, t] = g
    return out


@numba.njit(cache=True)
def _glucose_backward(
    grad: Floats, out: Floats, source: Floats, action: Floats, heads: Floats
) -> tuple[Floats, Floats, Floats]:
    """Adjoints of source, action and heads: `next_glucose` backwards, minute by minute."""
    d_source, d_action = np.zeros_like(source), np.zeros_like(source)
    d_heads = np.zeros_like(heads)
    for b in range(source.shape[0]):
        head, costate = glucose_head(heads[b, 0], heads[b, 1], heads[b, 2]), 0.0
        for t in range(source.shape[1] - 1, -1, -1):
            costate += grad[b, t]
            x, after = action[b, t], out[b, t]
            before = out[b, t - 1] if t else heads[b, 3]
            if after <= GLUCOSE_FLOOR_MG_DL or after >= GLUCOSE_CEILING_MG_DL:
                costate = 0.0
                continue
            middle = halfway(before, source[b, t], x, head)
            late = 1.0 + 0.5 * clearance(middle, x, head)
            early = 1.0 + 0.5 * clearance(before, x, head)
            of_late = -0.5 * (before + after) / late * costate
            of_middle = of_late * _add_slopes(middle, x, head, of_late, d_heads[b])
            of_early = -0.5 * middle / early * of_middle
            of_before = of_early * _add_slopes(before, x, head, of_early, d_heads[b])
            d_action[b, t] = of_late * _rho(middle, x, head)
            d_action[b, t] += of_early * _rho(before, x, head)
            d_source[b, t] = costate / late + 0.5 * of_middle / early
            costate = costate * (2.0 - late) / late + of_middle / early + of_before
        d_heads[b, 3] = costate
    return d_source, d_action, d_heads


@numba.njit(cache=True)
def _add_slopes(
    glucose: float, action: float, head: FloatArray, costate: float, d_head: FloatArray
) -> float:
    """d clearance / dG; what the clearance owes to SG, Gb and a is added to `d_head`."""
    d_head[0] += costate
    if action <= 0.0:
        return 0.0
    distance = risk_distance(glucose, head)
    bend = 20.0 * R1 * head[2] * distance * action
    d_head[1] -= costate * bend * _power_slope(head[1])
    d_head[2] += costate * 10.0 * R1 * distance * distance * action
    return bend * _power_slope(glucose) if glucose > RISK_FLAT_BELOW_MG_DL else 0.0


@numba.njit(cache=True, inline="always")
def _power_slope(glucose: float) -> float:
    """d/dG of ln(G)^r2."""
    slope: float = R2 * np.log(glucose) ** (R2 - 1.0) / glucose
    return slope
