"""Reading glucose out of a release: exact without privacy, worthless with it."""

import numpy as np
import pytest
import torch

from models.body import WholeBody
from models.correction import LAGS, initial_weights
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.noise import ExactNoise, SimulatedNoise
from privacy.release import release_sum
from study.inversion import (
    InversionAudit,
    attacked,
    inversion,
    one_window_gradient,
    read_out,
    true_history,
)
from tests.models.people import made_up_patients

pytestmark = pytest.mark.slow

WINDOWS = 12
USUAL_MG_DL = 140.0


@pytest.fixture(scope="module")
def body() -> WholeBody:
    noise = torch.randn(len(initial_weights(0)), generator=torch.Generator().manual_seed(3))
    return WholeBody((initial_weights(0) + 0.05 * noise).numpy(), local_steps=1)


@pytest.fixture(scope="module")
def patient() -> PatientData:
    return made_up_patients(1)[0]


@pytest.fixture(scope="module")
def contributions(body: WholeBody, patient: PatientData) -> list[tuple[FloatArray, FloatArray]]:
    """A one-window patient's gradient and the two hours behind it, several times."""
    places = np.linspace(0, len(patient.windows) - 1, WINDOWS).astype(int)
    return [
        (
            one_window_gradient(body, patient, int(place)),
            true_history(patient.windows.where(np.array([place]))),
        )
        for place in places
    ]


def errors(contributions: list[tuple[FloatArray, FloatArray]], sigma: float) -> tuple[float, float]:
    """Median error of the reading and of the guess, after release with noise of sigma."""
    found = [
        inversion(
            release_sum(gradient[None], 1.0, sigma, SimulatedNoise(7, place)).values,
            truth,
            USUAL_MG_DL,
        )
        for place, (gradient, truth) in enumerate(contributions)
    ]
    return (
        float(np.median([one.error_mg_dl for one in found])),
        float(np.median([one.guess_mg_dl for one in found])),
    )


def test_the_true_history_is_the_sensors(patient: PatientData) -> None:
    truth = true_history(patient.windows.where(np.array([5])))
    assert truth.shape == (LAGS + 1,)
    assert truth[-1] == pytest.approx(patient.windows.glucose_now[5])


def test_a_bare_gradient_is_read_to_the_milligram(
    contributions: list[tuple[FloatArray, FloatArray]],
) -> None:
    for gradient, truth in contributions:
        np.testing.assert_allclose(read_out(gradient), truth, atol=1.0)


def test_clipping_alone_hides_nothing(contributions: list[tuple[FloatArray, FloatArray]]) -> None:
    """Scaling a gradient leaves its quotients: without noise a clipped row is read as well."""
    error, guess = errors(contributions, 1e-6)
    assert error < 1.0 < guess


def test_noise_of_half_a_clip_norm_leaves_less_than_a_guess(
    contributions: list[tuple[FloatArray, FloatArray]],
) -> None:
    error, guess = errors(contributions, 0.5)
    assert error > 0.8 * guess


@pytest.mark.usefixtures("repeatable_entropy")
def test_the_exact_noise_of_a_clinic_hides_as_well(
    contributions: list[tuple[FloatArray, FloatArray]],
) -> None:
    found = [
        inversion(release_sum(row[None], 1.0, 0.6, ExactNoise()).values, truth, USUAL_MG_DL)
        for row, truth in contributions
    ]
    error = np.median([one.error_mg_dl for one in found])
    assert error > 0.8 * np.median([one.guess_mg_dl for one in found])


@pytest.mark.usefixtures("repeatable_entropy")
def test_the_audit_reads_a_bare_gradient_and_guesses_at_a_private_one(body: WholeBody) -> None:
    found = attacked(body.public_weights, sigma=1.0)
    assert found.bare_error_mg_dl < 1.0
    assert found.private_error_mg_dl >= 0.8 * found.guess_mg_dl
    assert found.passed and found.windows == 24


@pytest.mark.usefixtures("repeatable_entropy")
def test_noise_that_hides_nothing_fails_the_audit(body: WholeBody) -> None:
    assert not attacked(body.public_weights, sigma=1e-8).passed


def test_an_attack_that_does_not_work_proves_nothing() -> None:
    assert not InversionAudit(24, 1.0, 5.0, 40.0, 36.0).passed
