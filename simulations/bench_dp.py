"""What privacy costs a step of the whole body: a row for each patient, clipping, grid, noise."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from models.body import WINDOWS_A_PATIENT
from models.forecast import PATIENT_AXIS, Batch, batch_of, fit_latents, patient_loss
from models.trace import FloatArray
from models.windows import windows_of
from privacy.noise import ExactNoise
from privacy.release import release_sum
from simulations.minimal_world import draw_patients
from study.public_start import read_public_start

PATIENTS, DAYS = 16, 4
REPEATS = 7
SIGMA, CLIP_NORM = 1.0, 1.0


def rows() -> Iterator[dict[str, Any]]:
    """One row: seconds of a private step, and of a plain gradient over the same windows."""
    body, latents, batch = people()
    private = median_seconds(lambda: private_step(body, latents, batch))
    plain = median_seconds(lambda: plain_step(body, latents, batch))
    yield {
        "name": "dp_step",
        "ours_s": private,
        "rival": "the same step without privacy",
        "rival_s": plain,
        "note": f"{PATIENTS} patients of {WINDOWS_A_PATIENT} windows at most, {len(body)} weights, "
        f"median of {REPEATS}: a gradient for each patient, clipped, on a grid, with exact noise, "
        "beside one gradient of the mean loss",
    }


def people() -> tuple[torch.Tensor, torch.Tensor, Batch]:
    """The shipped body, and latents and windows of virtual people."""
    drawn = draw_patients(PATIENTS, DAYS, np.random.default_rng(1))
    windows = [windows_of(one.trace, one.head) for one in drawn]
    body = torch.from_numpy(read_public_start().weights)
    batch = batch_of(windows, WINDOWS_A_PATIENT)
    return body, fit_latents(body, batch, steps=5), batch


def private_step(body: torch.Tensor, latents: torch.Tensor, batch: Batch) -> FloatArray:
    """The released sum of every patient's clipped gradient, (d,)."""
    gradients = torch.func.vmap(torch.func.grad(patient_loss), in_dims=(None, 0, PATIENT_AXIS))
    each = gradients(body, latents, batch).double().numpy()
    return release_sum(each, CLIP_NORM, SIGMA, ExactNoise()).values


def plain_step(body: torch.Tensor, latents: torch.Tensor, batch: Batch) -> FloatArray:
    """The gradient of the mean loss, (d,)."""
    losses = torch.func.vmap(patient_loss, in_dims=(None, 0, PATIENT_AXIS))

    def mean(weights: torch.Tensor) -> torch.Tensor:
        return losses(weights, latents, batch).mean()

    gradient: FloatArray = torch.func.grad(mean)(body).double().numpy()
    return gradient


def median_seconds(work: Callable[[], object]) -> float:
    """Median of several runs, after one that is not counted."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))
