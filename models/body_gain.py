"""By how much one body forecasts a patient's held-out days better than another."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.forecast import batch_of, fit_latents, predict
from models.sharing import PatientData, SharedVector, WeightArray
from models.trace import FloatArray

WINDOWS_FOR_A_LATENT = 600


Gains = Callable[[SharedVector, FloatArray, Sequence[PatientData], Sequence[int]], FloatArray]
"""How patients' figures are made, (P, H); a row depends on its own patient and public things."""


def rmse_gains(
    vector: SharedVector,
    shared: FloatArray,
    patients: Sequence[PatientData],
    horizons_min: Sequence[int],
) -> FloatArray:
    """RMSE under the public start less that under the body of `shared`, mg/dL, (P, H).

    Of each patient's `held_out` windows; his latent vector is fitted on the earlier ones under each
    body, alone. A row is NaN where a patient has nothing to learn from or to be judged on.
    """
    bodies = vector.weights(vector.start()), vector.weights(shared)
    rows = [_gain(bodies, one, horizons_min) for one in patients]
    return np.stack(rows) if rows else np.zeros((0, len(horizons_min)))


def _gain(
    bodies: tuple[WeightArray, WeightArray], patient: PatientData, horizons_min: Sequence[int]
) -> FloatArray:
    if patient.held_out is None or not len(patient.held_out) or not len(patient.windows):
        return np.full(len(horizons_min), np.nan)
    old, new = (_rmse(body, patient, horizons_min) for body in bodies)
    gain: FloatArray = old - new
    return gain


def _rmse(weights: WeightArray, patient: PatientData, horizons_min: Sequence[int]) -> FloatArray:
    """At each horizon, mg/dL, (H,)."""
    test = patient.held_out
    if test is None:
        raise ValueError("found a patient without held-out days; expected some to be judged on")
    known = batch_of([patient.windows], WINDOWS_FOR_A_LATENT)
    latent = fit_latents(torch.from_numpy(weights), known)[0].numpy().astype(np.float64)
    squared = (predict(weights, latent, test) - test.target) ** 2
    places = [test.horizons_min.index(one) for one in horizons_min]
    count = np.isfinite(squared).sum(axis=0)
    mean = np.nansum(squared, axis=0) / np.where(count > 0, count, np.nan)
    error: FloatArray = np.sqrt(mean)[places]
    return error
