"""How fast a twin answers and is calibrated, beside what one would do without these engines.

Everything runs on one thread, compiled before, on one virtual adolescent with counted carbohydrate.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from models.adjoint import Drive, simulate
from models.calibration import calibrate
from models.heads import BOOK_PRIOR, NAMES
from models.inputs import Inputs, physiology_inputs
from models.openloop import open_loop
from models.posterior import Posterior, Record, mode_of
from models.residuals import whiten
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, Trace
from simulations.living import VirtualPatient, virtual_patient
from simulations.padova_parameters import public_patients
from simulations.padova_reference import reference_glucose
from study.failure import Failure

GROUP, SEED = "adolescent", 41
DAYS = 14
HOURS = 72
REGIMENS, MANY_REGIMENS = 100, 1000
PATIENTS = 8
REFERENCE_MIN = 4 * 60
REPEATS = 5
START_MG_DL = 140.0
POWELL_TOLERANCE = 1e-4
NUDGE = 1e-3

Row = dict[str, Any]


def rows() -> Iterator[Row]:
    """All comparisons of this module."""
    yield regimens_row("regimens_100x72h", REGIMENS)
    yield regimens_row("regimens_1000x72h", MANY_REGIMENS)
    yield gradient_row()
    yield patient_day_row()
    yield many_days_row()
    yield many_patients_row()


def regimens_row(name: str, count: int) -> Row:
    """So many regimens of one patient's 72 hours, and simglucose, timed for 4 h and scaled up."""
    arms = regimens(count, HOURS)
    reference_s = reference_minute_s()
    return {
        "name": name,
        "ours_s": least_s(lambda: open_loop(BOOK_PRIOR.mean, arms, START_MG_DL)),
        "rival": "simglucose 0.2.11",
        "rival_s": None if reference_s is None else reference_s * 60 * HOURS * count,
        "note": f"{count} regimens of {HOURS} h in 1-minute steps; rival: its own patient model as "
        f"shipped, {REFERENCE_MIN // 60} h timed and scaled up; another model, so time only"
        if reference_s
        else "rival not timed: simglucose is not installed (extra `reference`)",
    }


def gradient_row() -> Row:
    """A loss and its gradient by every dose and parameter, beside the loss alone."""
    drive = Drive.of(regimens(REGIMENS, HOURS))
    theta = torch.tensor(BOOK_PRIOR.mean).expand(REGIMENS, -1).contiguous()
    start = torch.full((REGIMENS,), START_MG_DL, dtype=torch.float64)

    def loss(theta: torch.Tensor, drive: Drive) -> torch.Tensor:
        return ((simulate(theta, drive, start).interstitial_mg_dl - 120.0) ** 2).mean()

    def both() -> None:
        insulin, given = drive.insulin.clone().requires_grad_(), theta.clone().requires_grad_()
        loss(given, replace(drive, insulin=insulin)).backward()

    return {
        "name": "regimens_gradient",
        "ours_s": least_s(both),
        "rival": "the run forward alone",
        "rival_s": least_s(lambda: loss(theta, drive)),
        "note": f"{REGIMENS} x {HOURS} h; ours: forward and the gradient by {60 * HOURS} doses and "
        f"{len(NAMES)} parameters of each; the target is a ratio above 0.5",
    }


def patient_day_row() -> Row:
    """The best head of one day, beside Powell's method on the same objective from the prior."""
    record = _record(1)
    posterior, best = mode_of(Posterior.of(record, BOOK_PRIOR))
    reached: list[float] = []

    def cost(z: FloatArray) -> float:
        return float(posterior.costs(z[None])[0])

    def powell() -> None:
        result = minimize(cost, np.zeros(len(NAMES)), method="Powell", tol=POWELL_TOLERANCE)
        reached.append(float(result.fun))

    return {
        "name": "map_patient_day_of_twin",
        "ours_s": least_s(lambda: mode_of(Posterior.of(record, BOOK_PRIOR))),
        "rival": "scipy Powell, one start",
        "rival_s": least_s(powell, repeats=1),
        "note": f"-2 ln posterior {best.cost:.1f} here, from many starts, the noise estimated on "
        f"the way; {reached[0]:.1f} there, from the prior's mean and with that noise given",
    }


def many_days_row() -> Row:
    """14 days of one patient, beside the same search with one run for each derivative."""
    record = _record(DAYS)
    return {
        "name": "map_14_days",
        "ours_s": least_s(lambda: mode_of(Posterior.of(record, BOOK_PRIOR)), repeats=2),
        "rival": "the same with a run for each derivative",
        "rival_s": least_s(lambda: mode_of(ByDifferences.of(record, BOOK_PRIOR)), repeats=1),
        "note": f"{DAYS} days of 5-minute readings, {len(NAMES)} parameters, meals' and days' own "
        "terms integrated out, on one thread",
    }


def many_patients_row() -> Row:
    """So many patients' 14 days in one call, beside as many calls."""
    traces = [timed_trace(number) for number in range(PATIENTS)]
    return {
        "name": "map_14_days_batched",
        "ours_s": least_s(lambda: calibrate(traces), repeats=2),
        "rival": f"the same {PATIENTS}, one call each",
        "rival_s": least_s(lambda: [calibrate([trace]) for trace in traces], repeats=2),
        "note": f"{PATIENTS} adolescents of {DAYS} days in one call of `calibrate`, which spreads "
        f"them over {os.cpu_count()} cores: all together, not each",
    }


@dataclass(frozen=True)
class ByDifferences(Posterior):
    """The posterior with derivatives from forward differences, a run for each parameter."""

    def linearised(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Whitened residuals (N,) and their derivatives by z, (K, N)."""
        nudged = np.vstack([theta, theta + NUDGE * self.root.T])
        whitened = whiten(self.record.residuals(nudged), self.record.gaps, self.noise)
        return whitened[0], (whitened[1:] - whitened[0]) / NUDGE


@cache
def _person(number: int = 0) -> VirtualPatient:
    seed = SEED if number == 0 else (SEED, number)
    return virtual_patient("timed", GROUP, DAYS, number, np.random.SeedSequence(seed))


def timed_trace(number: int = 0) -> Trace:
    """What the clinic has on file: counted carbohydrate, doses and the sensor's readings."""
    life, meals = _person(number).life, _person(number).meals
    counted = np.zeros_like(life.bolus_u)
    np.add.at(counted, meals.minute, meals.counted_g)
    table = {
        "glucose_mg_dl": life.sensor_mg_dl,
        "basal_u_per_h": life.basal_u_per_h,
        "bolus_u": life.bolus_u.reshape(-1, STEP_MIN).sum(axis=1),
        "carbs_g": counted.reshape(-1, STEP_MIN).sum(axis=1),
    }
    return Trace("timed", "UTC", STEP_MIN, 0, table, timed_weight_kg(number))


def timed_weight_kg(number: int = 0) -> float:
    """Of the person timed."""
    return _person(number).patient.weight_kg


def _record(days: int) -> Record:
    trace = timed_trace().rows(0, days * STEPS_PER_DAY)
    glucose = trace["glucose_mg_dl"]
    rows = np.flatnonzero(np.isfinite(glucose))
    return Record(physiology_inputs(trace), rows, rows, glucose[rows], float(glucose[rows[0]]))


def regimens(count: int, hours: int) -> list[Inputs]:
    """The first hours under boluses and basal of half to one and a half times what was given."""
    inputs = physiology_inputs(timed_trace().rows(0, hours * 60 // STEP_MIN))
    given, rest = inputs.insulin_mu_kg_min, inputs.resting_mu_kg_min
    scales = np.linspace(0.5, 1.5, count)
    return [replace(inputs, insulin_mu_kg_min=rest + (given - rest) * scale) for scale in scales]


def least_s(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least wall time of some runs after a first that compiles and warms, s."""
    work()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def reference_minute_s() -> float | None:
    """Seconds that simglucose takes for a minute, or None where it is not installed."""
    life = _person()
    carbs_g, insulin_u = life.carbs_g[:REFERENCE_MIN], life.insulin_u[:REFERENCE_MIN]
    name = public_patients()[0].name
    try:
        reference_glucose(name, carbs_g[:1], insulin_u[:1], as_shipped=True)
    except Failure:
        return None
    begin = time.perf_counter()
    reference_glucose(name, carbs_g, insulin_u, as_shipped=True)
    return (time.perf_counter() - begin) / REFERENCE_MIN
