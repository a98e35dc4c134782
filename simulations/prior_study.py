"""What a population's prior of heads is worth to a new patient with few days, and under privacy.

Clinics of people drawn in the UVA/Padova world teach a prior (models/head_prior.py); twins of other
people, with their last 1 to 14 days alone, answer what 20 % more or less basal and bolus
does on the days to come, and forecast those days in open loop. The truth is the world, really run.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from models.calibration import Calibration, calibrate
from models.heads import BOOK_PRIOR, HeadPrior
from models.knowledge import ClinicKnowledge
from models.population import population_prior
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.effects_people import Subject, Treatment, drawn_subject
from simulations.effects_twin import (
    QUESTIONS,
    TRAINING_ROWS,
    Effect,
    Question,
    Window,
    answer,
    forecast,
    truth,
)
from simulations.padova_world import World
from simulations.parallel import spread
from simulations.prior_teachers import Class, PriorRelease, released_prior, taught
from study.head_prior_file import public_prior

Group = Literal["child", "adolescent", "adult"]
PEOPLE: dict[Group, str] = {"child": "children", "adolescent": "adolescents", "adult": "adults"}
TEACHERS_SEED, NEW_SEED = 303, 404
"""Seeds of the clinics' patients and of those who are judged; no other study has them."""

ASKED = tuple(
    question
    for question in QUESTIONS
    if question[0] is Window.COMING and question[1].treatment is not Treatment.CARB_RATIO
)


SIZE = {"small": (3, 7), "middle": (4, 18), "large": (10, 50)}
"""Clinics, and patients of each, who teach."""

RESAMPLES = 1000
"""Of the people who are judged, for the interval of a share."""


@dataclass(frozen=True)
class PriorPlan:
    """Who teaches, who is judged, on how many days, and what is spent.

    `known`: whether the clinic already knows the new patients' correction factor and carbohydrate
    ratio. `draws` are of the noise of a release. Of several `splits` each has teachers, new
    patients and draws of its own.
    """

    world: World = "A"
    sites: int = 4
    patients: int = 18
    new_patients: int = 16
    days: tuple[int, ...] = (1, 3, 7, 14)
    epsilons: tuple[float, ...] = (8.0, 4.0, 2.0)
    draws: int = 2
    splits: int = 1
    known: bool = False
    release: PriorRelease = field(default=PriorRelease())
    group: Group = "adult"

    @property
    def people(self) -> str:
        """Whom this is about: "adults", and so on."""
        return PEOPLE[self.group]

    @property
    def teachers(self) -> int:
        """Patients of all clinics of a split together."""
        return self.sites * self.patients

    @property
    def quick(self) -> "PriorPlan":
        """The same with the least that shows something."""
        return replace(self, days=(3,), epsilons=(8.0,), draws=1)


@dataclass(frozen=True)
class Judgement:
    """One new patient with so many days under one prior: mean error of effects, and MARD."""

    patient: str
    prior: str
    days: int
    effect_error_mg_dl: float
    mard_24h_pct: float
    split: int = 0
    draw: int = 0


@dataclass(frozen=True)
class PriorStudy:
    """Everybody's judgement; priors are named book, own clinic, federated, epsilon 8, and so on."""

    plan: PriorPlan
    judgements: tuple[Judgement, ...]

    @property
    def priors(self) -> list[str]:
        """Their names, in the order they were judged in."""
        return list(dict.fromkeys(one.prior for one in self.judgements))

    def by_patient(self, prior: str, days: int, of: Callable[[Judgement], float]) -> FloatArray:
        """Each new patient's mean over draws of noise, (N,), in the order of their names."""
        found: dict[str, list[float]] = {}
        for one in self.judgements:
            if (one.prior, one.days) == (prior, days):
                found.setdefault(one.patient, []).append(of(one))
        return np.array([np.mean(found[name]) for name in sorted(found)])

    def mean(self, prior: str, days: int, of: Callable[[Judgement], float]) -> float:
        """Mean over patients, and over draws of noise."""
        return float(self.by_patient(prior, days, of).mean())

    def gain(self, prior: str, days: int) -> tuple[float, float]:
        """How much smaller than under the book's prior errors of effects are, and the s.e., mg/dL.

        The standard error is of the mean over patients.
        """
        gains = self._gains(prior, days)
        spread_of = gains.std(ddof=1) if len(gains) > 1 else float("nan")
        return float(gains.mean()), float(spread_of / np.sqrt(len(gains)))

    def kept_pct(self, prior: str, days: int) -> tuple[float, float, float]:
        """Share of the federation's help to effects that this prior gives, and its 80 % interval.

        Per cent; the interval is a bootstrap's over patients. Where the federation hardly helps,
        the share is of nearly nothing, and the interval says so.
        """
        this, best = self._gains(prior, days), self._gains("federated", days)
        random = np.random.default_rng(0)
        picked = random.integers(0, len(best), (RESAMPLES, len(best)))
        resampled = this[picked].mean(axis=1), best[picked].mean(axis=1)
        low, high = np.quantile(_share(*resampled), [0.1, 0.9])
        return self._kept(prior, days), float(low), float(high)

    def kept_by_draw_pct(self, prior: str, days: int) -> FloatArray:
        """The same share of each draw of the noise alone, over everybody, per cent, (draws,)."""
        return self._shares_by(prior, days, lambda one: one.draw)

    def kept_by_split_pct(self, prior: str, days: int) -> FloatArray:
        """The same share of each split alone, over its people and draws, per cent, (splits,)."""
        return self._shares_by(prior, days, lambda one: one.split)

    def _shares_by(self, prior: str, days: int, part: Callable[[Judgement], int]) -> FloatArray:
        parts = sorted({part(one) for one in self.judgements if one.prior == prior})
        return np.array([self._part(prior, days, part, one)._kept(prior, days) for one in parts])

    def _part(
        self, prior: str, days: int, part: Callable[[Judgement], int], wanted: int
    ) -> "PriorStudy":
        """Those judgements under this prior, and those of the same people under every other."""
        kept = [one for one in self.judgements if one.prior == prior and part(one) == wanted]
        people = {one.patient for one in kept}
        others = [o for o in self.judgements if o.prior != prior and o.patient in people]
        return replace(self, judgements=(*kept, *others))

    def _kept(self, prior: str, days: int) -> float:
        this, best = self._gains(prior, days), self._gains("federated", days)
        return float(_share(this.mean(), best.mean()))

    def _gains(self, prior: str, days: int) -> FloatArray:
        return self.by_patient("book", days, _error) - self.by_patient(prior, days, _error)


def _error(one: Judgement) -> float:
    return one.effect_error_mg_dl


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = 100.0 * part / np.where(whole == 0.0, np.nan, whole)
    return share


def run_prior_study(
    plan: PriorPlan, pool: Executor | None, step: Callable[[str], None], kept: Path | None = None
) -> PriorStudy:
    """Teach, release, judge; everything repeatable, noise too. Heads are kept in folder `kept`."""
    people = Class((plan.group,), plan.world, TEACHERS_SEED)
    heads = taught(people, plan.teachers * plan.splits, pool, partial(step, "teachers"), kept)
    priors = [all_priors(plan, heads, split) for split in range(plan.splits)]
    judge = partial(_judged, plan, priors)
    numbers = range(plan.new_patients * plan.splits)
    everybody = spread(judge, numbers, pool, partial(step, "new patients"))
    return PriorStudy(plan, tuple(one for person in everybody for one in person))


def all_priors(
    plan: PriorPlan, heads: Sequence[Calibration], split: int = 0
) -> list[tuple[str, HeadPrior]]:
    """Each prior of a split by name; those under privacy once for each draw of the noise."""
    n, first = plan.patients, split * plan.teachers
    clinics = [heads[first + site * n :][:n] for site in range(plan.sites)]
    seeds = range(split * plan.draws, (split + 1) * plan.draws)
    return named_priors(clinics, clinics[0], plan.release, plan.epsilons, seeds)


def named_priors(
    clinics: Sequence[Sequence[Calibration]],
    own: Sequence[Calibration],
    release: PriorRelease,
    epsilons: Sequence[float],
    seeds: Sequence[int],
) -> list[tuple[str, HeadPrior]]:
    """The priors that these clinics' heads teach, beside the public ones and a clinic's own.

    Those under privacy come once for each seed of the noise, in that order.
    """
    found = [("book", BOOK_PRIOR)]
    if release.about == "virtual":
        found.append(("virtual", public_prior("virtual")))
    found.append(("own clinic", population_prior(own, BOOK_PRIOR)))
    everybody = [one for clinic in clinics for one in clinic]
    found.append(("federated", population_prior(everybody, BOOK_PRIOR)))
    for epsilon in epsilons:
        name = f"epsilon {epsilon:g}"
        found += [(name, released_prior(clinics, release, epsilon, s)) for s in seeds]
    return found


def _judged(
    plan: PriorPlan, priors: Sequence[Sequence[tuple[str, HeadPrior]]], number: int
) -> list[Judgement]:
    subject = drawn_subject(plan.group, number, plan.world, NEW_SEED)
    true, split = truth(subject), number // plan.new_patients
    knowledge = subject.knowledge if plan.known else None
    found, seen = [], Counter[tuple[str, int]]()
    for days in plan.days:
        for name, prior in priors[split]:
            one = _judgement(subject, true, knowledge, (name, days), prior)
            found.append(replace(one, split=split, draw=seen[name, days]))
            seen[name, days] += 1
    return found


def _judgement(
    subject: Subject,
    true: Mapping[Question, Effect],
    knowledge: ClinicKnowledge | None,
    what: tuple[str, int],
    prior: HeadPrior,
) -> Judgement:
    name, days = what
    first = TRAINING_ROWS - days * STEPS_PER_DAY
    training = subject.trace().rows(first, TRAINING_ROWS)
    (calibration,) = calibrate([training], prior, knowledge=[knowledge])
    reply = answer(subject, calibration)
    missed: FloatArray = np.array([reply.mean_mg_dl(q) - true[q].mean_mg_dl for q in ASKED])
    error = float(np.abs(missed).mean())
    return Judgement(subject.identifier, name, days, error, forecast(reply).twin_24h_pct)
