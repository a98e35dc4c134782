"""A patient's head from that patient's own record: maximum a posteriori with AR(1) residuals.

    -2 ln p = -2 ln p(readings | theta, phi, sd) + (theta - mean)' covariance^-1 (theta - mean)

The likelihood is that of models/residuals.py; phi and sd are re-estimated between descents.
Independent residuals in its place double the error of a treatment's effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from models.descent import descend, minimise
from models.heads import BOOK_PRIOR, LATENT, NAMES, PARAMETERS, Head, HeadPrior, physical
from models.inputs import Inputs, background_of, physiology_inputs
from models.knowledge import ClinicKnowledge, mismatch
from models.openloop import open_loop
from models.residuals import Noise, fit_noise, innovation_sd, minus_2_ln, whiten
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

MINIMUM_READINGS = 96
"""A day of a 15-minute sensor."""

SETTLE_ROWS = 4 * 60 // STEP_MIN
"""Readings count once inputs have been known for this long: an unseen meal still acts for hours."""

NOT_IDENTIFIED = "physiology not identified: no insulin or meal records"
FAR_FROM_PRIOR_SD = 3.0

DIFFERENCE_STEP = 1e-3
NOISE_ROUNDS = 3

# Where a second start differs, prior sds: little glucose effectiveness, much insulin action.
SECOND_START = {"SG": -1.0, "SI": 1.0, "kabs": 1.0, "SE": 1.0}


class CalibrationError(ValueError):
    """A record from which no twin can be made."""


@dataclass(frozen=True)
class Calibration:
    """One patient's head and how far to trust it.

    `covariance` (K, K) of theta is Laplace's: with AR(1) residuals still about 2 times too narrow.
    `objective` is -2 ln posterior up to a constant. `flags` name parameters at a bound or more than
    3 prior sds from the prior's mean, or say that the physiology is not identified.
    """

    patient: str
    head: Head
    covariance: FloatArray = field(repr=False)
    objective: float
    flags: tuple[str, ...]
    known_days: float
    readings: int

    @property
    def identified(self) -> bool:
        """Whether insulin and meals, and not the prior alone, shaped this head."""
        return self.head.identified


@dataclass(frozen=True)
class _Record:
    """What a head is fitted to: readings `glucose_mg_dl` (N,) at `rows` (N,) of the trace.

    `places` (N,) are the same rows in `inputs`, where days without records are left out.
    """

    inputs: Inputs
    places: IntArray
    rows: IntArray
    glucose_mg_dl: FloatArray
    start_mg_dl: float

    @property
    def gaps(self) -> IntArray:
        """5-minute rows from each reading to the next, (N - 1,)."""
        return np.diff(self.rows)

    def residuals(self, theta: FloatArray) -> FloatArray:
        """Open loop minus readings, (B, N) mg/dL."""
        simulated = open_loop(theta, self.inputs, self.start_mg_dl).interstitial_mg_dl
        return simulated[:, self.places] - self.glucose_mg_dl


def calibrate(
    traces: Sequence[Trace],
    prior: HeadPrior = BOOK_PRIOR,
    days: int = 28,
    knowledge: Sequence[ClinicKnowledge | None] | None = None,
) -> tuple[Calibration, ...]:
    """One calibration per trace, each a function of that trace, its `knowledge` and the prior.

    The last `days` days with insulin and meals are used. Where there is none, Gb is the mean
    reading of the last `days` days, phi and sd are fitted, everything else stays at the prior's
    mean, and a flag says so.
    Deterministic. Raises CalibrationError for fewer than `MINIMUM_READINGS` readings, or for
    knowledge of another number of patients.
    """
    known = [None] * len(traces) if knowledge is None else knowledge
    if len(known) != len(traces):
        raise CalibrationError(
            f"there is knowledge of {len(known)} patients for {len(traces)} traces; expected one "
            "entry each. No twin was made. Give None for a patient of whom nothing is on file."
        )
    pairs = zip(traces, known, strict=True)
    return tuple(_calibrate_one(trace, prior, days, what) for trace, what in pairs)


def _calibrate_one(
    trace: Trace, prior: HeadPrior, days: int, knowledge: ClinicKnowledge | None
) -> Calibration:
    background = background_of(trace)
    inputs = physiology_inputs(trace, background)
    known = _record(inputs, trace, np.flatnonzero(inputs.known)[-days * STEPS_PER_DAY :])
    identified = len(known.rows) >= MINIMUM_READINGS and _acted_upon(known.inputs)
    record = known if identified else _latest(inputs, trace, days)
    theta, noise, covariance, objective = (
        _posterior_mode(record, prior, knowledge) if identified else _level_only(record, prior)
    )
    head = Head(theta, np.zeros(LATENT), noise.phi, noise.sd_mg_dl, background, identified)
    return Calibration(
        patient=trace.patient,
        head=head,
        covariance=covariance,
        objective=objective,
        flags=_flags(theta, prior) + (() if identified else (NOT_IDENTIFIED,)),
        known_days=float(record.inputs.known.sum()) / STEPS_PER_DAY,
        readings=len(record.rows),
    )


def _record(inputs: Inputs, trace: Trace, rows: IntArray) -> _Record:
    """The readings of these known rows; days without records between them are left out."""
    glucose = trace["glucose_mg_dl"]
    usable = (np.isfinite(glucose) & _settled(inputs.known))[rows]
    start = glucose[rows[usable]][:1]
    return _Record(
        inputs=inputs.take(rows),
        places=np.flatnonzero(usable),
        rows=rows[usable],
        glucose_mg_dl=glucose[rows[usable]],
        start_mg_dl=float(start[0]) if len(start) else np.nan,
    )


def _latest(inputs: Inputs, trace: Trace, days: int) -> _Record:
    """The readings of the `days` days up to the last one, the physiology at rest."""
    readings = np.flatnonzero(np.isfinite(trace["glucose_mg_dl"]))
    rows = readings[readings > readings[-1] - days * STEPS_PER_DAY] if len(readings) else readings
    if len(rows) < MINIMUM_READINGS:
        raise CalibrationError(
            f"patient {trace.patient} has {len(rows)} readings in the last {days} days; "
            f"expected at least {MINIMUM_READINGS}. No twin was made. Wait for more readings, or "
            "leave this patient out."
        )
    glucose = trace["glucose_mg_dl"][rows]
    return _Record(inputs.at_rest().take(rows), np.arange(len(rows)), rows, glucose, glucose[0])


def _settled(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Known, and for SETTLE_ROWS before; the start of the record counts as settled."""
    unknown = np.append(np.zeros(SETTLE_ROWS, dtype=bool), ~known)
    recent = np.lib.stride_tricks.sliding_window_view(unknown, SETTLE_ROWS + 1)
    return np.logical_not(recent.any(axis=1))


def _acted_upon(inputs: Inputs) -> bool:
    insulin, carbs = inputs.insulin_mu_kg_min, inputs.carbs_mg_kg_min
    return bool(np.ptp(insulin) > 0.0 and carbs.max() > 0.0)


def _level_only(record: _Record, prior: HeadPrior) -> tuple[FloatArray, Noise, FloatArray, float]:
    theta = prior.mean.copy()
    theta[0] = np.clip(record.glucose_mg_dl.mean(), PARAMETERS[0].low, PARAMETERS[0].high)
    gaps = record.gaps
    residuals = theta[0] - record.glucose_mg_dl
    noise = fit_noise(residuals, gaps)
    covariance = prior.covariance.copy()
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = (noise.sd_mg_dl / (1.0 - noise.phi)) ** 2 / np.ptp(record.rows)
    return theta, noise, covariance, minus_2_ln(residuals, gaps, noise)


@dataclass(frozen=True)
class _Target:
    """The posterior of one head in z, theta = mean + root z."""

    record: _Record
    prior: HeadPrior
    knowledge: ClinicKnowledge | None
    noise: Noise

    @property
    def root(self) -> FloatArray:
        """Cholesky factor of the prior's covariance."""
        return np.asarray(np.linalg.cholesky(self.prior.covariance), dtype=np.float64)

    def theta(self, z: FloatArray) -> FloatArray:
        """Heads (..., K) of points (..., K)."""
        heads: FloatArray = self.prior.mean + z @ self.root.T
        return heads

    def misfits(self, z: FloatArray) -> FloatArray:
        """Whitened residuals, then what the clinic knows, (B, N)."""
        theta = self.theta(z)
        whitened = whiten(self.record.residuals(theta), self.record.gaps, self.noise)
        known = mismatch(self.knowledge, theta, self.record.inputs.weight_kg)
        return np.concatenate([whitened, known], axis=1)

    def linearised(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Misfits (N,) and their derivatives (N, K) by forward differences."""
        nudges = DIFFERENCE_STEP * np.vstack([np.zeros(len(z)), np.eye(len(z))])
        misfits = self.misfits(z + nudges)
        return misfits[0], (misfits[1:] - misfits[0]).T / DIFFERENCE_STEP


def _posterior_mode(
    record: _Record, prior: HeadPrior, knowledge: ClinicKnowledge | None
) -> tuple[FloatArray, Noise, FloatArray, float]:
    target = _Target(record, prior, knowledge, Noise(phi=0.97, sd_mg_dl=4.0))
    second = np.array([SECOND_START.get(name, 0.0) for name in NAMES])
    elsewhere = np.linalg.solve(target.root, second * prior.sd).astype(np.float64)
    best = minimise(target, (np.zeros(len(NAMES)), elsewhere))
    for _ in range(NOISE_ROUNDS):
        residuals = record.residuals(target.theta(best.z[None]))[0]
        target = replace(target, noise=fit_noise(residuals, record.gaps))
        best = descend(target, best.z)
    covariance = target.root @ np.linalg.inv(best.curvature) @ target.root.T
    spread = 2.0 * float(np.sum(np.log(innovation_sd(record.gaps, target.noise))))
    return target.theta(best.z), target.noise, covariance, best.cost + spread


def _flags(theta: FloatArray, prior: HeadPrior) -> tuple[str, ...]:
    away = (theta - prior.mean) / prior.sd
    at_bound = [
        f"{p.name} at its bound {value:g} {p.unit}"
        for p, value in zip(PARAMETERS, physical(theta), strict=True)
        if np.isclose(value, p.low, rtol=1e-6, atol=1e-9) or np.isclose(value, p.high, rtol=1e-6)
    ]
    far = [
        f"{name} {distance:+.1f} prior sds from its mean"
        for name, distance in zip(NAMES, away, strict=True)
        if abs(distance) > FAR_FROM_PRIOR_SD
    ]
    return tuple(at_bound + far)
