"""Our search on ReplayBG's own objective: the most likely parameters of one day.

    -ln p(values | day) = 1/2 sum ((IG - reading) / 5 mg/dL)^2 - ln prior(values)

with ReplayBG's priors and bounds (Cappon et al. 2023): 70 <= Gb <= 180, ka2 <= kd, kabs <= kempt,
0 <= beta <= 60 min. In coordinates in which the bounds are a box, and with priors written as
squares, it is a problem of least squares: Levenberg-Marquardt on the free coordinates, from many
starts that are judged together. As in models/posterior.py one family of starts lies about the
prior and one at little glucose effectiveness. ReplayBG drops fractions of a minute of beta, so at
the end each beta is held at a whole minute and the rest descends again. Starts and steps were set
on the first day of ReplayBG's example, where eight seeds of the starts end between 1048 and 1066;
its second day, which was looked at afterwards, ends at 665.9 from each of the eight.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import copysign, lgamma, log, pi, sqrt

import numpy as np
import numpy.typing as npt

from models.physiology import VG_DL_PER_KG
from models.trace import FloatArray
from simulations.replaybg_model import (
    FIRST_MEAL,
    GB,
    KA2,
    KD,
    KEMPT,
    MEALS,
    P2,
    SG,
    SI_B,
    SI_D,
    Day,
    interstitial,
    with_slopes,
)

READING_SD_MG_DL = 5.0
GB_MEAN, GB_SD, GB_LOW, GB_HIGH = 119.13, 7.11, 70.0, 180.0
ROOT_P2_MEAN, ROOT_P2_SD = 0.11, 0.004
SI_SHAPE, SI_RATE = 3.3, 2000.0
LN_PRIORS = {
    SG: (-3.8, 0.5),
    KA2: (-4.2875, 0.4274),
    KD: (-3.509, 0.6187),
    KEMPT: (-1.9646, 0.7069),
}
LN_KABS = (-5.4591, 1.4396)
KABS_OF_NO_MEAL = 0.012
NO_MEALS = len(MEALS) + 1
"""Meals, and rescue carbohydrate, whose kabs ReplayBG counts at a set value on a day without."""

BETA_HIGH_MIN = 60.0
START_KABS_TO_KEMPT, START_BETA_MIN = log(0.1), 15.0
START_SD_RATIO, START_SD_BETA_MIN = 1.4, 15.0

FAMILIES = ((6, 0.0), (14, -4.0))
"""Starts that descend, and what is added to their ln SG."""

SCATTERED, FINALISTS = 64, 4

SEED = 20260101
SHORT, LONG = 12, 60
LARGEST_STEP, TRIALS = 2.0, 8
FIRST_DAMPING, LEAST_DAMPING = 1e-2, 1e-6
TOLERANCE = 1e-6

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fit:
    """The best values found (P,), in the order of `Day.names`, and -ln p there."""

    values: FloatArray = field(repr=False)
    objective: float


def fit_day(day: Day) -> Fit:
    """The most likely values of one day, beta in whole minutes; the same on every call."""
    search = _Search.of(day)
    every = np.ones(len(day.names), dtype=bool)
    near = [search.descend(z, SHORT, every) for z in search.starts()]
    near.sort(key=lambda found: found[1])
    finals = [search.descend(z, LONG, every) for z, _ in near[:FINALISTS]]
    z, _ = min(finals, key=lambda found: found[1])
    z, _ = search.descend(search.whole_minutes(z), LONG, ~search.is_beta)
    values = search.values(z)[0]
    return Fit(values, objective(values, day))


def objective(values: FloatArray, day: Day) -> float:
    """-ln p of values (P,), as ReplayBG counts it."""
    off = (interstitial(values, day) - day.glucose_mg_dl) / READING_SD_MG_DL
    return float(0.5 * off @ off) + minus_ln_prior(values)


def minus_ln_prior(values: FloatArray) -> float:
    """-ln of ReplayBG's prior density of values (P,) that are within its bounds."""
    kabs = values[FIRST_MEAL::2]
    total = _minus_ln_normal(values[GB], GB_MEAN, GB_SD)
    total += _minus_ln_normal(sqrt(values[P2]), ROOT_P2_MEAN, ROOT_P2_SD)
    total += sum(_minus_ln_lognormal(values[p], *prior) for p, prior in LN_PRIORS.items())
    total += sum(_minus_ln_lognormal(each, *LN_KABS) for each in kabs)
    total += (NO_MEALS - len(kabs)) * _minus_ln_lognormal(KABS_OF_NO_MEAL, *LN_KABS)
    scaled = values[SI_B : SI_D + 1] * VG_DL_PER_KG
    share = SI_SHAPE * log(SI_RATE) - lgamma(SI_SHAPE)
    gamma = SI_RATE * scaled - (SI_SHAPE - 1.0) * np.log(scaled) - share
    return float(total + gamma.sum())


def _minus_ln_normal(x: float, mean: float, sd: float) -> float:
    return log(sd * sqrt(2.0 * pi)) + 0.5 * ((x - mean) / sd) ** 2


def _minus_ln_lognormal(x: float, mean: float, sd: float) -> float:
    return log(x) + _minus_ln_normal(log(x), mean, sd)


def prior_squares(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residuals (R,) whose squares are 2 (-ln prior) up to a constant, and slopes (R, P)."""
    rows = list(_prior_rows(values))
    slopes = np.zeros((len(rows), len(values)))
    for row, (place, _, slope) in enumerate(rows):
        slopes[row, place] = slope
    return np.array([residual for _, residual, _ in rows]), slopes


def _prior_rows(values: FloatArray) -> Iterator[tuple[int, float, float]]:
    """Parameter, residual, and the residual's slope."""
    yield GB, (values[GB] - GB_MEAN) / GB_SD, 1.0 / GB_SD
    root = sqrt(values[P2])
    yield P2, (root - ROOT_P2_MEAN) / ROOT_P2_SD, 0.5 / root / ROOT_P2_SD
    of_meals = dict.fromkeys(range(FIRST_MEAL, len(values), 2), LN_KABS)
    for place, (mean, sd) in (LN_PRIORS | of_meals).items():
        # A density over x, not ln x: -ln p = ln x + ..., which moves the middle by sd^2.
        yield place, (log(values[place]) - mean + sd**2) / sd, 1.0 / sd / values[place]
    for place in range(SI_B, SI_D + 1):
        yield place, *_gamma_row(values[place], SI_SHAPE - 1.0, SI_RATE * VG_DL_PER_KG)


def _gamma_row(x: float, power: float, rate: float) -> tuple[float, float]:
    mode = power / rate
    rise = max(rate * (x - mode) - power * log(x / mode), 0.0)
    residual = copysign(sqrt(2.0 * rise), x - mode)
    if abs(residual) < 1e-6:
        return residual, sqrt(power) / mode
    return residual, (rate - power / x) / residual


@dataclass(frozen=True)
class _Search:
    """Coordinates z: values in units of `sd` about `middle`, most as logarithms, within a box."""

    day: Day
    middle: FloatArray
    sd: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, day: Day) -> "_Search":
        count = len(day.names)
        middle, sd = np.empty(count), np.empty(count)
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        middle[GB], sd[GB], low[GB], high[GB] = GB_MEAN, 3.0 * GB_SD, GB_LOW, GB_HIGH
        for place, prior in LN_PRIORS.items():
            middle[place], sd[place] = prior
        middle[P2], sd[P2] = 2.0 * log(ROOT_P2_MEAN), 2.0 * ROOT_P2_SD / ROOT_P2_MEAN
        middle[KD], low[KD] = LN_PRIORS[KD][0] - LN_PRIORS[KA2][0], 1e-6
        middle[SI_B : SI_D + 1] = log((SI_SHAPE - 1.0) / SI_RATE / VG_DL_PER_KG)
        sd[SI_B : SI_D + 1] = SI_SHAPE**-0.5
        kabs, beta = slice(FIRST_MEAL, None, 2), slice(FIRST_MEAL + 1, None, 2)
        middle[kabs], sd[kabs], high[kabs] = START_KABS_TO_KEMPT, START_SD_RATIO, -1e-9
        middle[beta], sd[beta] = START_BETA_MIN, START_SD_BETA_MIN
        low[beta], high[beta] = 0.0, BETA_HIGH_MIN
        return cls(day, middle, sd, (low - middle) / sd, (high - middle) / sd)

    @property
    def is_beta(self) -> BoolArray:
        return np.array([name.startswith("beta") for name in self.day.names])

    def values(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values (P,) of a point, and their slopes by z, (P, P)."""
        x = self.middle + self.sd * z
        plain = self.is_beta | (np.arange(len(x)) == GB)
        values = np.where(plain, x, np.exp(np.where(plain, 0.0, x)))
        slopes = np.diag(np.where(plain, 1.0, values))
        for place, over in [(KD, KA2), *((p, KEMPT) for p in range(FIRST_MEAL, len(x), 2))]:
            values[place] *= values[over]
            slopes[place, place] = slopes[place, over] = values[place]
        return values, slopes * self.sd

    def starts(self) -> Iterator[FloatArray]:
        """The most promising of each family of scattered points."""
        random = np.random.default_rng(SEED)
        for count, added in FAMILIES:
            points = random.standard_normal((SCATTERED, len(self.sd)))
            points[:, SG] += added / self.sd[SG]
            points = np.clip(points, self.low, self.high)
            yield from points[np.argsort([self.cost(z) for z in points])[:count]]

    def whole_minutes(self, z: FloatArray) -> FloatArray:
        """The same point with every beta at the nearest whole minute."""
        minutes = np.round(self.middle + self.sd * z)
        return np.where(self.is_beta, (minutes - self.middle) / self.sd, z)

    def cost(self, z: FloatArray) -> float:
        """2 (-ln p) up to a constant; infinite where glucose runs away."""
        values, _ = self.values(z)
        off = (interstitial(values, self.day) - self.day.glucose_mg_dl) / READING_SD_MG_DL
        known = prior_squares(values)[0]
        total = float(off @ off + known @ known)
        return total if np.isfinite(total) else np.inf

    def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Cost, half its gradient and half its Gauss-Newton curvature."""
        values, by_z = self.values(z)
        path, slopes = with_slopes(values, self.day)
        known, known_slopes = prior_squares(values)
        residuals = np.append((path - self.day.glucose_mg_dl) / READING_SD_MG_DL, known)
        jacobian = np.vstack([slopes / READING_SD_MG_DL, known_slopes]) @ by_z
        return float(residuals @ residuals), jacobian.T @ residuals, jacobian.T @ jacobian

    def descend(
        self, z: FloatArray, iterations: int, movable: BoolArray
    ) -> tuple[FloatArray, float]:
        """Levenberg-Marquardt within the box: a coordinate at a bound it presses on stays there."""
        damping = FIRST_DAMPING
        cost, gradient, curvature = self.expansion(z)
        for _ in range(iterations):
            pressed = ((z <= self.low) & (gradient > 0.0)) | ((z >= self.high) & (gradient < 0.0))
            free = np.flatnonzero(movable & ~pressed)
            for _ in range(TRIALS):
                there = self._step(z, (gradient, curvature), free, damping)
                gain = cost - self.cost(there)
                if gain > 0.0:
                    break
                damping *= 5.0
            else:
                break
            z, damping = there, max(damping / 5.0, LEAST_DAMPING)
            cost, gradient, curvature = self.expansion(z)
            if gain < TOLERANCE * cost:
                break
        return z, cost

    def _step(
        self,
        z: FloatArray,
        slopes: tuple[FloatArray, FloatArray],
        free: npt.NDArray[np.intp],
        damping: float,
    ) -> FloatArray:
        gradient, curvature = slopes[0][free], slopes[1][np.ix_(free, free)]
        damped = curvature + damping * np.diag(np.diag(curvature)) + 1e-12 * np.eye(len(free))
        there = z.copy()
        there[free] -= np.clip(np.linalg.solve(damped, gradient), -LARGEST_STEP, LARGEST_STEP)
        return np.clip(there, self.low, self.high)
