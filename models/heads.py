"""A head: the numbers that make the twin this patient's, and what is believed before any data."""

from dataclasses import dataclass, field
from math import log

import numpy as np

from models.inputs import Background
from models.trace import FloatArray

LATENT = 4
"""Numbers of a head that only the correction network reads."""


@dataclass(frozen=True)
class Parameter:
    """One physiological parameter: prior N(mean, sd^2) of theta, which is ln(value) if `log`.

    `low` and `high` bound the value itself, in `unit`.
    """

    name: str
    mean: float
    sd: float
    log: bool
    low: float
    high: float
    unit: str


MEAL_SD = 0.2

# Priors of ReplayBG (Cappon et al. 2023, IEEE TBME 70(11)) unless another reason is given.
PARAMETERS = (
    # Their sd of 7.11 is that of one controlled group; 21 lets a clinic's patients differ.
    Parameter("Gb", 119.13, 21.0, False, 60.0, 260.0, "mg/dL"),
    Parameter("SG", -3.8, 0.5, True, 1e-3, 0.2, "1/min"),
    # sqrt(p2) ~ N(0.11, 0.004^2) there; widened, as that pins p2 to 7 %.
    Parameter("p2", -4.41, 0.36, True, 1e-3, 0.2, "1/min"),
    Parameter("ka2", -4.2875, 0.4274, True, 1e-3, 0.2, "1/min"),
    Parameter("kd", -3.509, 0.6187, True, 1e-3, 0.5, "1/min"),
    Parameter("kempt", -1.9646, 0.7069, True, 5e-3, 1.0, "1/min"),
    # SI VG ~ Gamma(3.3, 5e-4) there, VG = 1.45 dL/kg: mean 1.1e-3, mode 0.8e-3.
    Parameter("SI", log(9e-4), 0.6, True, 1e-5, 2e-2, "L/mU/min"),
    # ln kabs ~ N(-5.46, 1.44^2) there, meal by meal; one value for all meals varies less.
    Parameter("kabs", -5.0, 1.0, True, 2e-4, 0.5, "1/min"),
    # Systematic error of carbohydrate counts and of bioavailability.
    Parameter("meal_gain", 0.0, 0.25, True, 0.2, 4.0, "-"),
    # Amplitude of stronger insulin action at low glucose: 1 is Dalla Man et al. 2014 (S2013).
    # Free, because one world needs 0 and another 1: fixed, it is wrong in one of them.
    Parameter("risk", 0.5, 0.5, False, 0.0, 4.0, "-"),
    # Slow action of insulin on the liver; broad, from fits to virtual adults.
    Parameter("SE", log(0.01), 1.0, True, 1e-5, 1.0, "mg/dL/min per mU/L"),
    Parameter("kE", log(0.008), 0.5, True, 5e-4, 0.1, "1/min"),
    # Daily course of ln SI. Individual, with no common phase (Hinshaw et al. 2013).
    Parameter("SI_cos", 0.0, 0.12, False, -1.0, 1.0, "-"),
    Parameter("SI_sin", 0.0, 0.12, False, -1.0, 1.0, "-"),
    # ln of kabs at each meal over the patient's own mean: hierarchical, so that data decide.
    Parameter("kabs_breakfast", 0.0, MEAL_SD, False, -1.5, 1.5, "-"),
    Parameter("kabs_lunch", 0.0, MEAL_SD, False, -1.5, 1.5, "-"),
    Parameter("kabs_snack", 0.0, MEAL_SD, False, -1.5, 1.5, "-"),
    Parameter("kabs_dinner", 0.0, MEAL_SD, False, -1.5, 1.5, "-"),
)
NAMES = tuple(p.name for p in PARAMETERS)
DELAYED_MEALS = 4
"""Breakfast, lunch, snack and dinner: models/meal_delay.py."""

IS_LOG = np.array([p.log for p in PARAMETERS])
THETA_LOW = np.array([log(p.low) if p.log else p.low for p in PARAMETERS])
THETA_HIGH = np.array([log(p.high) if p.log else p.high for p in PARAMETERS])


class HeadError(ValueError):
    """A head or prior of the wrong shape."""


@dataclass(frozen=True)
class Head:
    """One patient's own numbers; they never leave the clinic.

    `theta` (K,) in the order and scale of `PARAMETERS`; `latent` (LATENT,). What the physiology
    leaves of the sensor's readings is r_t = phi r_{t-1} + N(0, sd^2) at 5-minute steps:
    `residual_phi`, and `residual_sd_mg_dl` of the innovation, not of r. `background` is the basal
    supply that Gb belongs to; None means the trace's own. Where the physiology is not `identified`
    (no insulin or meals were on record), forecasts do better with `Inputs.at_rest`: a population's
    answer to this patient's doses can be far off. `meal_delay_min` (4,) is how long after its entry
    food arrives, breakfast, lunch, snack and dinner; no part of theta, of a prior or of a release.
    """

    theta: FloatArray
    latent: FloatArray
    residual_phi: float
    residual_sd_mg_dl: float
    background: Background | None = None
    identified: bool = True
    meal_delay_min: FloatArray = field(default_factory=lambda: np.zeros(DELAYED_MEALS))

    def __post_init__(self) -> None:
        found = (np.shape(self.theta), np.shape(self.latent), np.shape(self.meal_delay_min))
        expected = ((len(PARAMETERS),), (LATENT,), (DELAYED_MEALS,))
        if found != expected:
            raise HeadError(
                f"a head has theta, latent and delays of shapes {found}; expected {expected}. No "
                "head was made. Calibrate the patient again."
            )

    @property
    def values(self) -> dict[str, float]:
        """Name to value, in the unit of `PARAMETERS`."""
        return dict(zip(NAMES, physical(self.theta).tolist(), strict=True))


@dataclass(frozen=True)
class HeadPrior:
    """What is believed of theta before a patient's data: N(mean (K,), covariance (K, K))."""

    mean: FloatArray = field(repr=False)
    covariance: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        size = len(PARAMETERS)
        found = (np.shape(self.mean), np.shape(self.covariance))
        if found != ((size,), (size, size)):
            raise HeadError(
                f"a prior has mean and covariance of shapes {found}; expected "
                f"{((size,), (size, size))}. No prior was made. Use the order of PARAMETERS."
            )

    @property
    def sd(self) -> FloatArray:
        """Marginal standard deviations (K,)."""
        return np.sqrt(np.diag(self.covariance))


BOOK_PRIOR = HeadPrior(
    mean=np.array([p.mean for p in PARAMETERS]),
    covariance=np.diag([p.sd**2 for p in PARAMETERS]),
)


def physical(theta: FloatArray) -> FloatArray:
    """Parameter values (..., K) of theta (..., K), held within their bounds."""
    bounded = np.clip(theta, THETA_LOW, THETA_HIGH)
    return np.where(IS_LOG, np.exp(bounded), bounded)


def prior_head(prior: HeadPrior = BOOK_PRIOR) -> Head:
    """The head of somebody of whom nothing is known; residuals as usual in open-loop fits."""
    return Head(prior.mean.copy(), np.zeros(LATENT), residual_phi=0.97, residual_sd_mg_dl=4.0)
