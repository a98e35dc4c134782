"""The oral minimal model with slow hepatic insulin action, differentiable, at 1-minute steps.

    Isc1' = u(t - tau) - kd Isc1          Q1' = g m - kempt Q1
    Isc2' = kd Isc1 - ka2 Isc2            Q2' = kempt (Q1 - Q2)
    Ip'   = ka2 Isc2 - ke Ip              Qg' = kempt Q2 - kabs Qg
    X'    = -p2 (X - s SI Ip / VI)        Ra  = f kabs Qg / VG
    e1'   = kE (s Ip / VI - e1)           e2' = kE (e1 - e2)
    G'    = -(SG + rho(G) X) G + max(SG Gb - SE e2, 0) + Ra + d
    IG'   = (G - IG) / alpha

u (mU/kg/min) is insulin above the resting basal supply, so Ip, X, e1 and e2 are deviations and 0 at
rest; m (mg/kg/min) are meals; s(t) = exp(daily course + m(t)) multiplies insulin's action; d(t)
(mg/dL/min) is a disturbance. Cappon et al. 2023 (ReplayBG), with e1, e2 and the amplitude of rho
added. Each minute the linear states take a trapezoidal step, fed with the mean over the minute of
the state before them in the chain; glucose takes one with rho of half a minute on. Both are of
second order: half the step changes less than 0.2 mg/dL, where backward Euler, as in ReplayBG,
changes by 2 mg/dL after a meal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.heads import IS_LOG, NAMES, THETA_HIGH, THETA_LOW
from models.inputs import Inputs
from models.scan import glucose_scan, linear_scan
from models.trace import STEP_MIN

VG_DL_PER_KG = 1.45
VI_L_PER_KG = 0.135
KE_PER_MIN = 0.127
BIOAVAILABILITY = 0.9
INTERSTITIAL_LAG_MIN = 7.0
INSULIN_DELAY_MIN = 8

Tensor = torch.Tensor
Values = dict[str, Tensor]


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
) -> Simulation:
    """Glucose of B heads `theta` (B, K) from rest at `start_mg_dl` (B,), open loop.

    `ln_sensitivity` and `disturbance_mg_dl_min` (B or 1, n) are held within each row and 0 if None.
    Row i depends on inputs of rows before i only. Differentiable in every tensor argument.
    """
    batch, minutes = len(theta), drive.insulin.shape[-1]
    values = physical_values(theta)
    ln_s = daily_course(values, drive.local_hour)
    ln_s = ln_s if ln_sensitivity is None else ln_s + ln_sensitivity
    sensitivity = _by_minute(ln_s.exp(), batch)
    insulin = plasma_insulin(values, drive.insulin.expand(batch, minutes)) * sensitivity
    action, suppression = insulin_action(values, insulin)
    appearance = meal_appearance(values, drive.carbs.expand(batch, minutes))
    source = torch.clamp(_column(values["SG"] * values["Gb"]) - suppression, min=0.0) + appearance
    if disturbance_mg_dl_min is not None:
        source = source + _by_minute(disturbance_mg_dl_min, batch)
    glucose = glucose_scan(source, action, values["SG"], values["Gb"], values["risk"], start_mg_dl)
    lag = torch.full_like(start_mg_dl, 1.0 / INTERSTITIAL_LAG_MIN)
    interstitial = linear_scan(_means(glucose, start_mg_dl), lag, lag, start_mg_dl)
    return Simulation(_at_rows(glucose, start_mg_dl), _at_rows(interstitial, start_mg_dl))


def physical_values(theta: Tensor) -> Values:
    """Name to value (B,) of theta (B, K), within bounds; the derivative is 0 beyond them."""
    bounded = torch.clamp(theta, torch.tensor(THETA_LOW), torch.tensor(THETA_HIGH))
    columns = zip(NAMES, IS_LOG, bounded.unbind(-1), strict=True)
    return {name: column.exp() if is_log else column for name, is_log, column in columns}


def daily_course(values: Values, local_hour: Tensor) -> Tensor:
    """ln of the daily multiplier of insulin's action, (B, n): a cos(h) + b sin(h)."""
    phase = local_hour * (2.0 * np.pi / 24.0)
    return _column(values["SI_cos"]) * phase.cos() + _column(values["SI_sin"]) * phase.sin()


def plasma_insulin(values: Values, insulin: Tensor) -> Tensor:
    """Mean Ip / VI above rest, mU/L, in each minute, (B, T), of delivery above rest, mU/kg/min."""
    none = torch.zeros_like(values["kd"])
    waiting = torch.zeros_like(insulin[:, :INSULIN_DELAY_MIN])
    delayed = torch.cat([waiting, insulin[:, :-INSULIN_DELAY_MIN]], dim=1)
    isc1 = _chained(delayed, values["kd"], none + 1.0)
    isc2 = _chained(isc1, values["ka2"], values["kd"])
    return _chained(isc2, none + KE_PER_MIN, values["ka2"]) / VI_L_PER_KG


def insulin_action(values: Values, insulin: Tensor) -> tuple[Tensor, Tensor]:
    """X (1/min) and the slow suppression SE e2 (mg/dL/min), (B, T), of s Ip / VI."""
    action = _chained(insulin, values["p2"], values["p2"] * values["SI"])
    e1 = _chained(insulin, values["kE"], values["kE"])
    e2 = _chained(e1, values["kE"], values["kE"])
    return action, _column(values["SE"]) * e2


def meal_appearance(values: Values, carbs: Tensor) -> Tensor:
    """Ra, mg/dL/min, (B, T), of carbohydrate eaten, mg/kg/min."""
    q1 = _chained(carbs, values["kempt"], values["meal_gain"])
    q2 = _chained(q1, values["kempt"], values["kempt"])
    qg = _chained(q2, values["kabs"], values["kempt"])
    return _column(values["kabs"]) * qg * (BIOAVAILABILITY / VG_DL_PER_KG)


def _chained(inflow: Tensor, rate: Tensor, gain: Tensor) -> Tensor:
    """Mean over each minute, (B, T), of a compartment that starts empty."""
    empty = torch.zeros_like(rate)
    return _means(linear_scan(inflow, rate, gain, empty), empty)


def _means(after_minute: Tensor, start: Tensor) -> Tensor:
    before = torch.cat([_column(start), after_minute[:, :-1]], dim=1)
    return 0.5 * (before + after_minute)


def _column(values: Tensor) -> Tensor:
    return values[:, None]


def _by_minute(rows: Tensor, batch: int) -> Tensor:
    return rows.expand(batch, -1).repeat_interleave(STEP_MIN, dim=1)


def _at_rows(after_minute: Tensor, start: Tensor) -> Tensor:
    return torch.cat([_column(start), after_minute[:, STEP_MIN - 1 : -1 : STEP_MIN]], dim=1)
