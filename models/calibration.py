"""A patient's head from that patient's own record: the best mode of models/posterior.py."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.heads import BOOK_PRIOR, LATENT, NAMES, PARAMETERS, Head, HeadPrior, physical
from models.inputs import Background, Inputs, background_of, physiology_inputs
from models.knowledge import ClinicKnowledge
from models.meal_delay import NO_DELAY, delayed
from models.posterior import Posterior, Record, mode_of
from models.residuals import Noise, fit_noise, minus_2_ln
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

MINIMUM_READINGS = 96
"""A day of a 15-minute sensor."""

SETTLE_ROWS = 4 * 60 // STEP_MIN
"""Readings count once inputs have been known for this long: an unseen meal still acts for hours."""

NOT_IDENTIFIED = "physiology not identified: no insulin or meal records"
FAR_FROM_PRIOR_SD = 3.0

LEARNING_RATE = 0.01
"""Power of the likelihood at which intervals of effects cover what they say."""


class CalibrationError(ValueError):
    """A record from which no twin can be made."""


@dataclass(frozen=True)
class Calibration:
    """One patient's head and how far to trust it.

    `covariance` (K, K) of theta is Laplace's, as if the model were the truth: 2.5 to 4 times too
    narrow. `belief` (K, K) is Laplace's with the likelihood to the power LEARNING_RATE:
    what models/ensemble.py draws from; None where nothing better than `covariance` is known.
    `objective` is -2 ln posterior up to a constant. `flags` name parameters at a bound or more than
    3 prior sds from the prior's mean, or say that the physiology is not identified. `delay_sd_min`
    (4,) is how far meals' delays may be off, as `belief` has it; None where none were taken up.
    """

    patient: str
    head: Head
    covariance: FloatArray = field(repr=False)
    objective: float
    flags: tuple[str, ...]
    known_days: float
    readings: int
    belief: FloatArray | None = field(default=None, repr=False)
    delay_sd_min: FloatArray | None = field(default=None, repr=False)

    @property
    def identified(self) -> bool:
        """Whether insulin and meals, and not the prior alone, shaped this head."""
        return self.head.identified


@dataclass(frozen=True)
class _Fit:
    theta: FloatArray
    noise: Noise
    covariance: FloatArray
    belief: FloatArray | None
    objective: float


def calibrate(
    traces: Sequence[Trace],
    prior: HeadPrior = BOOK_PRIOR,
    days: int = 28,
    knowledge: Sequence[ClinicKnowledge | None] | None = None,
    delays_min: Sequence[FloatArray] | None = None,
) -> tuple[Calibration, ...]:
    """One calibration per trace, each a function of that trace, its `knowledge` and the prior.

    `delays_min`, (4,) each, are meals' delays that are known already; none by default, and
    models/delay_fit.py looks for them.

    The last `days` days with insulin and meals are used. Where there is none, Gb is the mean
    reading of the last `days` days, phi and sd are fitted, everything else stays at the prior's
    mean, and a flag says so.
    Deterministic; patients are spread over the machine's cores. Raises CalibrationError for fewer
    than `MINIMUM_READINGS` readings, or for knowledge of another number of patients.
    """
    known = [None] * len(traces) if knowledge is None else knowledge
    if len(known) != len(traces):
        raise CalibrationError(
            f"there is knowledge of {len(known)} patients for {len(traces)} traces; expected one "
            "entry each. No twin was made. Give None for a patient of whom nothing is on file."
        )
    late = [NO_DELAY] * len(traces) if delays_min is None else delays_min
    with ThreadPoolExecutor() as threads:
        one = partial(_calibrate_one, prior=prior, days=days)
        return tuple(threads.map(one, traces, known, late))


def _calibrate_one(
    trace: Trace,
    knowledge: ClinicKnowledge | None,
    delay_min: FloatArray,
    prior: HeadPrior,
    days: int,
) -> Calibration:
    background = background_of(trace)
    known = known_record(trace, background, days, delay_min)
    identified = len(known.rows) >= MINIMUM_READINGS and _acted_upon(known.inputs)
    record = known if identified else _latest(physiology_inputs(trace, background), trace, days)
    fit = _mode(record, prior, knowledge) if identified else _level_only(record, prior)
    residual = (fit.noise.phi, fit.noise.sd_mg_dl)
    head = Head(fit.theta, np.zeros(LATENT), *residual, background, identified, delay_min)
    return Calibration(
        patient=trace.patient,
        head=head,
        covariance=fit.covariance,
        objective=fit.objective,
        flags=flags_of(fit.theta, prior) + (() if identified else (NOT_IDENTIFIED,)),
        known_days=float(record.inputs.known.sum()) / STEPS_PER_DAY,
        readings=len(record.rows),
        belief=fit.belief,
    )


def known_record(
    trace: Trace, background: Background | None, days: int, delay_min: FloatArray = NO_DELAY
) -> Record:
    """What a head is fitted to: the last `days` days with insulin and meals, at these delays."""
    inputs = delayed(physiology_inputs(trace, background), delay_min)
    return _record(inputs, trace, np.flatnonzero(inputs.known)[-days * STEPS_PER_DAY :])


def _record(inputs: Inputs, trace: Trace, rows: IntArray) -> Record:
    """The readings of these known rows; days without records between them are left out."""
    glucose = trace["glucose_mg_dl"]
    usable = (np.isfinite(glucose) & _settled(inputs.known))[rows]
    start = glucose[rows[usable]][:1]
    return Record(
        inputs=inputs.take(rows),
        places=np.flatnonzero(usable),
        rows=rows[usable],
        glucose_mg_dl=glucose[rows[usable]],
        start_mg_dl=float(start[0]) if len(start) else np.nan,
    )


def _latest(inputs: Inputs, trace: Trace, days: int) -> Record:
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
    return Record(inputs.at_rest().take(rows), np.arange(len(rows)), rows, glucose, glucose[0])


def _settled(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Known, and for SETTLE_ROWS before; the start of the record counts as settled."""
    unknown = np.append(np.zeros(SETTLE_ROWS, dtype=bool), ~known)
    recent = np.lib.stride_tricks.sliding_window_view(unknown, SETTLE_ROWS + 1)
    return np.logical_not(recent.any(axis=1))


def _acted_upon(inputs: Inputs) -> bool:
    insulin, carbs = inputs.insulin_mu_kg_min, inputs.carbs_mg_kg_min
    return bool(np.ptp(insulin) > 0.0 and carbs.max() > 0.0)


def _level_only(record: Record, prior: HeadPrior) -> _Fit:
    theta = prior.mean.copy()
    theta[0] = np.clip(record.glucose_mg_dl.mean(), PARAMETERS[0].low, PARAMETERS[0].high)
    gaps = record.gaps
    residuals = theta[0] - record.glucose_mg_dl
    noise = fit_noise(residuals, gaps)
    covariance = prior.covariance.copy()
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = (noise.sd_mg_dl / (1.0 - noise.phi)) ** 2 / np.ptp(record.rows)
    return _Fit(theta, noise, covariance, None, minus_2_ln(residuals, gaps, noise))


def _mode(record: Record, prior: HeadPrior, knowledge: ClinicKnowledge | None) -> _Fit:
    posterior, best = mode_of(Posterior.of(record, prior, knowledge))
    theta = posterior.theta(best.z)
    cautious = replace(posterior, learning_rate=LEARNING_RATE).expansion(best.z)[2]
    covariance, belief = (
        posterior.root @ np.linalg.inv(curvature) @ posterior.root.T
        for curvature in (best.curvature, cautious)
    )
    noise = fit_noise(record.residuals(theta[None])[0], record.gaps)
    return _Fit(theta, noise, covariance, belief, best.cost + posterior.volume)


def flags_of(theta: FloatArray, prior: HeadPrior) -> tuple[str, ...]:
    """Parameters at a bound or far from the prior, in words that begin with their name."""
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
