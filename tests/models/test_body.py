import numpy as np
import pytest
import torch

from models.body import LOCAL_RATE, WholeBody
from models.correction import BODY_DIMENSION, initial_weights
from models.forecast import batch_of, fit_latents, patient_loss
from models.heads import prior_head
from models.sharing import PatientData
from tests.models.people import made_up_patients, made_up_windows

pytestmark = pytest.mark.slow

WEIGHTS = initial_weights(0).numpy()


def test_the_start_stands_for_the_public_weights() -> None:
    body = WholeBody(WEIGHTS, local_steps=1, unit=0.37)
    np.testing.assert_allclose(body.weights(body.start()), WEIGHTS, rtol=1e-6)
    assert body.dimension == BODY_DIMENSION and body.kind == "body"
    np.testing.assert_array_equal(body.prior_variance(), np.ones(BODY_DIMENSION))


def test_one_local_step_is_the_negative_gradient() -> None:
    patient = made_up_patients(1)[0]
    body = WholeBody(WEIGHTS, local_steps=1, unit=0.5)
    row = body.rows(body.start(), [patient])[0]
    start, batch = torch.from_numpy(WEIGHTS), batch_of([patient.windows], 600)
    latent = fit_latents(start, batch)[0].requires_grad_(False)
    leaf = start.clone().requires_grad_(True)
    patient_loss(leaf, latent, batch.part(0)).backward()
    assert leaf.grad is not None
    np.testing.assert_allclose(0.5 * row, -leaf.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_several_steps_follow_adam() -> None:
    """Against torch's own Adam with the same rates, on the same windows."""
    patient = made_up_patients(1)[0]
    body = WholeBody(WEIGHTS, local_steps=4)
    change = body.rows(body.start(), [patient])[0]
    start, batch = torch.from_numpy(WEIGHTS), batch_of([patient.windows], 600)
    latent = fit_latents(start, batch)[0]
    leaf = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([leaf], lr=LOCAL_RATE, betas=(0.9, 0.99), eps=1e-6)
    for _ in range(4):
        adam.zero_grad()
        patient_loss(leaf, latent, batch.part(0)).backward()
        adam.step()
    np.testing.assert_allclose(change, (leaf.detach() - start).numpy(), rtol=2e-2, atol=2e-6)


@pytest.mark.parametrize("steps", [1, 5])
def test_moving_along_a_row_lowers_that_patients_loss(steps: int) -> None:
    patient = made_up_patients(1)[0]
    body = WholeBody(WEIGHTS, local_steps=steps)
    row = body.rows(body.start(), [patient])[0]
    batch = batch_of([patient.windows], 600)
    latent = fit_latents(torch.from_numpy(WEIGHTS), batch)[0]
    rate = 1.0 if steps > 1 else 1e-3
    moved = torch.from_numpy(body.weights(body.start() + rate * row))
    before = patient_loss(torch.from_numpy(WEIGHTS), latent, batch.part(0))
    assert patient_loss(moved, latent, batch.part(0)) < before


def test_a_row_depends_on_its_own_patient_alone() -> None:
    patients = made_up_patients(3)
    body = WholeBody(WEIGHTS, local_steps=2)
    together = body.rows(body.start(), patients)
    apart = np.concatenate([body.rows(body.start(), [one]) for one in patients])
    np.testing.assert_array_equal(together, apart)


def test_a_patient_without_windows_has_a_row_of_zeros() -> None:
    empty = made_up_windows().where(np.zeros(0, dtype=np.int64))
    patients = [PatientData("empty", prior_head(), empty), *made_up_patients(1)]
    rows = WholeBody(WEIGHTS, local_steps=1).rows(WEIGHTS.astype(float), patients)
    assert not rows[0].any() and rows[1].any()
    nobody = WholeBody(WEIGHTS, local_steps=1).rows(WEIGHTS.astype(float), patients[:1])
    assert nobody.shape == (1, BODY_DIMENSION) and not nobody.any()
