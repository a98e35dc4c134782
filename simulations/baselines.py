"""What a forecast has to beat: persistence, the mean, ridge regression and gradient boosting.

They see the same windows as the twin, pooled over the study's clinics and without privacy, and each
patient weighs the same whatever the number of windows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from models.trace import FloatArray, IntArray
from study.failure import ExitCode, Failure

RIDGE_PENALTY = 10.0


@dataclass(frozen=True)
class BaselineData:
    """W windows: inputs at the moment of forecast and glucose at H horizons after it, mg/dL.

    `features` (W, F) and `doses` (W, D) are NaN where unknown, `target` (W, H) is NaN where no real
    reading stands at that horizon, `patient` (W,) numbers people across all clinics.
    """

    features: FloatArray
    doses: FloatArray
    glucose_now: FloatArray
    target: FloatArray
    patient: IntArray

    def __post_init__(self) -> None:
        parts = (self.features, self.doses, self.glucose_now, self.target, self.patient)
        shapes = [part.shape for part in parts]
        ranks = [len(shape) for shape in shapes]
        if ranks != [2, 2, 1, 2, 1] or len({shape[0] for shape in shapes}) > 1:
            raise _unusable(
                f"windows of shapes {shapes}", "(W, F), (W, D), (W,), (W, H) and (W,) of one W"
            )
        if not np.isfinite(self.glucose_now).all():
            raise _unusable(
                "windows without a reading at the moment of forecast",
                "a finite glucose_now in each",
            )

    @property
    def inputs(self) -> FloatArray:
        """Features and doses side by side, (W, F + D)."""
        return np.hstack([self.features, self.doses])

    @property
    def change(self) -> FloatArray:
        """Glucose at each horizon less glucose now, mg/dL, (W, H)."""
        return self.target - self.glucose_now[:, None]


class Baseline(Protocol):
    """A fitted rival of the twin."""

    def predict(self, data: BaselineData) -> FloatArray:
        """Glucose at each horizon, mg/dL, (W, H)."""
        ...


def patient_balanced(patient: IntArray) -> FloatArray:
    """Weights (W,) with mean 1 under which every patient counts the same."""
    _, place, windows = np.unique(patient, return_inverse=True, return_counts=True)
    weights: FloatArray = len(patient) / (len(windows) * windows[place].astype(np.float64))
    return weights


@dataclass(frozen=True)
class Persistence:
    """Glucose stays as it is."""

    def predict(self, data: BaselineData) -> FloatArray:
        """Glucose now at every horizon, mg/dL, (W, H)."""
        return np.repeat(data.glucose_now[:, None], data.target.shape[1], axis=1)


@dataclass(frozen=True)
class OwnMean:
    """Each patient's mean glucose at training, mg/dL; the mean of those means for a new patient."""

    means: Mapping[int, float]

    def predict(self, data: BaselineData) -> FloatArray:
        """The patient's mean at every horizon, mg/dL, (W, H)."""
        stranger = float(np.mean(list(self.means.values())))
        own = np.array([self.means.get(int(person), stranger) for person in data.patient])
        return np.repeat(own[:, None], data.target.shape[1], axis=1)


@dataclass(frozen=True)
class Standardised:
    """Inputs scaled to mean 0 and SD 1; an unknown becomes 0, and a further column says so."""

    mean: FloatArray
    scale: FloatArray
    sometimes_unknown: IntArray

    @classmethod
    def of(cls, inputs: FloatArray) -> "Standardised":
        """Scales of the known values in `inputs` (W, K); 1 where a column is constant."""
        known = np.isfinite(inputs)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, inputs, 0.0).sum(axis=0) / count
        variance = (np.where(known, inputs - mean, 0.0) ** 2).sum(axis=0) / count
        scale = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
        return cls(mean, scale, np.flatnonzero(~known.all(axis=0)).astype(np.int64))

    def __call__(self, inputs: FloatArray) -> FloatArray:
        scaled = np.nan_to_num((inputs - self.mean) / self.scale, nan=0.0)
        unknown = np.isnan(inputs[:, self.sometimes_unknown]).astype(np.float64)
        return np.hstack([scaled, unknown])


@dataclass(frozen=True)
class RidgeRegression:
    """Linear in the standardised inputs, one fit for each horizon."""

    scaling: Standardised
    regressors: tuple[Any, ...]

    def predict(self, data: BaselineData) -> FloatArray:
        """Glucose at each horizon, mg/dL, (W, H)."""
        return _from_now(data, self.scaling(data.inputs), self.regressors)


@dataclass(frozen=True)
class Boosting:
    """Trees boosted by histograms, one ensemble for each horizon; they take NaN as it is.

    `ever_known` are the columns with a value in any window at training: scikit-learn cannot bin a
    column without one, such as insulin in a study of CGM-only clinics.
    """

    ever_known: IntArray
    regressors: tuple[Any, ...]

    def predict(self, data: BaselineData) -> FloatArray:
        """Glucose at each horizon, mg/dL, (W, H)."""
        return _from_now(data, data.inputs[:, self.ever_known], self.regressors)


def fit_persistence(data: BaselineData, seed: int) -> Persistence:
    """Nothing to fit."""
    return Persistence()


def fit_mean(data: BaselineData, seed: int) -> OwnMean:
    """Mean of glucose at the moments of forecast, of each patient."""
    people = np.unique(data.patient)
    return OwnMean({int(p): float(data.glucose_now[data.patient == p].mean()) for p in people})


def fit_ridge(data: BaselineData, seed: int) -> RidgeRegression:
    """Ridge regression of the change from now."""
    scaling = Standardised.of(data.inputs)
    return RidgeRegression(scaling, _fit_change(data, scaling(data.inputs), _new_ridge))


def fit_boosting(data: BaselineData, seed: int) -> Boosting:
    """Gradient boosting of the change from now; equal seeds give equal trees."""
    ever_known = np.flatnonzero(np.isfinite(data.inputs).any(axis=0)).astype(np.int64)
    regressors = _fit_change(data, data.inputs[:, ever_known], lambda: _new_boosting(seed))
    return Boosting(ever_known, regressors)


FITTERS: Mapping[str, Callable[[BaselineData, int], Baseline]] = {
    "persistence": fit_persistence,
    "mean": fit_mean,
    "ridge": fit_ridge,
    "boosting": fit_boosting,
}


def fit_baselines(data: BaselineData, seed: int) -> dict[str, Baseline]:
    """Every rival, by its name in `run.json`, fitted on the windows of all clinics together."""
    return {name: fit(data, seed) for name, fit in FITTERS.items()}


def _new_ridge() -> Any:
    return Ridge(alpha=RIDGE_PENALTY)


def _new_boosting(seed: int) -> Any:
    return HistGradientBoostingRegressor(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=15,
        min_samples_leaf=60,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )


def _fit_change(
    data: BaselineData, inputs: FloatArray, new_regressor: Callable[[], Any]
) -> tuple[Any, ...]:
    regressors = []
    for change in data.change.T:
        due = np.isfinite(change)
        if not due.any():
            raise _unusable("a horizon without a single reading", "readings at every horizon")
        weights = patient_balanced(data.patient[due])
        regressors.append(new_regressor().fit(inputs[due], change[due], sample_weight=weights))
    return tuple(regressors)


def _from_now(data: BaselineData, inputs: FloatArray, regressors: tuple[Any, ...]) -> FloatArray:
    change = [np.asarray(regressor.predict(inputs), dtype=np.float64) for regressor in regressors]
    return data.glucose_now[:, None] + np.column_stack(change)


def _unusable(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="No baseline was fitted.",
        remedy="build the windows again from the site tables, with models/windows.py",
        code=ExitCode.BAD_DATA,
    )
