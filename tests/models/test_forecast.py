import numpy as np
import pytest
import torch

from models.correction import BODY_DIMENSION, initial_weights, unflatten
from models.forecast import (
    ForecastError,
    batch_of,
    error_scale,
    fit_latents,
    patient_loss,
    predict,
    window_losses,
)
from models.heads import LATENT, prior_head
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.windows import Windows, windows_of
from tests.models.people import made_up_trace, made_up_windows


def some_weights(scale: float = 0.1) -> torch.Tensor:
    noise = torch.randn(BODY_DIMENSION, generator=torch.Generator().manual_seed(5))
    return initial_weights(0) + scale * noise


def with_constant_outputs(*outputs: float) -> torch.Tensor:
    """Weights whose last layer says these numbers before the bound, whatever it sees."""
    weights = initial_weights(0)
    unflatten(weights)["last.bias"][:] = torch.atanh(torch.tensor(outputs))
    return weights


def test_without_correction_the_forecast_is_the_physiologys() -> None:
    windows = made_up_windows(doses=True)
    said = predict(initial_weights(0).numpy(), np.zeros(LATENT), windows)
    np.testing.assert_allclose(said, windows.start, rtol=1e-5)


def test_a_disturbance_and_a_sensitivity_move_it_by_their_slopes() -> None:
    windows = made_up_windows(doses=True)
    weights = with_constant_outputs(0.1, -0.05, 0.02, 0.4)
    said = predict(weights.numpy(), np.zeros(LATENT), windows)
    moved = windows.response @ np.array([0.2, -0.1, 0.04]) + 0.2 * windows.sensitivity_slope
    np.testing.assert_allclose(said - windows.start, moved, atol=2e-3)


def test_the_straight_line_stands_for_the_whole_model() -> None:
    """Forecast with m and d against the full equations, changed from the origin on, mg/dL."""
    trace = made_up_trace(doses=True)
    head = prior_head()
    inputs = physiology_inputs(trace, head.background)
    windows = windows_of(trace, head)
    base = head.values["Gb"]
    quiet = open_loop(head.theta, inputs, base).interstitial_mg_dl[0]
    for origin in (310, 400, 560):
        place = int(np.flatnonzero(windows.origin == origin)[0])
        moved = windows.response[place] @ np.array([0.5, -0.5, 0.3])
        moved = moved + 0.15 * windows.sensitivity_slope[place]
        ahead = np.arange(len(trace)) - origin
        push = np.select([ahead < 0, ahead < 6, ahead < 12, ahead < 24], [0.0, 0.5, -0.5, 0.3])
        sensitivity = np.where(ahead >= 0, 0.15, 0.0)
        bent = open_loop(head.theta, inputs, base, sensitivity, push).interstitial_mg_dl[0]
        exact = (bent - quiet)[origin + np.array([6, 12, 24])]
        np.testing.assert_allclose(moved, exact, atol=2.0)


def test_losses_by_hand() -> None:
    windows = made_up_windows()
    batch = batch_of([windows], len(windows))
    weights = initial_weights(0)
    losses = window_losses(weights, torch.zeros(LATENT), batch.part(0)).numpy()
    miss = (windows.start - windows.target) / np.array([20.0, 32.0, 45.0])
    np.testing.assert_allclose(losses, np.nansum(miss**2, axis=1), rtol=1e-4, atol=1e-5)
    mean = patient_loss(weights, torch.zeros(LATENT), batch.part(0))
    assert float(mean) == pytest.approx(losses.mean(), rel=1e-5)


def test_padding_changes_nothing() -> None:
    short, long = made_up_windows(0).thinned(40), made_up_windows(1)
    alone, padded = batch_of([short], 1000), batch_of([short, long], 1000)
    weights, latent = some_weights(), torch.zeros(LATENT)
    assert patient_loss(weights, latent, alone.part(0)) == pytest.approx(
        float(patient_loss(weights, latent, padded.part(0))), rel=1e-6
    )


def test_a_patient_without_targets_has_no_loss() -> None:
    windows = made_up_windows().thinned(20)
    silent = Windows(**{**windows.__dict__, "target": np.full_like(windows.target, np.nan)})
    batch = batch_of([silent], 20)
    assert float(patient_loss(some_weights(), torch.zeros(LATENT), batch.part(0))) == 0.0


def test_the_forecast_is_differentiable_to_central_differences() -> None:
    batch = batch_of([made_up_windows(doses=True)], 30).part(0)
    batch = type(batch)(*(tensor.double() for tensor in batch))
    weights = some_weights().double()
    latent = torch.zeros(LATENT, dtype=torch.float64)
    slope = torch.func.grad(patient_loss)(weights, latent, batch)
    direction = torch.randn(BODY_DIMENSION, generator=torch.Generator().manual_seed(1)).double()
    step = 1e-5
    up = patient_loss(weights + step * direction, latent, batch)
    down = patient_loss(weights - step * direction, latent, batch)
    assert float(slope @ direction) == pytest.approx(float(up - down) / (2 * step), rel=1e-4)


def test_latents_are_fitted_patient_by_patient() -> None:
    weights = some_weights(0.3)
    first, second = made_up_windows(0), made_up_windows(1)
    together = fit_latents(weights, batch_of([first, second], 200))
    alone = fit_latents(weights, batch_of([first], 200))
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_a_fitted_latent_helps_its_patient() -> None:
    weights, batch = some_weights(0.3), batch_of([made_up_windows(0)], 400)
    latent = fit_latents(weights, batch)[0]
    with_latent = patient_loss(weights, latent, batch.part(0))
    assert with_latent < patient_loss(weights, torch.zeros(LATENT), batch.part(0))


def test_forecasts_are_finite_numbers_of_the_right_shape() -> None:
    windows = windows_of(made_up_trace(sensor_period_min=15), prior_head())
    said = predict(some_weights().numpy(), np.zeros(LATENT), windows)
    assert said.shape == (len(windows), 3) and np.isfinite(said).all()


def test_unknown_horizons_are_refused() -> None:
    with pytest.raises(ForecastError, match=r"horizons \[45\] min.*Nothing was forecast"):
        error_scale((30, 45))


def test_nobody_to_learn_from_is_refused() -> None:
    empty = made_up_windows().where(np.zeros(0, dtype=np.int64))
    with pytest.raises(ForecastError, match="no forecast window in 1 patients"):
        batch_of([empty], 10)
