"""A patient's gain is his own, on held-out days, and what cannot be judged is no number."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.body import WholeBody
from models.body_gain import rmse_gains
from models.correction import BODY_DIMENSION
from models.forecast import batch_of, fit_latents, predict
from models.heads import prior_head
from models.sharing import PatientData
from models.trace import FloatArray
from tests.models.people import made_up_windows

pytestmark = pytest.mark.slow

HORIZONS = (30, 120)
PUBLIC = np.random.default_rng(1).normal(0.0, 0.05, BODY_DIMENSION).astype(np.float32)
VECTOR = WholeBody(PUBLIC, local_steps=5)


def person(seed: int) -> PatientData:
    windows = made_up_windows(seed)
    half = len(windows) // 2
    earlier, later = windows.where(np.arange(half)), windows.where(np.arange(half, len(windows)))
    return PatientData(f"p{seed}", prior_head(), earlier, held_out=later)


PEOPLE = [person(seed) for seed in range(3)]
MOVED = VECTOR.start() + VECTOR.rows(VECTOR.start(), PEOPLE).mean(axis=0)


@pytest.fixture(scope="module")
def gains() -> FloatArray:
    return rmse_gains(VECTOR, MOVED, PEOPLE, HORIZONS)


def test_the_public_start_gains_nothing_over_itself() -> None:
    assert rmse_gains(VECTOR, VECTOR.start(), PEOPLE[:1], HORIZONS).tolist() == [[0.0, 0.0]]


def test_a_gain_is_the_error_before_less_the_error_after_by_hand(gains: FloatArray) -> None:
    one = PEOPLE[1]
    assert one.held_out is not None
    errors = []
    for weights in (PUBLIC, VECTOR.weights(MOVED)):
        known = batch_of([one.windows], 600)
        latent = fit_latents(torch.from_numpy(weights), known)[0].numpy().astype(float)
        miss = predict(weights, latent, one.held_out) - one.held_out.target
        errors.append(np.sqrt(np.nanmean(miss**2, axis=0))[[0, 2]])
    np.testing.assert_allclose(gains[1], errors[0] - errors[1])
    assert np.abs(gains[1]).max() > 0.0


def test_a_row_depends_on_its_own_patient_alone(gains: FloatArray) -> None:
    again = rmse_gains(VECTOR, MOVED, PEOPLE[::-1], HORIZONS)[::-1]
    assert again.tobytes() == gains.tobytes()
    assert rmse_gains(VECTOR, MOVED, PEOPLE[1:2], HORIZONS).tobytes() == gains[1:2].tobytes()


def test_who_has_nothing_to_be_judged_by_has_no_gain() -> None:
    one = PEOPLE[0]
    assert one.held_out is not None
    nothing = one.held_out.where(np.arange(0))
    unread = replace(one.held_out, target=np.full_like(one.held_out.target, np.nan))
    cases = [
        replace(one, held_out=None),
        replace(one, held_out=nothing),
        replace(one, windows=nothing),
        replace(one, held_out=unread),
    ]
    assert np.isnan(rmse_gains(VECTOR, MOVED, cases, HORIZONS)).all()
    assert rmse_gains(VECTOR, MOVED, [], HORIZONS).shape == (0, 2)
