"""The body's last layer moved within a public subspace: what tens of patients can afford to share.

Around the public start the forecast is linear in the k coordinates v. Patient i answers with the
step of a ridge regression on his own windows,

    (A_i + 0.3 max(tr A_i / tr P, 1) P)^-1 (b_i - A_i v),

where A_i and b_i are means of J'J and J'e over his windows and P is the public curvature. The ridge
grows with his own curvature: people whose glucose swings more would otherwise answer with noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from models.correction import (
    DISTURBANCE_BOUND_MG_DL_MIN,
    DISTURBANCE_INTERVALS,
    LOG_SENSITIVITY_BOUND,
    OUTPUT_DIMENSION,
    last_layer_inputs,
    unflatten,
)
from models.forecast import Batch, batch_of, fit_latents, forecast
from models.sharing import PatientData, WeightArray
from models.trace import FloatArray
from models.windows import Windows

WINDOWS_A_PATIENT = 1500
"""A public cap on the windows behind one row; more say little new."""

RIDGE = 0.3
"""Weight of the ridge against the curvature; from virtual federations."""

FLOOR = 1e-5
"""Share of the mean public curvature below which a direction is taken as unseen."""


LEAST_EVIDENCE = 6.0
"""ln likelihood by which a release must say more than noise would, or it moves nothing. In virtual
studies of 21 people at epsilon 2 nine in ten then move nothing, and one clinic in a hundred ends
worse off (at 1.35, one in sixteen); of 72 people hardly any is held back. docs/decisions/004."""


@dataclass(frozen=True)
class Quadratic:
    """Mean over a patient's windows of J'J, (m, m), and J'e, (m,), in units of the loss."""

    curvature: FloatArray
    slope: FloatArray

    def within(self, basis: FloatArray) -> "Quadratic":
        """The same in the coordinates of a basis (m, k)."""
        return Quadratic(basis.T @ self.curvature @ basis, basis.T @ self.slope)

    def leading(self, k: int) -> "Quadratic":
        """The same in the first k coordinates."""
        return Quadratic(self.curvature[:k, :k], self.slope[:k])


@dataclass(frozen=True)
class Adapter:
    """SharedVector "adapter": body = public start + basis v on its last layer.

    basis (OUTPUT_DIMENSION, k); curvature (k,) the diagonal of P; variance (k,) of the coordinates
    over public people, relative. Rows are in units of the median public row. `wider` is an adapter
    of more directions, these first, that knows patients already.
    """

    public_weights: WeightArray = field(repr=False)
    basis: FloatArray = field(repr=False)
    curvature: FloatArray = field(repr=False)
    variance: FloatArray = field(repr=False)
    kind: str = "adapter"
    wider: "Adapter | None" = field(default=None, repr=False, compare=False)
    _known: dict[int, tuple[Windows, Quadratic]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def dimension(self) -> int:
        """k, the number of public directions."""
        return int(self.basis.shape[1])

    def narrowed(self, k: int) -> "Adapter":
        """The adapter of the first k directions, which asks this one for each patient's windows."""
        return replace(
            self,
            basis=self.basis[:, :k],
            curvature=self.curvature[:k],
            variance=self.variance[:k],
            wider=self,
        )

    def start(self) -> FloatArray:
        """The origin: the public start itself."""
        return np.zeros(self.dimension)

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        """Ridge step of each patient from `shared`, (P, k)."""
        steps = [self._step(shared, patient) for patient in patients]
        return np.stack(steps) if steps else np.zeros((0, self.dimension))

    def weights(self, shared: FloatArray) -> WeightArray:
        """The public start with its last layer moved by basis times `shared`."""
        moved = self.public_weights.copy()
        moved[-OUTPUT_DIMENSION:] += (self.basis @ shared).astype(np.float32)
        return moved

    def prior_variance(self) -> FloatArray:
        """Variance of each coordinate over public people, mean 1, (k,)."""
        relative: FloatArray = self.variance / self.variance.mean()
        return relative

    def _step(self, shared: FloatArray, patient: PatientData) -> FloatArray:
        if not len(patient.windows):
            return np.zeros(self.dimension)
        return ridge_step(self._quadratic(patient.windows), self.curvature, shared)

    def _quadratic(self, windows: Windows) -> Quadratic:
        """A_i and b_i, the same in every round; kept beside the windows that they are of."""
        if self.wider is not None:
            return self.wider._quadratic(windows).leading(self.dimension)
        if id(windows) not in self._known:
            full = quadratic(self.public_weights, batch_of([windows], WINDOWS_A_PATIENT))
            self._known[id(windows)] = windows, full.within(self.basis)
        return self._known[id(windows)][1]


def quadratic(weights: WeightArray, batch: Batch) -> Quadratic:
    """A_i and b_i of one patient's batch (P = 1) over all last-layer weights, by Gauss-Newton.

    His latent vector is fitted first, with the body at `weights`; the tanh bounds are linearised.
    """
    body = torch.from_numpy(weights)
    with torch.enable_grad():
        latent = fit_latents(body, batch)[0]
    one = batch.part(0)
    with torch.no_grad():
        seen = last_layer_inputs(body, one.features, latent)
        layer = unflatten(body)
        bounded = torch.tanh(seen @ layer["last.weight"].T + layer["last.bias"])
        miss = one.known * (one.target - forecast(body, latent, one)) / one.scale
        gain = _effect_of_outputs(one) * (1 - bounded**2)[:, None, :]
    return _normal_equations(seen, gain * (one.known / one.scale)[..., None], miss)


def _effect_of_outputs(batch: Batch) -> Tensor:
    """mg/dL at each horizon per unit of each bounded output, (W, H, 4)."""
    disturbance = DISTURBANCE_BOUND_MG_DL_MIN * batch.response[..., :DISTURBANCE_INTERVALS]
    sensitivity = LOG_SENSITIVITY_BOUND * batch.slope[..., None]
    return torch.cat([disturbance, sensitivity], dim=-1)


def _normal_equations(seen: Tensor, gain: Tensor, miss: Tensor) -> Quadratic:
    """J'J and J'e for J = gain (x) [seen, 1], in the last layer's order: weights, then bias."""
    windows, horizons, outputs = gain.shape
    weight = torch.einsum("who,wi->whoi", gain, seen).reshape(windows * horizons, -1)
    jacobian = torch.cat([weight, gain.reshape(windows * horizons, outputs)], dim=1).double()
    count = max(int((gain.abs().sum(dim=(1, 2)) > 0).sum()), 1)
    return Quadratic(
        curvature=(jacobian.T @ jacobian / count).numpy(),
        slope=(jacobian.T @ miss.reshape(-1).double() / count).numpy(),
    )


def ridge_step(one: Quadratic, public_curvature: FloatArray, shared: FloatArray) -> FloatArray:
    """A patient's row, (k,), from his quadratic in the adapter's coordinates."""
    swing = np.trace(one.curvature) / public_curvature.sum()
    ridge = RIDGE * max(swing, 1.0) * np.diag(public_curvature)
    step: FloatArray = np.linalg.solve(one.curvature + ridge, one.slope - one.curvature @ shared)
    return step


def learn_basis(people: Sequence[Quadratic], k: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Basis (m, k), curvature (k,) and variance (k,) of an adapter, from public people.

    Coordinates are orthonormal for the mean public curvature; directions are the leading ones of
    the people's own ridge solutions; each is scaled by the root of its size over people, and all by
    the median norm of a public person's row.
    """
    whiten = _whitening(np.mean([one.curvature for one in people], axis=0))
    identity = np.eye(whiten.shape[1])
    seen = [one.within(whiten) for one in people]
    solutions = np.stack(
        [np.linalg.solve(one.curvature + RIDGE * identity, one.slope) for one in seen]
    )
    directions = np.linalg.svd(solutions, full_matrices=False)[2][:k]
    size = np.sqrt(((solutions @ directions.T) ** 2).mean(axis=0))
    basis = whiten @ directions.T * np.sqrt(size)
    rest = np.zeros(len(size))
    unit = np.median([np.linalg.norm(ridge_step(one.within(basis), size, rest)) for one in people])
    return basis * unit, size * unit**2, size


def _whitening(curvature: FloatArray) -> FloatArray:
    """W with W' curvature W = I, up to a floor where the public data say nothing."""
    level = FLOOR * np.trace(curvature) / len(curvature)
    values, vectors = np.linalg.eigh(curvature + level * np.eye(len(curvature)))
    whitening: FloatArray = vectors / np.sqrt(values)
    return whitening
