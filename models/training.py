"""Training of the body on windows that may be seen together: public, one clinic's, or all."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.forecast import WINDOWS_PER_INDEPENDENT_ONE, Batch, window_losses
from models.heads import LATENT


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: `steps` of AdamW on `windows` random windows."""

    steps: int
    rate: float
    windows: int = 1024
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Trained:
    """Body weights (BODY_DIMENSION,) and the latent vectors that went with them, (P, LATENT)."""

    weights: Tensor
    latents: Tensor


def train(
    weights: Tensor, batch: Batch, schedule: Schedule, seed: int, latents: Tensor | None = None
) -> Trained:
    """The body after training on all patients of a batch together; heads' latents train along.

    Not private: what comes out depends on every patient, and is released by nobody. Windows are
    drawn patient by patient, a patient's chance being the root of how many windows he has.
    """
    body = weights.clone().requires_grad_(True)
    start = torch.zeros(len(batch.features), LATENT) if latents is None else latents.clone()
    heads = start.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        [
            {"params": [body], "weight_decay": schedule.weight_decay},
            {"params": [heads], "weight_decay": 0.0},
        ],
        lr=schedule.rate,
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.rate, total_steps=schedule.steps + 1, pct_start=0.1
    )
    draws = _Draws(batch, seed)
    for _ in range(schedule.steps):
        patients, windows = draws.next(schedule.windows)
        chosen = batch.part(patients, windows)
        misfit = window_losses(body, heads[patients], chosen).mean()
        belief = (heads[patients] ** 2).sum(dim=-1) / draws.independent_windows[patients]
        optimiser.zero_grad()
        (misfit + belief.mean()).backward()
        optimiser.step()
        cycle.step()
    return Trained(body.detach(), heads.detach())


class _Draws:
    """Random windows with a target, by patient; reproducible from the seed."""

    def __init__(self, batch: Batch, seed: int) -> None:
        usable = (batch.known.sum(dim=-1) > 0).numpy()
        self._patient, self._window = np.nonzero(usable)
        counts = usable.sum(axis=1)
        chance = 1 / np.sqrt(np.maximum(counts, 1))[self._patient]
        self._edges = np.cumsum(chance / chance.sum())
        self._random = np.random.default_rng(seed)
        self.independent_windows = torch.from_numpy(
            np.maximum(counts, 1) / WINDOWS_PER_INDEPENDENT_ONE
        ).float()

    def next(self, size: int) -> tuple[Tensor, Tensor]:
        """Patients and windows of the next draw, two (size,) tensors."""
        place = np.searchsorted(self._edges, self._random.random(size))
        place = np.minimum(place, len(self._edges) - 1)
        return torch.from_numpy(self._patient[place]), torch.from_numpy(self._window[place])
