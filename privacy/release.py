"""The release step: one row per patient, clipped, summed on a grid, noised.

Clipping, bookkeeping and hooks are Opacus'; two things differ. Each clipped row is cut to a grid of
C/2^16 before it is added, so that the sum is one of integers and floating point cannot leak (Jin et
al., arXiv 2112.05307). Cut towards zero, not rounded: no row grows, so one patient still moves the
sum by C at most and the noise need not be widened. And the noise, whole grid steps too, comes from
a `NoiseSource`, never from torch's generator.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from opacus.optimizers import DPOptimizer
from opacus.optimizers.optimizer import _check_processed_flag, _mark_as_processed

from privacy.canonical import RELEASE, canonical_sha256
from privacy.grid import GRID_STEPS
from privacy.noise import NoiseSource

FloatArray = npt.NDArray[np.float64]


class ReleaseError(ValueError):
    """A release that cannot be made; nothing left."""


@dataclass(frozen=True)
class Release:
    """What may leave: `values` (d,) in the unit of the rows, and the hash its receipt will bear."""

    values: FloatArray
    sha256: str


class PatientDPOptimizer(DPOptimizer):  # type: ignore[misc]  # opacus ships no types
    """Opacus' DPOptimizer over one flat parameter (d,) whose `grad_sample` has one row a patient.

    After `step()` the parameter's `grad` is the noised sum in grid steps of C/2^16: whole numbers.
    """

    def __init__(
        self, parameter: torch.nn.Parameter, *, sigma: float, clip_norm: float, noise: NoiseSource
    ) -> None:
        super().__init__(
            torch.optim.SGD([parameter], lr=0.0),
            noise_multiplier=sigma,
            max_grad_norm=clip_norm,
            expected_batch_size=None,
            loss_reduction="sum",
        )
        self.noise = noise

    @property
    def grid(self) -> float:
        """One grid step in the unit of the rows: C/2^16."""
        return float(self.max_grad_norm) / GRID_STEPS

    def clip_and_accumulate(self) -> None:
        """Opacus' clip of one patient after the other, each cut to the grid before it is added."""
        (parameter,) = self.params
        rows, total = parameter.grad_sample, parameter.summed_grad
        _check_processed_flag(rows)
        if total is None:
            total = torch.zeros_like(parameter, requires_grad=False)
        for row in rows:
            parameter.grad_sample, parameter.summed_grad = row[None].clone(), None
            super().clip_and_accumulate()
            total = total + torch.trunc(parameter.summed_grad / self.grid)
        parameter.grad_sample, parameter.summed_grad = rows, total
        _mark_as_processed(rows)

    def add_noise(self) -> None:
        """Integer noise of standard deviation sigma * C, which is sigma * 2^16 grid steps."""
        (parameter,) = self.params
        _check_processed_flag(parameter.summed_grad)
        steps = self.noise.integers(self.noise_multiplier * GRID_STEPS, parameter.numel())
        drawn = torch.from_numpy(steps).to(parameter.dtype)
        parameter.grad = (parameter.summed_grad + drawn).view_as(parameter)
        _mark_as_processed(parameter.summed_grad)


def release_sum(
    rows: FloatArray, clip_norm: float, sigma: float, noise: NoiseSource, name: str = RELEASE
) -> Release:
    """Sum of `rows` (P, d), each clipped to norm C, plus noise of sigma * C; P may be 0.

    A row with a value that is not finite counts as zero, as if that patient were absent. `name` is
    what the vector leaves under; its receipt binds it.
    """
    optimizer = optimizer_over(rows, clip_norm, sigma, noise)
    optimizer.step()
    values: FloatArray = optimizer.params[0].grad.numpy() * optimizer.grid
    return Release(values=values, sha256=canonical_sha256({name: values}))


def optimizer_over(
    rows: FloatArray, clip_norm: float, sigma: float, noise: NoiseSource
) -> PatientDPOptimizer:
    """The optimizer that is about to release the sum of `rows` (P, d): one step, then done."""
    _check(rows, clip_norm, sigma)
    finite = np.isfinite(rows).all(axis=1, keepdims=True)
    parameter = torch.nn.Parameter(torch.zeros(rows.shape[1], dtype=torch.float64))
    optimizer = PatientDPOptimizer(parameter, sigma=sigma, clip_norm=clip_norm, noise=noise)
    parameter.grad_sample = torch.from_numpy(np.where(finite, rows, 0.0))  # type: ignore[attr-defined]
    return optimizer


def _check(rows: FloatArray, clip_norm: float, sigma: float) -> None:
    shaped = rows.ndim == 2 and rows.shape[1] > 0 and rows.dtype == np.float64
    if not shaped:
        raise ReleaseError(
            f"found rows of shape {rows.shape} and type {rows.dtype}; expected (patients, d) of "
            "float64. Nothing was released. What to do: give one row a patient."
        )
    for name, value in (("clip norm", clip_norm), ("noise multiplier", sigma)):
        if not (np.isfinite(value) and value > 0):
            raise ReleaseError(
                f"found a {name} of {value}; expected a finite number above 0. Nothing was "
                "released. What to do: take it from the protocol."
            )
