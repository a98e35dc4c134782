"""Whose forecasts tell how good a body is, where hundreds of bodies are to be compared.

A sample of the people, fewer windows of each, and latent vectors that begin where the public start
had them: enough to tell what a body gains, at a tenth of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import torch

from models.forecast import batch_of, fit_latents, predict
from models.sharing import WeightArray
from models.trace import FloatArray
from simulations.people import ClinicPeople, Person

WINDOWS_TO_KNOW_A_PERSON = 600
WINDOWS_TO_JUDGE_A_PERSON = 300
"""Evenly spaced; hundreds of bodies are judged, and more windows change no figure's last digit."""

PEOPLE_TO_JUDGE = 60
"""Of the members of all clinics together, evenly spaced by name; large studies are sampled."""

LATENT_STEPS = 20
"""From the latent vectors under the public start, which every body judged here began as. On four
virtual clinics the federation's gain came out within 0.03 mg/dL of that by 60 steps from nothing
for everybody."""


@dataclass(frozen=True)
class Judged:
    """RMSE of one body, mg/dL: of each enrolled person, (P, H), and of each new one, (N, H)."""

    same: FloatArray = field(repr=False)
    new: FloatArray = field(repr=False)

    @property
    def over_horizons(self) -> FloatArray:
        """RMSE of each enrolled person over all horizons together, (P,)."""
        together: FloatArray = np.sqrt(np.nanmean(self.same**2, axis=1))
        return together

    def gain_over(self, other: "Judged") -> FloatArray:
        """How much smaller the errors are, mean over people, mg/dL: (2, H), same and new."""
        return np.stack([(other.same - self.same).mean(0), (other.new - self.new).mean(0)])


class Judges:
    """People with fewer windows, for scoring alone, and their latent vectors under a first body."""

    def __init__(self, weights: WeightArray, clinics: Sequence[ClinicPeople]) -> None:
        a_clinic = max(PEOPLE_TO_JUDGE // len(clinics), 1)
        same = [_evenly(one.members, a_clinic) for one in clinics]
        self.sizes = [len(some) for some in same]
        self.members = sum(self.sizes)
        everybody = [*chain(*same), *chain(*(one.new for one in clinics))]
        known = [one.train for one in everybody]
        self._tests = [one.test.thinned(WINDOWS_TO_JUDGE_A_PERSON) for one in everybody]
        self._known = batch_of(known, WINDOWS_TO_KNOW_A_PERSON)
        self._first = fit_latents(torch.from_numpy(weights), self._known)

    def errors(self, weights: WeightArray) -> Judged:
        """RMSE of this body."""
        body = torch.from_numpy(weights)
        latents = fit_latents(body, self._known, LATENT_STEPS, first=self._first).numpy()
        errors = np.stack(
            [
                rmse(predict(weights, latent.astype(np.float64), test), test.target)
                for latent, test in zip(latents, self._tests, strict=True)
            ]
        )
        return Judged(errors[: self.members], errors[self.members :])


def judged_at_home(person: Person) -> Person:
    """The person with the last fifth of the training windows in the place of the held-out ones."""
    cut = int(0.8 * len(person.train))
    places = np.arange(len(person.train))
    train, test = person.train.where(places[:cut]), person.train.where(places[cut:])
    return replace(person, train=train, test=test)


def rmse(said: FloatArray, target: FloatArray) -> FloatArray:
    """At each horizon, mg/dL, (H,), of forecasts (W, H); what was not measured is left out."""
    error: FloatArray = np.sqrt(np.nanmean((said - target) ** 2, axis=0))
    return error


def _evenly(people: Sequence[Person], at_most: int) -> list[Person]:
    places = np.linspace(0, len(people) - 1, min(len(people), at_most)).astype(int)
    return [people[place] for place in places]
