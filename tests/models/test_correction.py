import pytest
import torch

from models.correction import (
    BODY_DIMENSION,
    DISTURBANCE_BOUND_MG_DL_MIN,
    FEATURES,
    LOG_SENSITIVITY_BOUND,
    OUTPUT_DIMENSION,
    correct,
    initial_weights,
    last_layer_inputs,
    unflatten,
)
from models.heads import LATENT


def random_weights(scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(BODY_DIMENSION, generator=torch.Generator().manual_seed(1))


def random_features(windows: int = 7) -> torch.Tensor:
    return torch.randn(windows, len(FEATURES), generator=torch.Generator().manual_seed(2))


def test_no_insulin_and_no_carbs_among_the_features() -> None:
    forbidden = ("insulin", "bolus", "basal", "carb", "meal", "dose")
    assert not [name for name in FEATURES if any(word in name for word in forbidden)]


def test_an_untrained_body_corrects_nothing() -> None:
    said = correct(initial_weights(3), random_features(), torch.ones(LATENT))
    assert torch.equal(said.disturbance_mg_dl_min, torch.zeros(7, 3))
    assert torch.equal(said.log_sensitivity, torch.zeros(7))


def test_hidden_layers_of_an_untrained_body_are_random_and_reproducible() -> None:
    assert torch.equal(initial_weights(3), initial_weights(3))
    assert not torch.equal(initial_weights(3), initial_weights(4))
    assert unflatten(initial_weights(3))["first.weight"].std() > 0.05


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_correction_is_bounded_whatever_the_weights(scale: float) -> None:
    said = correct(random_weights(scale), 50 * random_features(), torch.ones(LATENT))
    assert said.disturbance_mg_dl_min.abs().max() <= DISTURBANCE_BOUND_MG_DL_MIN
    assert said.log_sensitivity.abs().max() <= LOG_SENSITIVITY_BOUND


def test_an_unbounded_correction_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "tanh", lambda x: x)
    said = correct(random_weights(100.0), 50 * random_features(), torch.ones(LATENT))
    assert said.disturbance_mg_dl_min.abs().max() > DISTURBANCE_BOUND_MG_DL_MIN


def test_unflatten_keeps_every_weight_in_order() -> None:
    weights = torch.arange(BODY_DIMENSION, dtype=torch.float32)
    layers = unflatten(weights)
    assert torch.equal(torch.cat([layer.flatten() for layer in layers.values()]), weights)


def test_the_last_layer_is_the_tail_of_the_flat_vector() -> None:
    weights = torch.zeros(BODY_DIMENSION)
    weights[-OUTPUT_DIMENSION:] = 1.0
    layers = unflatten(weights)
    assert layers["last.weight"].min() == 1.0 and layers["last.bias"].min() == 1.0
    assert layers["second.bias"].max() == 0.0


def test_the_last_layer_sees_hidden_units_features_and_latent() -> None:
    features, latent = random_features(), torch.arange(LATENT, dtype=torch.float32)
    seen = last_layer_inputs(random_weights(), features, latent)
    assert seen.shape == (7, 32 + len(FEATURES) + LATENT)
    assert torch.equal(seen[:, 32 : 32 + len(FEATURES)], features)
    assert torch.equal(seen[3, -LATENT:], latent)


def test_one_layer_computed_by_hand() -> None:
    weights = torch.zeros(BODY_DIMENSION)
    layers = unflatten(weights)
    level = FEATURES.index("glucose_level")
    layers["last.weight"][0, 32 + level] = 0.5
    layers["last.bias"][3] = -0.25
    features = torch.zeros(1, len(FEATURES))
    features[0, level] = 2.0
    said = correct(weights, features, torch.zeros(LATENT))
    assert said.disturbance_mg_dl_min[0, 0] == pytest.approx(2.0 * torch.tanh(torch.tensor(1.0)))
    assert said.log_sensitivity[0] == pytest.approx(0.5 * torch.tanh(torch.tensor(-0.25)))


def test_a_latent_row_a_window_equals_window_by_window() -> None:
    weights, features = random_weights(), random_features(3)
    latents = torch.randn(3, LATENT)
    together = correct(weights, features, latents).disturbance_mg_dl_min
    alone = [correct(weights, features[i : i + 1], latents[i]) for i in range(3)]
    assert torch.allclose(together, torch.cat([a.disturbance_mg_dl_min for a in alone]), atol=1e-6)
