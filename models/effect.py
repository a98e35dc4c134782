"""How far a twin's answer to a change of dose can be trusted, learned where the truth is known.

    ln|D| = b0 + b1 (ln|D_twin| - m1) + b2 (ln T - m2) + b3 (ln R - m3)

D is the true change of mean glucose, D_twin the twin's by paired simulation, T what the clinic's
rule of thumb says, R the size of what the twin leaves of the readings, by which a patient shows in
what kind of world the twin is asked; m are means over those it was learned on. b0 is free, the
slopes are drawn towards (1, 0, 0): without evidence the twin is believed.

The interval is multiplicative and conformal: the quantile of leave-one-out errors of ln|D|
(jackknife) in units of exp(c (x - m)), x the logarithms of the features, so it claims no shape and
is wider for those whose like were harder to answer. c is drawn towards 0. The sign is the
physiology's and never learned.
"""

from dataclasses import dataclass, field

import numpy as np

from models.trace import FloatArray

LEAST_MG_DL = 0.5
"""Effects nearer to nothing count as this: their logarithm says nothing."""

COVERAGE = 0.8
PULL = 1.0
"""Weight of the pull towards believing the first feature, in patients."""

WIDTH_PULL = 10.0
"""Weight of the pull towards intervals equally wide for all, in patients."""

MOST_WIDENING = 2.0
"""No patient's interval of ln|D| is wider, or narrower, than the usual one by more than this."""

LEAST_ERROR = 0.01


class EffectError(ValueError):
    """Effects from which nothing can be learned or said."""


@dataclass(frozen=True)
class Estimate:
    """A change of mean glucose, mg/dL, with the ends of its 80 % interval (low <= high)."""

    change_mg_dl: float
    low_mg_dl: float
    high_mg_dl: float

    def covers(self, change_mg_dl: float) -> bool:
        """Whether the interval holds this change."""
        return self.low_mg_dl <= change_mg_dl <= self.high_mg_dl


@dataclass(frozen=True)
class EffectCalibration:
    """`offset` b0, `slopes` (F,) and `centres` m (F,), `width` of the interval of ln|D| to a side.

    `widening` c (F,) says how much wider it is by each feature. With three features they are the
    twin's effect, the rule of thumb and the residuals' size; with one, the rule of thumb alone.
    """

    offset: float
    slopes: FloatArray = field(repr=False)
    centres: FloatArray = field(repr=False)
    width: float
    widening: FloatArray = field(repr=False)

    @classmethod
    def fit(cls, features_mg_dl: FloatArray, true_mg_dl: FloatArray) -> "EffectCalibration":
        """Learned on n patients: sizes of the features (n, F) and true effects (n,), one change.

        Ridge with an unpenalised offset. Raises EffectError for fewer patients than twice F + 1.
        """
        patients, features = features_mg_dl.shape
        if patients < 2 * (features + 1) or len(true_mg_dl) != patients:
            raise EffectError(
                f"found {patients} patients with features and {len(true_mg_dl)} true effects; "
                f"expected the same number, at least {2 * (features + 1)}. Nothing was learned. "
                "Simulate more patients."
            )
        logs, target = _ln(features_mg_dl), _ln(true_mg_dl)
        centres = logs.mean(axis=0)
        design = np.column_stack([np.ones(patients), logs - centres])
        pull = PULL * np.diag(np.append(0.0, np.ones(features)))
        believed = np.zeros(features + 1)
        believed[1] = 1.0
        normal = design.T @ design + pull
        solution = np.linalg.solve(normal, design.T @ target + pull @ believed)
        leverage = np.sum(design * np.linalg.solve(normal, design.T).T, axis=1)
        left_out = np.abs(target - design @ solution) / (1.0 - leverage)
        widening = _widening(logs - centres, left_out)
        scores = left_out / _scale((logs - centres) @ widening)
        return cls(float(solution[0]), solution[1:], centres, _conformal(scores), widening)

    def predict(self, features_mg_dl: FloatArray, sign: int) -> Estimate:
        """The change of one patient with features (F,); `sign` is that of the twin's answer."""
        away = _ln(features_mg_dl) - self.centres
        size = float(np.exp(self.offset + away @ self.slopes))
        reach = float(np.exp(self.width * _scale(away @ self.widening)))
        low, high = sorted((sign * size / reach, sign * size * reach))
        return Estimate(sign * size, low, high)


def _ln(effect_mg_dl: FloatArray) -> FloatArray:
    sizes: FloatArray = np.log(np.maximum(np.abs(effect_mg_dl), LEAST_MG_DL))
    return sizes


def _widening(away: FloatArray, errors: FloatArray) -> FloatArray:
    """Slopes c (F,) of the logarithm of `errors` (n,) by `away` (n, F), drawn towards 0."""
    sizes = np.log(np.maximum(errors, LEAST_ERROR))
    pull = WIDTH_PULL * np.eye(away.shape[1])
    slopes: FloatArray = np.linalg.solve(away.T @ away + pull, away.T @ (sizes - sizes.mean()))
    return slopes


def _scale(ln_scale: FloatArray) -> FloatArray:
    """How much wider than usual an interval is, held within bounds."""
    most = float(np.log(MOST_WIDENING))
    scale: FloatArray = np.exp(np.clip(ln_scale, -most, most))
    return scale


def _conformal(errors: FloatArray) -> float:
    """The smallest error that at least 80 % of n + 1 exchangeable errors do not exceed."""
    rank = int(np.ceil(COVERAGE * (len(errors) + 1)))
    return float(np.sort(errors)[min(rank, len(errors)) - 1])
