"""ReplayBG's own model of one day, as its papers have it, with the slope of every parameter.

    Isc1' = u(t - tau) - kd Isc1          Q1m' = m(t - beta_m) - kempt Q1m
    Isc2' = kd Isc1 - ka2 Isc2            Q2m' = kempt (Q1m - Q2m)
    Ip'   = ka2 Isc2 - ke Ip              Qgm' = kempt Q2m - kabs_m Qgm
    X'    = -p2 (X - SI Ip / VI)          Ra   = f sum_m kabs_m Qgm / VG
    G'    = -(SG + rho(G) X) G + SG Gb + Ra
    IG'   = (G - IG) / alpha

The twin (models/physiology.py) is of this family and is not it: here SI has three windows of the
day, each meal its own gut and delay, and every minute is a backward Euler step. It is written down
so that our search can be held against theirs on their own objective, and serves nothing else. From
Cappon et al. 2023 (IEEE TBME 70(11)); no line is from their package, whose licence is the GPL.
"""

from dataclasses import dataclass, field
from math import floor, log
from pathlib import Path

import numba
import numpy as np
import pandas as pd

from models.physiology import (
    BIOAVAILABILITY,
    INSULIN_DELAY_MIN,
    INTERSTITIAL_LAG_MIN,
    KE_PER_MIN,
    VG_DL_PER_KG,
    VI_L_PER_KG,
)
from models.scan import R1, R2, RISK_FLAT_BELOW_MG_DL
from models.trace import STEP_MIN, FloatArray, IntArray
from study.failure import ExitCode, Failure

GB, SG, P2, KA2, KD, KEMPT, SI_B, SI_L, SI_D = range(9)
SHARED = ("Gb", "SG", "p2", "ka2", "kd", "kempt", "SI_B", "SI_L", "SI_D")
FIRST_MEAL = len(SHARED)
MEALS = "BLDS"
"""Breakfast, lunch, dinner and snack; rescue carbohydrate (H) is not known here."""

BREAKFAST_H, LUNCH_H, DINNER_H = 4, 11, 17
"""Local hours from which SI_B, SI_L and SI_D hold."""

ISC1, ISC2, IP, X, G, IG, GIVEN, SOURCE = range(8)
FIRST_GUT = 8
NOTHING = -1
LAG = 1.0 / INTERSTITIAL_LAG_MIN
TO_RA = BIOAVAILABILITY / VG_DL_PER_KG


@dataclass(frozen=True)
class Day:
    """One patient's day: what went in a minute (T,), and readings (N,) mg/dL at `rows` (N,).

    `insulin_mu_kg_min` reaches the subcutis, above the steady state; `meals_mg_kg_min` (M, T) has a
    row for each of `labels`; `window` (T,) is 0, 1 or 2 where SI_B, SI_L or SI_D holds.
    """

    labels: str
    insulin_mu_kg_min: FloatArray = field(repr=False)
    meals_mg_kg_min: FloatArray = field(repr=False)
    window: IntArray = field(repr=False)
    rows: IntArray = field(repr=False)
    glucose_mg_dl: FloatArray = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters in ReplayBG's order: 9 that all days have, then kabs and beta by meal."""
        own = [f"{name}_{label}" for label in self.labels for name in ("kabs", "beta")]
        return (*SHARED, *own)


def read_day(path: Path, weight_kg: float, steady_mu_kg_min: float) -> Day:
    """A day from a table in ReplayBG's form: t, glucose, cho (g/min), bolus and basal (U/min)."""
    table = pd.read_csv(path)
    labels = set(table["cho_label"].dropna())
    if labels - set(MEALS):
        raise Failure(
            found=f"meals labelled {sorted(labels - set(MEALS))} in {path.name}",
            expected=f"labels of {', '.join(MEALS)}",
            consequence="The day was not read.",
            remedy="choose a day without rescue carbohydrate.",
            code=ExitCode.BAD_DATA,
        )
    per_kg = 1000.0 / weight_kg
    given = np.repeat((table["bolus"] + table["basal"]).to_numpy(float), STEP_MIN) * per_kg
    delayed = np.append(np.full(INSULIN_DELAY_MIN, steady_mu_kg_min), given[:-INSULIN_DELAY_MIN])
    present = "".join(label for label in MEALS if label in labels)
    carbs = [table["cho"].where(table["cho_label"] == label, 0.0) for label in present]
    glucose, hour = table["glucose"].to_numpy(float), pd.to_datetime(table["t"]).dt.hour
    rows = np.flatnonzero(np.isfinite(glucose))
    return Day(
        labels=present,
        insulin_mu_kg_min=delayed - steady_mu_kg_min,
        meals_mg_kg_min=np.repeat(np.array(carbs) * per_kg, STEP_MIN, axis=1),
        window=np.repeat(_windows(np.asarray(hour, dtype=np.int64)), STEP_MIN),
        rows=rows,
        glucose_mg_dl=glucose[rows],
    )


def _windows(hour: IntArray) -> IntArray:
    later = np.digitize(hour, [BREAKFAST_H, LUNCH_H, DINNER_H]) - 1
    return np.where(later < 0, 2, later)


def interstitial(values: FloatArray, day: Day) -> FloatArray:
    """Interstitial glucose at the readings, (N,) mg/dL, from rest at the first of them."""
    path: FloatArray = _run(values, *_arrays(day), 0)[day.rows, 0]
    return path


def with_slopes(values: FloatArray, day: Day) -> tuple[FloatArray, FloatArray]:
    """The same, and its slope by each parameter, (N, P)."""
    both = _run(values, *_arrays(day), len(values))[day.rows]
    return both[:, 0], both[:, 1:]


def _arrays(day: Day) -> tuple[FloatArray, FloatArray, IntArray, float]:
    return day.insulin_mu_kg_min, day.meals_mg_kg_min, day.window, float(day.glucose_mg_dl[0])


@numba.njit(cache=True, inline="always")
def _feed(
    y: FloatArray, place: int, given: int, gain: float, rate: float, by: tuple[int, int]
) -> None:
    """A backward Euler step of a compartment: y <- (y + gain given) / (1 + rate), in place.

    `by` are the parameters that gain and rate are, or NOTHING.
    """
    damping = 1.0 / (1.0 + rate)
    for column in range(y.shape[1]):
        y[place, column] = (y[place, column] + gain * y[given, column]) * damping
    if y.shape[1] > 1:
        if by[0] != NOTHING:
            y[place, 1 + by[0]] += y[given, 0] * damping
        if by[1] != NOTHING:
            y[place, 1 + by[1]] -= y[place, 0] * damping


@numba.njit(cache=True, inline="always")
def _insulin(y: FloatArray, v: FloatArray, reaching: float, si: int) -> None:
    y[GIVEN] = 0.0
    y[GIVEN, 0] = reaching
    _feed(y, ISC1, GIVEN, 1.0, v[KD], (NOTHING, KD))
    _feed(y, ISC2, ISC1, v[KD], v[KA2], (KD, KA2))
    _feed(y, IP, ISC2, v[KA2], KE_PER_MIN, (KA2, NOTHING))
    for column in range(y.shape[1]):
        y[GIVEN, column] = y[IP, column] * v[si] / VI_L_PER_KG
    if y.shape[1] > 1:
        y[GIVEN, 1 + si] += y[IP, 0] / VI_L_PER_KG
    _feed(y, X, GIVEN, v[P2], v[P2], (P2, P2))


@numba.njit(cache=True, inline="always")
def _gut(y: FloatArray, v: FloatArray, carbs: FloatArray, minute: int, meal: int) -> None:
    """One meal's gut a minute on; what appears is added to SOURCE, mg/dL/min."""
    kabs, beta, q = FIRST_MEAL + 2 * meal, FIRST_MEAL + 2 * meal + 1, FIRST_GUT + 3 * meal
    whole = floor(v[beta])
    part, late = v[beta] - whole, minute - whole
    now, before = (carbs[late] if late >= 0 else 0.0), (carbs[late - 1] if late >= 1 else 0.0)
    y[GIVEN] = 0.0
    y[GIVEN, 0] = (1.0 - part) * now + part * before
    if y.shape[1] > 1:
        y[GIVEN, 1 + beta] = before - now
    _feed(y, q, GIVEN, 1.0, v[KEMPT], (NOTHING, KEMPT))
    _feed(y, q + 1, q, v[KEMPT], v[KEMPT], (KEMPT, KEMPT))
    _feed(y, q + 2, q + 1, v[KEMPT], v[kabs], (KEMPT, kabs))
    for column in range(y.shape[1]):
        y[SOURCE, column] += y[q + 2, column] * v[kabs] * TO_RA
    if y.shape[1] > 1:
        y[SOURCE, 1 + kabs] += y[q + 2, 0] * TO_RA


@numba.njit(cache=True, inline="always")
def _risk_of(baseline: float) -> tuple[float, float]:
    """ln(Gb)^r2 and its slope."""
    power = log(baseline) ** R2
    return power, R2 * power / log(baseline) / baseline


@numba.njit(cache=True, inline="always")
def _risk(glucose: float, baseline: float, risk: tuple[float, float]) -> tuple[float, float, float]:
    """rho = 1 + 10 r1 (ln(max(G, 60))^r2 - ln(Gb)^r2)^2 below Gb, and its slopes by G and Gb."""
    if glucose >= baseline:
        return 1.0, 0.0, 0.0
    ln = log(max(glucose, RISK_FLAT_BELOW_MG_DL))
    power = ln**R2
    distance = power - risk[0]
    steep = 20.0 * R1 * distance
    by_g = steep * R2 * power / ln / glucose if glucose > RISK_FLAT_BELOW_MG_DL else 0.0
    return 1.0 + 0.5 * steep * distance, by_g, -steep * risk[1]


@numba.njit(cache=True, inline="always")
def _glucose(y: FloatArray, v: FloatArray, risk: tuple[float, float]) -> None:
    """Glucose and what the sensor sees of it a minute on; rho is that of the minute before."""
    rho, by_g, by_gb = _risk(y[G, 0], v[GB], risk)
    action = y[X, 0]
    damping = 1.0 / (1.0 + v[SG] + rho * action)
    after = (y[G, 0] + v[SG] * v[GB] + y[SOURCE, 0]) * damping
    by_x, by_before = after * rho, 1.0 - after * action * by_g
    for column in range(1, y.shape[1]):
        pushed = by_before * y[G, column] + y[SOURCE, column] - by_x * y[X, column]
        y[G, column] = pushed * damping
    y[G, 0] = after
    if y.shape[1] > 1:
        y[G, 1 + SG] += (v[GB] - after) * damping
        y[G, 1 + GB] += (v[SG] - after * action * by_gb) * damping
    _feed(y, IG, G, LAG, LAG, (NOTHING, NOTHING))


@numba.njit(cache=True, error_model="numpy")
def _run(
    v: FloatArray,
    insulin: FloatArray,
    meals: FloatArray,
    window: IntArray,
    start: float,
    slopes: int,
) -> FloatArray:
    """Interstitial glucose at the start of each 5-minute row and its slopes, (n, 1 + slopes).

    A row of `y` is a compartment, its column 0 the amount and column 1 + p the slope by p.
    """
    y = np.zeros((FIRST_GUT + 3 * len(meals), 1 + slopes))
    y[G, 0] = y[IG, 0] = start
    out = np.empty((len(insulin) // STEP_MIN, 1 + slopes))
    out[0] = y[IG]
    risk = _risk_of(v[GB])
    for minute in range(1, len(insulin)):
        _insulin(y, v, insulin[minute], SI_B + window[minute])
        y[SOURCE] = 0.0
        for meal in range(len(meals)):
            _gut(y, v, meals[meal], minute, meal)
        _glucose(y, v, risk)
        if minute % STEP_MIN == 0:
            out[minute // STEP_MIN] = y[IG]
    return out
