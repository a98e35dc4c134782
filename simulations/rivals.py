"""Bodies that privacy does not bind, for comparison: the clinic's own, all pooled, and federated.

None of these could be run by clinics that promise anything; they say what privacy costs.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from models.forecast import batch_of, fit_latents, predict
from models.sharing import WeightArray
from models.trace import FloatArray
from models.training import Schedule, train
from simulations.people import Person

WINDOWS_A_PERSON = 3000
WINDOWS_FOR_A_LATENT = 1500
WINDOWS_FOR_A_FIRST_LATENT = 600
"""Where training begins a latent vector; it trains along from there."""


# Chosen on four virtual clinics (children and adolescents, seeds 41-44) that no study reports.
TUNING = Schedule(steps=300, rate=1e-3, windows=512)
POOLED = Schedule(steps=1600, rate=2e-3)
FEDERATED_ROUNDS = 20
FEDERATED = Schedule(steps=40, rate=1e-3, windows=512)

Progress = Callable[[str], None]


def tuned(weights: WeightArray, people: Sequence[Person], seed: int) -> WeightArray:
    """The body after a clinic has tuned it on its own people, at home; unchanged without people."""
    return _trained(weights, people, TUNING, seed)


def pooled(weights: WeightArray, people: Sequence[Person], seed: int) -> WeightArray:
    """The body after training on everybody's windows in one place."""
    return _trained(weights, people, POOLED, seed)


def federated(weights: WeightArray, clinics: Sequence[Sequence[Person]], seed: int) -> WeightArray:
    """The body after federated averaging without privacy, clinics weighted by their people.

    Each clinic keeps its people's latent vectors at home from round to round.
    """
    at_home = [_Home(weights, people) for people in clinics if people]
    if not at_home:
        return weights
    sizes = np.array([len(one.latents) for one in at_home], dtype=np.float64)
    for round_number in range(FEDERATED_ROUNDS):
        answers = [one.answer(weights, FEDERATED, seed + 1000 * round_number) for one in at_home]
        mean = sum(
            share * answer.astype(np.float64)
            for share, answer in zip(sizes / sizes.sum(), answers, strict=True)
        )
        weights = np.asarray(mean, dtype=np.float32)
    return weights


class _Home:
    """What one clinic keeps: its people's windows, and latent vectors that train along."""

    def __init__(self, weights: WeightArray, people: Sequence[Person]) -> None:
        windows = [one.train for one in people]
        first = batch_of(windows, WINDOWS_FOR_A_FIRST_LATENT)
        self.latents = fit_latents(torch.from_numpy(weights), first)
        self._batch = batch_of(windows, WINDOWS_A_PERSON)

    def answer(self, weights: WeightArray, schedule: Schedule, seed: int) -> WeightArray:
        """The body after so much training from `weights`."""
        done = train(torch.from_numpy(weights), self._batch, schedule, seed, self.latents)
        self.latents = done.latents
        answer: WeightArray = done.weights.numpy()
        return answer


def forecasts(weights: WeightArray, people: Sequence[Person]) -> list[FloatArray]:
    """Each person's forecast of the windows held out, mg/dL; latents fitted on earlier windows."""
    if not people:
        return []
    latents = fit_latents(
        torch.from_numpy(weights), batch_of([one.train for one in people], WINDOWS_FOR_A_LATENT)
    )
    return [
        predict(weights, latent.numpy().astype(np.float64), one.test)
        for latent, one in zip(latents, people, strict=True)
    ]


def _trained(
    weights: WeightArray, people: Sequence[Person], schedule: Schedule, seed: int
) -> WeightArray:
    return _Home(weights, people).answer(weights, schedule, seed) if people else weights
