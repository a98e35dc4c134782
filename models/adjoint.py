"""The physiology for torch: one fused run forward, one fused run back, every gradient exact.

Forward, each minute's means of the chains and the slopes of glucose's step go on a tape; backward
they are read in reverse, and each state's costate passes to what fed it. For a compartment with
y+ = y + rise, rise = (inflow - rate y) / (1 + rate / 2) and mean = y + rise / 2,

    d inflow = (d y+ + d mean / 2) / (1 + rate / 2)
    d rate   = -mean d inflow
    d y      = d y+ + d mean - rate d inflow

A state at a time through the whole course, as scans do it, reads and writes the memory of eleven
courses; fused, a gradient by everything costs less than a second run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch

from models.heads import IS_LOG, THETA_HIGH, THETA_LOW, physical
from models.inputs import Inputs
from models.meal_delay import arrival_slopes, arrivals, arrivals_back
from models.openloop import (
    BREAKFAST,
    COS,
    E1,
    E2,
    GAIN,
    GB,
    HOUR_TO_PHASE,
    IG,
    IG_DAMPING,
    IP,
    IP_DAMPING,
    ISC1,
    ISC2,
    KA2,
    KABS,
    KD,
    KE,
    KEMPT,
    LAG,
    MEALS,
    P2,
    Q1,
    Q2,
    QG,
    RISK,
    SE,
    SG,
    SI,
    SIN,
    STATES,
    TO_RA,
    G,
    X,
    daily_multiplier,
    meal_weights,
    rates_of,
    set_hour,
)
from models.physiology import INSULIN_DELAY_MIN, KE_PER_MIN, VI_L_PER_KG
from models.tape import OWN, SLOPES, run_taped
from models.trace import STEP_MIN, FloatArray

Tensor = torch.Tensor

BLOCK = 8
"""Heads at a time: their tape fits the cache."""


@dataclass(frozen=True)
class Drive:
    """What moves the physiology, float64 tensors with a leading axis B or 1.

    `insulin` (., T) is above rest, mU/kg/min; `carbs` (., T) mg/kg/min; `local_hour` (., n).
    """

    insulin: Tensor
    carbs: Tensor
    local_hour: Tensor

    @staticmethod
    def of(patients: Sequence[Inputs]) -> "Drive":
        """The drive of patients with equally long inputs, one row each."""
        return Drive(
            torch.tensor(np.stack([i.insulin_mu_kg_min - i.resting_mu_kg_min for i in patients])),
            torch.tensor(np.stack([i.carbs_mg_kg_min for i in patients])),
            torch.tensor(np.stack([i.local_hour for i in patients])),
        )


@dataclass(frozen=True)
class Simulation:
    """Plasma and interstitial glucose at each 5-minute row, (B, n) mg/dL; row 0 is the start."""

    glucose_mg_dl: Tensor
    interstitial_mg_dl: Tensor


def simulate(
    theta: Tensor,
    drive: Drive,
    start_mg_dl: Tensor,
    ln_sensitivity: Tensor | None = None,
    disturbance_mg_dl_min: Tensor | None = None,
    meal_delay_min: Tensor | None = None,
) -> Simulation:
    """Glucose of B heads `theta` (B, K) from rest at `start_mg_dl` (B,), open loop.

    `ln_sensitivity` and `disturbance_mg_dl_min` (B or 1, n) are held within each row and 0 if None;
    `meal_delay_min` (B, 4) delays what `drive` holds as entered (models/meal_delay.py), not at all
    if None. Row i depends on inputs of rows before i only, but for meals of a negative delay.
    Differentiable in every tensor but the hour.
    """
    batch, rows = len(theta), drive.local_hour.shape[-1]
    carbs, hour = drive.carbs.expand(batch, -1), drive.local_hour.expand(batch, -1)
    if meal_delay_min is not None:
        carbs = _Late.apply(carbs, hour, meal_delay_min)  # type: ignore[no-untyped-call]
    none = torch.zeros(1, rows, dtype=torch.float64)
    pushes = (none if p is None else p for p in (ln_sensitivity, disturbance_mg_dl_min))
    both: Tensor = _Fused.apply(  # type: ignore[no-untyped-call]
        theta,
        drive.insulin.expand(batch, -1),
        carbs,
        start_mg_dl,
        *(p.expand(batch, -1) for p in pushes),
        hour,
    )
    return Simulation(both[..., 0], both[..., 1])


class _Late(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        ctx.kept = [t.detach().contiguous().numpy() for t in tensors]
        return torch.from_numpy(np.stack([arrivals(*each) for each in zip(*ctx.kept, strict=True)]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_arrived = grads[0].contiguous().numpy()
        each = list(zip(by_arrived, *ctx.kept, strict=True))
        by_carbs = np.stack([arrivals_back(back, hour, late) for back, _, hour, late in each])
        by_late = np.stack([arrival_slopes(*given) @ back for back, *given in each])
        return torch.from_numpy(by_carbs), None, torch.from_numpy(by_late)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        arrays = [t.detach().contiguous().numpy() for t in tensors]
        theta, insulin, carbs, start, ln_s, pushed, hour = arrays
        by_minute, by_row = np.stack([insulin, carbs], 1), np.stack([hour, ln_s, pushed], 1)
        given = (physical(theta), start, by_minute, by_row)
        taped = any(ctx.needs_input_grad)
        pieces = [run_taped(*[*block, taped]) for block in _blocks(given)]
        outs, tapes = zip(*pieces, strict=True)
        ctx.kept = (theta, given, tapes)
        return torch.from_numpy(np.concatenate(outs))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        theta, given, tapes = ctx.kept
        values, _, by_minute, by_row = given
        blocks = _blocks((grads[0].contiguous().numpy(), values, by_minute[:, 1], by_row))
        pieces = [_backward(*[*block, tape]) for block, tape in zip(blocks, tapes, strict=True)]
        by_values, *others = (np.concatenate(each) for each in zip(*pieces, strict=True))
        inside = (theta > THETA_LOW) & (theta < THETA_HIGH)
        by_theta = by_values * np.where(IS_LOG, values, 1.0) * inside
        return *(torch.from_numpy(each) for each in (by_theta, *others)), None


def _blocks(arrays: tuple[FloatArray, ...]) -> list[Any]:
    """The arrays, BLOCK heads at a time."""
    starts = range(0, len(arrays[0]), BLOCK)
    return [tuple(each[first : first + BLOCK] for each in arrays) for first in starts]


@numba.njit(cache=True)
def _backward(
    grad: FloatArray,
    values: FloatArray,
    carbs: FloatArray,
    by_row: FloatArray,
    tape: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Adjoints of values, insulin, carbs, start, ln sensitivity and disturbance."""
    batch, rows = len(values), by_row.shape[2]
    by_values, by_start = np.zeros_like(values), np.empty(batch)
    by_insulin, by_carbs = np.zeros(carbs.shape), np.empty(carbs.shape)
    by_ln_s, by_pushed = np.empty((batch, rows)), np.empty((batch, rows))
    for b in range(batch):
        rates, costate, by_v = rates_of(values[b]), np.zeros(len(STATES)), by_values[b]
        for row in range(rows - 1, -1, -1):
            set_hour(rates, values[b], by_row[b, 0, row])
            s = daily_multiplier(values[b], by_row[b, 0, row], by_row[b, 1, row])
            kabs, by_s, by_source = by_v[KABS], 0.0, 0.0
            by_v[KABS] = 0.0
            for minute in range(STEP_MIN * (row + 1) - 1, STEP_MIN * row - 1, -1):
                line = tape[b, minute]
                source, action = _glucose_back(costate, line, by_v)
                gut = _gut_back(costate, line, rates, source, by_v)
                by_carbs[b, minute] = gut * rates[0, GAIN]
                by_v[GAIN] += gut * carbs[b, minute]
                slow = _production_back(line, rates, source, by_v)
                u, by_insulin_s = _insulin_back(costate, line, rates, (action, slow, s), by_v)
                by_source += source
                by_s += by_insulin_s
                if minute >= INSULIN_DELAY_MIN:
                    by_insulin[b, minute - INSULIN_DELAY_MIN] = u
            by_v[KABS], by_ln_s[b, row] = kabs + _spread(rates, by_row[b, 0, row], by_v), by_s
            by_v[COS] += by_s * np.cos(HOUR_TO_PHASE * by_row[b, 0, row])
            by_v[SIN] += by_s * np.sin(HOUR_TO_PHASE * by_row[b, 0, row])
            by_pushed[b, row] = by_source
            costate[G] += grad[b, row, 0]
            costate[IG] += grad[b, row, 1]
        by_start[b] = costate[G] + costate[IG]
    return by_values, by_insulin, by_carbs, by_start, by_ln_s, by_pushed


@numba.njit(cache=True, inline="always")
def _inflow(costate: FloatArray, place: int, by_mean: float, rate: float, damping: float) -> float:
    """Adjoint of a compartment's inflow; its costate moves a minute back, in place."""
    by_inflow: float = (costate[place] + 0.5 * by_mean) * damping
    costate[place] += by_mean - rate * by_inflow
    return by_inflow


@numba.njit(cache=True, inline="always")
def _glucose_back(costate: FloatArray, line: FloatArray, by_v: FloatArray) -> tuple[float, float]:
    """Adjoints of glucose's source and of X."""
    by_both = LAG * 0.5 * _inflow(costate, IG, 0.0, LAG, IG_DAMPING)
    by_after = costate[G] + by_both
    costate[G] = by_after * line[SLOPES] + by_both
    by_v[GB] += by_after * line[OWN]
    by_v[SG] += by_after * line[OWN + 1]
    by_v[RISK] += by_after * line[OWN + 2]
    return by_after * line[SLOPES + 1], by_after * line[SLOPES + 2]


@numba.njit(cache=True, inline="always")
def _gut_back(
    costate: FloatArray, line: FloatArray, rates: FloatArray, source: float, by_v: FloatArray
) -> float:
    """Adjoint of what enters the stomach; by_v[KABS] is that of this hour's kabs."""
    v, damping = rates[0], rates[1]
    by_ra = source * TO_RA
    qg = _inflow(costate, QG, by_ra * v[KABS], v[KABS], damping[KABS])
    by_v[KABS] += (by_ra - qg) * line[QG]
    q2 = _inflow(costate, Q2, qg * v[KEMPT], v[KEMPT], damping[KEMPT])
    q1 = _inflow(costate, Q1, q2 * v[KEMPT], v[KEMPT], damping[KEMPT])
    by_v[KEMPT] += qg * line[Q2] + q2 * (line[Q1] - line[Q2]) - q1 * line[Q1]
    return q1


@numba.njit(cache=True, inline="always")
def _production_back(line: FloatArray, rates: FloatArray, source: float, by_v: FloatArray) -> float:
    """Adjoint of e2, through what the liver makes."""
    v = rates[0]
    if v[SG] * v[GB] - v[SE] * line[E2] <= 0.0:
        return 0.0
    by_v[SG] += source * v[GB]
    by_v[GB] += source * v[SG]
    by_v[SE] -= source * line[E2]
    by_e2: float = -source * v[SE]
    return by_e2


@numba.njit(cache=True, inline="always")
def _insulin_back(
    costate: FloatArray,
    line: FloatArray,
    rates: FloatArray,
    given: tuple[float, float, float],
    by_v: FloatArray,
) -> tuple[float, float]:
    """Adjoints of delivery 8 minutes before and of ln s; `given` those of X and e2, and s."""
    v, damping = rates[0], rates[1]
    action, slow, s = given
    insulin = s * line[IP] / VI_L_PER_KG
    e2 = _inflow(costate, E2, slow, v[KE], damping[KE])
    e1 = _inflow(costate, E1, e2 * v[KE], v[KE], damping[KE])
    by_v[KE] += e2 * (line[E1] - line[E2]) + e1 * (insulin - line[E1])
    x = _inflow(costate, X, action, v[P2], damping[P2])
    by_v[P2] += x * (v[SI] * insulin - line[X])
    by_v[SI] += x * v[P2] * insulin
    by_insulin = e1 * v[KE] + x * v[P2] * v[SI]
    ip = _inflow(costate, IP, by_insulin * s / VI_L_PER_KG, KE_PER_MIN, IP_DAMPING)
    isc2 = _inflow(costate, ISC2, ip * v[KA2], v[KA2], damping[KA2])
    by_v[KA2] += (ip - isc2) * line[ISC2]
    isc1 = _inflow(costate, ISC1, isc2 * v[KD], v[KD], damping[KD])
    by_v[KD] += (isc2 - isc1) * line[ISC1]
    return isc1, by_insulin * insulin


@numba.njit(cache=True, inline="always")
def _spread(rates: FloatArray, local_hour: float, by_v: FloatArray) -> float:
    """By kabs itself, of by_v[KABS] by this hour's; the meals' deviations get theirs."""
    before, share = meal_weights(local_hour)
    after = (before + 1) % len(MEALS)
    by_ln = by_v[KABS] * rates[0, KABS]
    tilt = (1.0 - share) * rates[0, BREAKFAST + before] + share * rates[0, BREAKFAST + after]
    by_v[BREAKFAST + before] += by_ln * (1.0 - share)
    by_v[BREAKFAST + after] += by_ln * share
    by_mean: float = by_v[KABS] * np.exp(tilt)
    return by_mean
