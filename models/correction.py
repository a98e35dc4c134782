"""The shared body: a small network that bends a twin, and never sees insulin or carbs.

It looks at recent glucose, the residual of the physiology, time of day, steps and the head's latent
vector, and returns a bounded disturbance of dG/dt and a bounded multiplier of insulin sensitivity.
With the last layer at zero the twin is its physiology alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import silu

from models.heads import LATENT

LAGS = 23
FEATURES = (
    *(f"change_over_{5 * (LAGS - i)}_min" for i in range(LAGS)),
    "glucose_level",
    "physiology_residual",
    "sine_of_day",
    "cosine_of_day",
    "sensor_is_15_min",
    "inputs_known",
    "steps_last_hour",
)
DISTURBANCE_INTERVALS = 3
DISTURBANCE_BOUND_MG_DL_MIN = 2.0
LOG_SENSITIVITY_BOUND = 0.5

_INPUTS = len(FEATURES) + LATENT
_HIDDEN = (64, 32)
_OUTPUTS = DISTURBANCE_INTERVALS + 1
SHAPES: dict[str, tuple[int, ...]] = {
    "first.weight": (_HIDDEN[0], _INPUTS),
    "first.bias": (_HIDDEN[0],),
    "second.weight": (_HIDDEN[1], _HIDDEN[0]),
    "second.bias": (_HIDDEN[1],),
    "last.weight": (_OUTPUTS, _HIDDEN[1] + _INPUTS),
    "last.bias": (_OUTPUTS,),
}
OUTPUT_DIMENSION = _OUTPUTS * (_HIDDEN[1] + _INPUTS + 1)
BODY_DIMENSION = sum(torch.Size(shape).numel() for shape in SHAPES.values())


@dataclass(frozen=True)
class Correction:
    """What the network says at each forecast origin; leading shape (...,) is that of its input.

    disturbance_mg_dl_min: (..., 3) additive to dG/dt over 0-30, 30-60 and 60-120 min, within +-2.
    log_sensitivity: (...,) natural log of the multiplier of insulin sensitivity, within +-0.5.
    """

    disturbance_mg_dl_min: Tensor
    log_sensitivity: Tensor


def initial_weights(seed: int) -> Tensor:
    """Flat float32 weights (BODY_DIMENSION,): random hidden layers, last layer zero."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for name, shape in SHAPES.items():
        scale = 0.0 if name.startswith("last") or len(shape) == 1 else shape[1] ** -0.5
        parts.append(scale * torch.randn(shape, generator=generator).flatten())
    return torch.cat(parts)


def unflatten(weights: Tensor) -> dict[str, Tensor]:
    """The named layers of a flat vector (BODY_DIMENSION,)."""
    sizes = [torch.Size(shape).numel() for shape in SHAPES.values()]
    pieces = torch.split(weights, sizes)
    return {
        name: piece.reshape(shape)
        for (name, shape), piece in zip(SHAPES.items(), pieces, strict=True)
    }


def last_layer_inputs(weights: Tensor, features: Tensor, latent: Tensor) -> Tensor:
    """What the last, linear layer sees: hidden units and the inputs themselves, (W, 32 + inputs).

    features: (W, len(FEATURES)); latent: (LATENT,), the same for all of one patient's windows.
    """
    layer = unflatten(weights)
    inputs = torch.cat([features, latent.expand(*features.shape[:-1], LATENT)], dim=-1)
    hidden = silu(inputs @ layer["first.weight"].T + layer["first.bias"])
    hidden = silu(hidden @ layer["second.weight"].T + layer["second.bias"])
    return torch.cat([hidden, inputs], dim=-1)


def correct(weights: Tensor, features: Tensor, latent: Tensor) -> Correction:
    """The bounded correction at each window of one patient."""
    layer = unflatten(weights)
    seen = last_layer_inputs(weights, features, latent)
    bounded = torch.tanh(seen @ layer["last.weight"].T + layer["last.bias"])
    return Correction(
        disturbance_mg_dl_min=DISTURBANCE_BOUND_MG_DL_MIN * bounded[..., :DISTURBANCE_INTERVALS],
        log_sensitivity=LOG_SENSITIVITY_BOUND * bounded[..., DISTURBANCE_INTERVALS],
    )
