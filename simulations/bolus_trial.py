"""The trial of bolus advice in silico: clinics teach an advisor, new people live under it.

    public people -> scale, public start -> clinics teach (alone, together, together under privacy)
    -> adults whom no clinic has seen live the same days under each

All that takes long is kept person by person in a folder, so that a trial that was stopped goes on.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simulations.bolus_arms import JUDGED_FROM, Life, arms_of, cohorts, lived
from simulations.bolus_people import Lessons
from simulations.bolus_protocol import BolusTrial
from simulations.bolus_teaching import (
    ENROLLED_FROM,
    Job,
    PublicStart,
    Taught,
    lessons,
    public_people,
    public_start,
    teach,
    teachers,
)
from simulations.parallel import spread
from study.failure import ExitCode, Failure


@dataclass(frozen=True)
class Done:
    """A whole trial: what was taught, and every life."""

    public: PublicStart
    taught: tuple[Taught, ...]
    lives: tuple[Life, ...]


def run_bolus_trial(
    trial: BolusTrial, folder: Path, pool: Executor | None, step: Callable[[str], None]
) -> Done:
    """Everything from the public people to the judged; `folder` keeps what is done.

    `step` hears what is being done after each person.
    """
    folder = folder / trial.digest()[:16]
    require_apart(trial)
    teach_one = partial(lessons, trial, folder)

    def gathered(jobs: Sequence[Job], what: str) -> list[Lessons]:
        return spread(teach_one, jobs, pool, partial(step, what))

    public = public_start(trial, gathered(public_people(trial), "public people"))
    taught = []
    for seed in trial.seeds:
        people = gathered(teachers(trial, seed), f"patients of seed {seed}")
        taught.append(teach(trial, seed, people, public, folder / "ledgers"))
    jobs = [
        (cohort, number, arm)
        for cohort, size in cohorts(trial).items()
        for number in range(size)
        for arm in arms_of(trial, public.weights, taught, number)
    ]
    lives = spread(partial(lived, trial, folder), jobs, pool, partial(step, "judged lives"))
    return Done(public, tuple(taught), tuple(lives))


def steps_of(trial: BolusTrial) -> int:
    """How often `step` will be called."""
    per_person = 5 + len(trial.seeds) * (3 + len(trial.epsilons))
    taught = len(trial.seeds) * trial.clinics * trial.patients
    return 2 * trial.public + taught + sum(cohorts(trial).values()) * per_person


def require_apart(trial: BolusTrial) -> None:
    """A Failure where a judged person could have been a teacher: bodies come of these seeds."""
    taught = {seed for _, seed, _ in public_people(trial)}
    taught |= {ENROLLED_FROM + seed for seed in trial.seeds}
    judged = {JUDGED_FROM + place for place in range(len(cohorts(trial)))}
    if shared := taught & judged:
        raise Failure(
            found=f"people drawn from {sorted(shared)} both teach and are judged",
            expected="judged people whom nobody learned from",
            consequence="Nobody was advised.",
            remedy="use smaller seeds",
            code=ExitCode.BAD_PROTOCOL,
        )
