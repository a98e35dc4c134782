"""Who teaches in the trial of bolus advice, and what comes of it: alone, together, under privacy.

What public virtual people teach costs no privacy: the scale of rows, and the weights to begin with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.trace import FloatArray
from privacy.verifier import verify
from simulations.bolus_advisor import DIMENSION
from simulations.bolus_kept import kept, name_of
from simulations.bolus_learning import (
    Course,
    Scale,
    Spent,
    scale_of,
    taught_plainly,
    taught_privately,
)
from simulations.bolus_people import Lessons, lessons_of, teacher
from simulations.bolus_protocol import BolusTrial
from simulations.kept_file import Plain
from simulations.padova_world import WORLDS
from study.failure import ExitCode, Failure

PUBLIC_FROM, ENROLLED_FROM = 8_100_000, 8_200_000
PUBLIC_GROUPS = ("child", "adolescent")
PUBLIC_ROUNDS, PUBLIC_RATE = 60, 0.7
OWN_ROUNDS = 20

Job = tuple[str, int, int]
"""Kind of person, seed, number."""


@dataclass(frozen=True)
class PublicStart:
    """What public virtual people give for nothing: the scale, and weights to begin with."""

    scale: Scale
    weights: FloatArray = field(repr=False)


def public_start(trial: BolusTrial, people: Sequence[Lessons]) -> PublicStart:
    """The scale and the weights of public people."""
    scale = scale_of(people)
    course = Course(trial.overdose_weight, PUBLIC_ROUNDS, PUBLIC_RATE, trial.clip_norm)
    return PublicStart(scale, taught_plainly(np.zeros(DIMENSION), people, scale, course))


@dataclass(frozen=True)
class Taught:
    """What one seed's clinics taught; `alone` has weights by clinic, `spent` by epsilon."""

    seed: int
    together: FloatArray = field(repr=False)
    alone: tuple[FloatArray, ...] = field(repr=False)
    private: Mapping[float, FloatArray] = field(repr=False)
    spent: Mapping[float, Spent]
    meals: int


def teachers(trial: BolusTrial, seed: int) -> list[Job]:
    """The enrolled of one seed, clinic after clinic."""
    return [("adult", ENROLLED_FROM + seed, n) for n in range(trial.clinics * trial.patients)]


def public_people(trial: BolusTrial) -> list[Job]:
    """Virtual children and adolescents, whom no promise covers."""
    return [(group, PUBLIC_FROM, n) for group in PUBLIC_GROUPS for n in range(trial.public)]


def lessons(trial: BolusTrial, folder: Path, job: Job) -> Lessons:
    """One teacher's lessons, worlds in turn."""
    group, seed, number = job

    def make() -> Plain:
        who = teacher(number, WORLDS[number % 2], (seed,), trial.days, trial.amiss, group)
        found = lessons_of(who, trial.target_mg_dl)
        return {"seen": found.seen.tolist(), "left": found.left.tolist()}

    held = kept(folder, name_of("lessons", *job), make)
    return Lessons(np.array(held["seen"]).reshape(-1, DIMENSION), np.array(held["left"]))


def teach(
    trial: BolusTrial, seed: int, people: Sequence[Lessons], public: PublicStart, home: Path
) -> Taught:
    """What the clinics of one seed teach, from the public start: alone, together, under privacy."""
    size, course, start = trial.patients, trial.course, public.weights
    clinics = [people[first : first + size] for first in range(0, len(people), size)]
    own = replace(course, rounds=OWN_ROUNDS)
    private, spent = {}, {}
    for epsilon in trial.epsilons:
        ledgers = home / f"seed-{seed}" / f"epsilon-{epsilon:g}"
        private[epsilon], spent[epsilon] = taught_privately(
            start, clinics, public.scale, course, trial.budget(epsilon), ledgers, seed
        )
        _require_verified(ledgers, trial.delta)
    return Taught(
        seed,
        taught_plainly(start, people, public.scale, course),
        tuple(taught_plainly(start, one, public.scale, own) for one in clinics),
        private,
        spent,
        sum(len(one.left) for one in people),
    )


def _require_verified(ledgers: Path, delta: float) -> None:
    """A Failure where a ledger does not hold: what the report says of privacy rests on them."""
    verdict = verify(ledgers, delta=delta)
    if not verdict.holds:
        problems = [one.problem for one in verdict.ledgers if one.problem]
        raise Failure(
            found=f"ledgers below {ledgers} that do not hold: {problems}",
            expected="every record signed, chained and within the budget",
            consequence="Nobody was judged.",
            remedy="remove the folder of progress and run again",
            code=ExitCode.NOT_VERIFIED,
        )
