"""Reading a patient's glucose out of what one clinic released: easy without privacy.

The last layer of the body sees its inputs: each of its weights' gradient is an error times what
that weight saw, and its bias's gradient the error alone. So the quotient is the input itself, two
hours of glucose among it (the analytic inversion of Phong et al., IEEE TIFS 13(5), 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.body import WholeBody
from models.correction import FEATURES, LAGS, OUTPUT_DIMENSION, SHAPES
from models.heads import LATENT, prior_head
from models.sharing import PatientData, WeightArray
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.windows import (
    GLUCOSE_SCALE_MG_DL,
    LEVEL_CENTRE_MG_DL,
    LEVEL_SCALE_MG_DL,
    Windows,
    windows_of,
)
from privacy.noise import ExactNoise
from privacy.release import release_sum

PLAUSIBLE_MG_DL = (40.0, 400.0)
OUTPUTS = SHAPES["last.bias"][0]
LEVEL = FEATURES.index("glucose_level")

WINDOWS = 24
USUAL_MG_DL = 150.0
AS_BAD_AS_A_GUESS = 0.8
"""Share of a guess's error that a reading of a private release must have."""

NO_NOISE = 1e-9


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


@dataclass(frozen=True)
class InversionAudit:
    """Median errors over windows, mg/dL: read without noise, read with it, and guessed.

    The noise is exact and of `sigma` clip norms, as one release of the claim has it.
    """

    windows: int
    sigma: float
    bare_error_mg_dl: float
    private_error_mg_dl: float
    guess_mg_dl: float

    @property
    def passed(self) -> bool:
        """The attack works where nothing is hidden, and is no better than a guess where it is."""
        hidden = self.private_error_mg_dl >= AS_BAD_AS_A_GUESS * self.guess_mg_dl
        return self.bare_error_mg_dl < 1.0 and hidden


def attacked(weights: WeightArray, sigma: float) -> InversionAudit:
    """The attack on releases of this body's gradient, from a patient with one window, many times.

    Rows are clipped in both cases: clipping alone hides nothing.
    """
    body, patient = WholeBody(weights, local_steps=1), made_up_patient()
    bare: list[Inversion] = []
    private: list[Inversion] = []
    for place in np.linspace(0, len(patient.windows) - 1, WINDOWS).astype(int):
        gradient = one_window_gradient(body, patient, int(place))[None]
        truth = true_history(patient.windows.where(np.array([place])))
        for found, noise in ((bare, NO_NOISE), (private, sigma)):
            released = release_sum(gradient, 1.0, noise, ExactNoise()).values
            found.append(inversion(released, truth, USUAL_MG_DL))
    return InversionAudit(
        windows=WINDOWS,
        sigma=sigma,
        bare_error_mg_dl=_median([one.error_mg_dl for one in bare]),
        private_error_mg_dl=_median([one.error_mg_dl for one in private]),
        guess_mg_dl=_median([one.guess_mg_dl for one in private]),
    )


def made_up_patient() -> PatientData:
    """Three days of nobody: two daily waves of glucose and a random walk, of a fixed seed."""
    rows = 3 * STEPS_PER_DAY
    hour = np.arange(rows) * 24 / STEPS_PER_DAY
    walk = np.cumsum(np.random.default_rng(0).normal(0.0, 2.0, rows)) * 0.3
    glucose = USUAL_MG_DL + 45 * np.sin(hour * np.pi / 3) + 15 * np.sin(hour / 4) + walk
    columns = {"glucose_mg_dl": np.clip(glucose, *PLAUSIBLE_MG_DL)}
    trace, head = Trace("nobody", "UTC", 5, 0, columns), prior_head()
    return PatientData("nobody", head, windows_of(trace, head))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
