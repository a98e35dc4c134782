"""Forecasts: the physiology's path plus the body's bounded correction, and how far they miss.

The path ahead of an origin is linearised around the physiology's own: a disturbance d_k and a
change m of ln insulin sensitivity move glucose at horizon h by sum_k response_hk d_k + slope_h m.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.correction import correct
from models.heads import LATENT
from models.trace import FloatArray
from models.windows import Windows

ERROR_SCALE_MG_DL = {30: 20.0, 60: 32.0, 120: 45.0}
"""Typical errors of persistence by horizon: the unit in which a horizon's error is counted."""

WINDOWS_PER_INDEPENDENT_ONE = 12
"""Neighbouring 5-minute windows share their history; about one an hour says something new."""


class ForecastError(ValueError):
    """Windows or horizons that cannot be forecast."""


class Batch(NamedTuple):
    """Windows of P patients padded to the same W, as float32 tensors; `known` masks the padding.

    features (P, W, F), start and slope (P, W, H), response (P, W, H, 3), target (P, W, H) with 0
    where unknown, known (P, W, H) 1 or 0, scale (H,) mg/dL.
    """

    features: Tensor
    start: Tensor
    response: Tensor
    slope: Tensor
    target: Tensor
    known: Tensor
    scale: Tensor

    def part(self, *place: Tensor | int) -> "Batch":
        """What stands at these places of the leading axes: one patient, or a list of windows."""
        chosen = {name: getattr(self, name)[place] for name in self._fields if name != "scale"}
        return Batch(**chosen, scale=self.scale)


PATIENT_AXIS = Batch(0, 0, 0, 0, 0, 0, None)  # type: ignore[arg-type]
"""`in_dims` of a Batch for torch.func.vmap over patients."""


def batch_of(windows: Sequence[Windows], at_most: int) -> Batch:
    """The windows of several patients, at most so many of each, evenly spaced in time."""
    thin = [one.thinned(at_most) for one in windows]
    width = max((len(one) for one in thin), default=0)
    if not width:
        raise ForecastError(
            f"found no forecast window in {len(windows)} patients; expected at least one. "
            "Nothing was trained. Give patients with two hours of readings in a row."
        )
    target = _padded([one.target for one in thin], width, np.nan)
    known = np.isfinite(target)
    return Batch(
        features=_tensor(_padded([one.features for one in thin], width)),
        start=_tensor(_padded([one.start for one in thin], width)),
        response=_tensor(_padded([one.response for one in thin], width)),
        slope=_tensor(_padded([one.sensitivity_slope for one in thin], width)),
        target=_tensor(np.where(known, target, 0.0)),
        known=_tensor(known),
        scale=error_scale(thin[0].horizons_min),
    )


def error_scale(horizons_min: Sequence[int]) -> Tensor:
    """Error scale of each horizon, mg/dL, (H,)."""
    missing = set(horizons_min) - set(ERROR_SCALE_MG_DL)
    if missing:
        raise ForecastError(
            f"found horizons {sorted(missing)} min; expected some of {sorted(ERROR_SCALE_MG_DL)}. "
            "Nothing was forecast. Name these horizons in the protocol."
        )
    return torch.tensor([ERROR_SCALE_MG_DL[minutes] for minutes in horizons_min])


def forecast(weights: Tensor, latent: Tensor, batch: Batch) -> Tensor:
    """Glucose in mg/dL at each horizon, (W, H), for windows without patient axis.

    latent: (LATENT,) or one row a window, (W, LATENT).
    """
    correction = correct(weights, batch.features, latent)
    moved = torch.einsum("...hk,...k->...h", batch.response, correction.disturbance_mg_dl_min)
    return batch.start + moved + batch.slope * correction.log_sensitivity[..., None]


def window_losses(weights: Tensor, latent: Tensor, batch: Batch) -> Tensor:
    """Squared error of each window in the horizons' scales, unknown targets left out, (W,)."""
    miss = (forecast(weights, latent, batch) - batch.target) / batch.scale
    return (batch.known * miss**2).sum(dim=-1)


def patient_loss(weights: Tensor, latent: Tensor, batch: Batch) -> Tensor:
    """One patient's mean loss over windows that have a target; 0 for a patient without any."""
    windows = (batch.known.sum(dim=-1) > 0).sum().clamp_min(1)
    return window_losses(weights, latent, batch).sum() / windows


def predict(weights: npt.NDArray[np.float32], latent: FloatArray, windows: Windows) -> FloatArray:
    """Forecast of one patient's windows, mg/dL, (W, H)."""
    batch = batch_of([windows], at_most=len(windows)).part(0)
    with torch.no_grad():
        glucose = forecast(torch.from_numpy(weights), _tensor(latent), batch)
    return glucose.numpy().astype(np.float64)


def fit_latents(
    weights: Tensor,
    batch: Batch,
    steps: int = 60,
    rate: float = 0.05,
    first: Tensor | None = None,
) -> Tensor:
    """Latent vector of each patient by MAP under N(0, I) with the body held fixed, (P, LATENT).

    `first`, latent vectors under a body much like this one, is where to begin instead of at 0.

    Patients do not see each other: their objectives are summed and Adam is elementwise.
    """
    losses = torch.func.vmap(patient_loss, in_dims=(None, 0, PATIENT_AXIS))
    counts = (batch.known.sum(dim=-1) > 0).sum(dim=-1) / WINDOWS_PER_INDEPENDENT_ONE
    zero = torch.zeros(len(batch.features), LATENT) if first is None else first.clone()
    latents = zero.requires_grad_(True)
    optimiser = torch.optim.Adam([latents], lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        energy = counts * losses(weights, latents, batch) + (latents**2).sum(dim=-1)
        energy.sum().backward()
        optimiser.step()
    return latents.detach()


def _padded(arrays: Sequence[FloatArray], width: int, fill: float = 0.0) -> FloatArray:
    out = np.full((len(arrays), width, *arrays[0].shape[1:]), fill)
    for place, array in enumerate(arrays):
        out[place, : len(array)] = array
    return out


def _tensor(values: FloatArray | npt.NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
