"""What a population's prior of heads is worth to a new patient with few days, and under privacy.

Clinics of drawn adults of the UVA/Padova world teach a prior (models/head_prior.py); twins of other
drawn adults, with their last 1 to 14 days alone, answer what 20 % more or less basal and bolus
does on the days to come, and forecast those days in open loop. The truth is the world, really run.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.calibration import Calibration, calibrate
from models.head_prior import HeadMoments
from models.heads import BOOK_PRIOR, HeadPrior
from models.population import population_prior
from models.trace import STEPS_PER_DAY, FloatArray
from privacy.gaussian_dp import sigma_for
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.shrinkage import (
    Noise,
    enrolment_variance,
    noise_variance,
    shrunk,
    weights_by_precision,
)
from simulations.effects_learning import head_of
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

GROUP = "adult"
TEACHERS_SEED, NEW_SEED = 303, 404
"""Seeds of the clinics' patients and of those who are judged; no other study has them."""

DELTA = 1e-5
ASKED = tuple(
    question
    for question in QUESTIONS
    if question[0] is Window.COMING and question[1].treatment is not Treatment.CARB_RATIO
)


@dataclass(frozen=True)
class PriorPlan:
    """Who teaches, who is judged, on how many days, and what is spent.

    `clip_norm` and `numbers` are of the release (models/head_prior.py); `draws` of its noise.
    """

    world: World = "A"
    sites: int = 4
    patients: int = 18
    new_patients: int = 12
    days: tuple[int, ...] = (1, 3, 7, 14)
    epsilons: tuple[float, ...] = (8.0, 4.0, 2.0)
    draws: int = 2
    numbers: int = 18
    clip_norm: float = 1.5

    @property
    def teachers(self) -> int:
        """Patients of all clinics together."""
        return self.sites * self.patients


@dataclass(frozen=True)
class Judgement:
    """One new patient with so many days under one prior: mean error of effects, and MARD."""

    prior: str
    days: int
    effect_error_mg_dl: float
    mard_24h_pct: float


@dataclass(frozen=True)
class PriorStudy:
    """Everybody's judgement; priors are named book, own clinic, federated, epsilon 8, and so on."""

    plan: PriorPlan
    judgements: tuple[Judgement, ...]

    @property
    def priors(self) -> list[str]:
        """Their names, in the order they were judged in."""
        return list(dict.fromkeys(one.prior for one in self.judgements))

    def mean(self, prior: str, days: int, of: Callable[[Judgement], float]) -> float:
        """Mean over patients, and over draws of noise."""
        found = [of(j) for j in self.judgements if (j.prior, j.days) == (prior, days)]
        return float(np.mean(found))

    def kept_pct(self, prior: str, days: int) -> float:
        """Share of the federation's help to treatment effects that this prior gives, per cent."""
        book, best, this = (
            self.mean(name, days, lambda j: j.effect_error_mg_dl)
            for name in ("book", "federated", prior)
        )
        return 100.0 * (book - this) / (book - best)


def run_prior_study(
    plan: PriorPlan, pool: Executor | None, step: Callable[[str], None]
) -> PriorStudy:
    """Teach, release, judge; everything repeatable, noise too."""
    teach = partial(_taught, plan.world)
    heads = spread(teach, range(plan.teachers), pool, partial(step, "teachers"))
    priors = all_priors(plan, heads)
    judge = partial(_judged, plan, priors)
    everybody = spread(judge, range(plan.new_patients), pool, partial(step, "new patients"))
    return PriorStudy(plan, tuple(one for person in everybody for one in person))


def all_priors(plan: PriorPlan, heads: Sequence[Calibration]) -> list[tuple[str, HeadPrior]]:
    """Each prior by name; those under privacy once for each draw of the noise."""
    found = [
        ("book", BOOK_PRIOR),
        ("own clinic", population_prior(heads[: plan.patients], BOOK_PRIOR)),
        ("federated", population_prior(heads, BOOK_PRIOR)),
    ]
    for epsilon in plan.epsilons:
        name = f"epsilon {epsilon:g}"
        found += [(name, released_prior(plan, heads, epsilon, s)) for s in range(plan.draws)]
    return found


def released_prior(
    plan: PriorPlan, heads: Sequence[Calibration], epsilon: float, seed: int
) -> HeadPrior:
    """The prior after one release of each clinic, averaged and shrunk as a server would."""
    vector = HeadMoments(np.zeros(1, dtype=np.float32), plan.numbers)
    sigma = sigma_for(epsilon, DELTA, 1)
    noise = Noise(sigma, plan.clip_norm, plan.numbers)
    declared = [plan.patients] * plan.sites
    weights = weights_by_precision(declared, noise)
    u = np.zeros(plan.numbers)
    for site, weight in enumerate(weights):
        own = heads[site * plan.patients : (site + 1) * plan.patients]
        rows = np.stack([vector.moments(one.head, one.covariance) for one in own])
        drawn = SimulatedNoise(seed, f"site-{site}", 1)
        u += weight * release_sum(rows, plan.clip_norm, sigma, drawn).values / plan.patients
    nu = noise_variance(declared, weights, noise)
    tau = enrolment_variance(declared, weights, noise)
    return vector.prior(shrunk(u, nu, vector.prior_variance(), tau, plan.clip_norm))


def _taught(world: World, number: int) -> Calibration:
    return head_of(drawn_subject(GROUP, number, world, TEACHERS_SEED), BOOK_PRIOR)


def _judged(
    plan: PriorPlan, priors: Sequence[tuple[str, HeadPrior]], number: int
) -> list[Judgement]:
    subject = drawn_subject(GROUP, number, plan.world, NEW_SEED)
    true = truth(subject)
    return [
        _judgement(subject, true, name, prior, days) for days in plan.days for name, prior in priors
    ]


def _judgement(
    subject: Subject, true: Mapping[Question, Effect], name: str, prior: HeadPrior, days: int
) -> Judgement:
    first = TRAINING_ROWS - days * STEPS_PER_DAY
    training = subject.trace().rows(first, TRAINING_ROWS)
    (calibration,) = calibrate([training], prior, knowledge=[subject.knowledge])
    reply = answer(subject, calibration)
    missed: FloatArray = np.array([reply.mean_mg_dl(q) - true[q].mean_mg_dl for q in ASKED])
    return Judgement(name, days, float(np.abs(missed).mean()), forecast(reply).twin_24h_pct)
