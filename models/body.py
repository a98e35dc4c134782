"""All weights of the body shared: for clinics with fifty patients or more.

Patient i answers with how far his own windows move the body: the negative gradient of his mean loss
(one local step), or the change after K steps of Adam on his windows alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.correction import BODY_DIMENSION
from models.forecast import batch_of, fit_latents, patient_loss
from models.sharing import PatientData, WeightArray
from models.trace import FloatArray
from models.windows import Windows

WINDOWS_A_PATIENT = 600
"""A public cap on the windows behind one row; more say little new."""

LOCAL_RATE = 1e-3
ADAM_DECAY = (0.9, 0.99)


@dataclass(frozen=True)
class WholeBody:
    """SharedVector "body": the body's weights themselves.

    `unit` is the public median norm of a row with `local_steps`, so that rows have norm near 1.
    """

    public_weights: WeightArray = field(repr=False)
    local_steps: int
    unit: float = 1.0
    kind: str = "body"

    @property
    def dimension(self) -> int:
        """BODY_DIMENSION."""
        return BODY_DIMENSION

    def start(self) -> FloatArray:
        """The public start in units of `unit`."""
        return self.public_weights.astype(np.float64) / self.unit

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        """Each patient's own change of the body, in units of `unit`, (P, BODY_DIMENSION)."""
        out = np.zeros((len(patients), BODY_DIMENSION))
        able = [place for place, patient in enumerate(patients) if len(patient.windows)]
        if able:
            body = torch.from_numpy(self.weights(shared))
            windows = [patients[place].windows for place in able]
            change = [self._change(body, one) for one in windows]
            out[able] = torch.stack(change).double().numpy() / self.unit
        return out

    def weights(self, shared: FloatArray) -> WeightArray:
        """The shared vector in plain weights."""
        return (shared * self.unit).astype(np.float32)

    def prior_variance(self) -> FloatArray:
        """No coordinate is known to move more than another: ones."""
        return np.ones(BODY_DIMENSION)

    def _change(self, body: Tensor, windows: Windows) -> Tensor:
        """Change of the body by one patient, (BODY_DIMENSION,)."""
        batch = batch_of([windows], WINDOWS_A_PATIENT)
        with torch.enable_grad():
            latent = fit_latents(body, batch)[0]
        slope = torch.func.grad(patient_loss)
        one = batch.part(0)
        if self.local_steps == 1:
            gradient: Tensor = slope(body, latent, one)
            return -gradient
        moved, first, second = body, torch.zeros_like(body), torch.zeros_like(body)
        for step in range(1, self.local_steps + 1):
            gradient = slope(moved, latent, one)
            first = torch.lerp(gradient, first, ADAM_DECAY[0])
            second = torch.lerp(gradient**2, second, ADAM_DECAY[1])
            scale = torch.sqrt(second / (1 - ADAM_DECAY[1] ** step)) + 1e-6
            moved = moved - LOCAL_RATE * first / (1 - ADAM_DECAY[0] ** step) / scale
        change: Tensor = moved - body
        return change
