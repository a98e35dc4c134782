"""Reading a patient's glucose out of what one clinic released: easy without privacy.

The last layer of the body sees its inputs: each of its weights' gradient is an error times what
that weight saw, and its bias's gradient the error alone. So the quotient is the input itself, two
hours of glucose among it (the analytic inversion of Phong et al., IEEE TIFS 13(5), 2018).
"""

from dataclasses import dataclass

import numpy as np

from models.body import WholeBody
from models.correction import FEATURES, LAGS, OUTPUT_DIMENSION, SHAPES
from models.heads import LATENT
from models.sharing import PatientData
from models.trace import FloatArray
from models.windows import (
    GLUCOSE_SCALE_MG_DL,
    LEVEL_CENTRE_MG_DL,
    LEVEL_SCALE_MG_DL,
    Windows,
)

PLAUSIBLE_MG_DL = (40.0, 400.0)
OUTPUTS = SHAPES["last.bias"][0]
LEVEL = FEATURES.index("glucose_level")


@dataclass(frozen=True)
class Inversion:
    """Mean absolute error of the two hours read out, mg/dL, and that of guessing the mean."""

    error_mg_dl: float
    guess_mg_dl: float


def true_history(window: Windows) -> FloatArray:
    """Glucose of the first window's two hours, oldest first, mg/dL, (LAGS + 1,)."""
    return history_of(window.features[0])


def history_of(features: FloatArray) -> FloatArray:
    """Glucose in mg/dL, oldest first, (LAGS + 1,), from the network's view of it."""
    now = LEVEL_CENTRE_MG_DL + LEVEL_SCALE_MG_DL * features[LEVEL]
    past = now + GLUCOSE_SCALE_MG_DL * features[:LAGS]
    return np.append(past, now)


def read_out(gradient: FloatArray) -> FloatArray:
    """The best guess of the glucose behind a body's gradient, (LAGS + 1,), kept plausible."""
    last = gradient[-OUTPUT_DIMENSION:]
    weight, bias = last[:-OUTPUTS].reshape(OUTPUTS, -1), last[-OUTPUTS:]
    loudest = int(np.argmax(np.abs(bias)))
    seen = weight[loudest] / bias[loudest]
    features = seen[len(seen) - len(FEATURES) - LATENT : len(seen) - LATENT]
    plausible: FloatArray = np.clip(history_of(features), *PLAUSIBLE_MG_DL)
    return plausible


def one_window_gradient(body: WholeBody, patient: PatientData, place: int) -> FloatArray:
    """What a patient with nothing but this window would contribute, (BODY_DIMENSION,)."""
    alone = PatientData(patient.patient, patient.head, patient.windows.where(np.array([place])))
    row: FloatArray = body.rows(body.start(), [alone])[0]
    return row


def inversion(released: FloatArray, truth: FloatArray, usual_mg_dl: float) -> Inversion:
    """How well a release gives a patient's glucose away; `usual_mg_dl` is the population's mean."""
    return Inversion(
        error_mg_dl=float(np.abs(read_out(released) - truth).mean()),
        guess_mg_dl=float(np.abs(usual_mg_dl - truth).mean()),
    )
