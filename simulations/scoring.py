"""How well forecasts did: errors of each person first, then the mean over people."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.trace import FloatArray, IntArray
from study.failure import ExitCode, Failure


@dataclass(frozen=True)
class PatientScores:
    """Errors of each patient and horizon, (P, H); NaN where a patient has no reading to compare."""

    patients: IntArray
    rmse_mg_dl: FloatArray
    mard_pct: FloatArray

    def mean_over_patients(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """RMSE (H,) in mg/dL, MARD (H,) in per cent, and how many people stand behind each (H,)."""
        scored = np.isfinite(self.rmse_mg_dl)
        people = scored.sum(axis=0)
        return _mean(self.rmse_mg_dl, scored), _mean(self.mard_pct, scored), people.astype(np.int64)


def score(prediction: FloatArray, target: FloatArray, patient: IntArray) -> PatientScores:
    """RMSE (mg/dL) and MARD (per cent of the reading) of each patient, over the patient's readings.

    A forecast is due wherever a reading stands: models that keep silent at hard moments would
    otherwise be compared on easier ones.
    """
    due = np.isfinite(target)
    if silent := int((due & ~np.isfinite(prediction)).sum()):
        raise Failure(
            found=f"{silent} readings without a forecast",
            expected="a finite forecast for each reading",
            consequence="Nothing was scored.",
            remedy="look for the model whose forecast is not finite; it may have diverged",
            code=ExitCode.BAD_DATA,
        )
    error = np.where(due, prediction - target, 0.0)
    relative = 100.0 * np.abs(error) / np.where(due, target, 1.0)
    people, place = np.unique(patient, return_inverse=True)
    by_patient = place[None, :] == np.arange(len(people))[:, None]
    readings = by_patient.astype(np.float64) @ due
    return PatientScores(
        people.astype(np.int64),
        np.sqrt(_ratio(by_patient @ error**2, readings)),
        _ratio(by_patient @ relative, readings),
    )


def _ratio(total: FloatArray, count: FloatArray) -> FloatArray:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _mean(values: FloatArray, scored: npt.NDArray[np.bool_]) -> FloatArray:
    return _ratio(np.where(scored, values, 0.0).sum(axis=0), scored.sum(axis=0).astype(np.float64))
