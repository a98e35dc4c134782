"""The trial of bolus advice in silico: clinics teach an advisor, new people live under it.

    public people -> scale, public start -> clinics teach (alone, together, together under privacy)
    -> adults whom no clinic has seen live the same days under each

All that takes long is kept person by person in a folder, so that a trial that was stopped goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from models.trace import STEPS_PER_DAY, FloatArray
from privacy.verifier import verify
from simulations.bolus_advisor import DIMENSION, Advisor
from simulations.bolus_kept import Plain, kept, name_of
from simulations.bolus_learning import (
    Course,
    Scale,
    Spent,
    scale_of,
    taught_plainly,
    taught_privately,
)
from simulations.bolus_people import (
    Advice,
    Care,
    Days,
    Lessons,
    advice_of,
    as_counted,
    lessons_of,
    teacher,
)
from simulations.bolus_protocol import BolusTrial
from simulations.dose_trial import mean_of
from simulations.padova_world import WORLDS
from simulations.parallel import spread
from simulations.titration_people import Diary, PumpSettings, Recruit, recruit, worth
from simulations.titration_rules import guideline
from study.failure import ExitCode, Failure

PUBLIC_FROM, ENROLLED_FROM, JUDGED_FROM = 8_100_000, 8_200_000, 8_900_000
PUBLIC_GROUPS = ("child", "adolescent")
PUBLIC_ROUNDS, PUBLIC_RATE = 60, 0.7
OWN_ROUNDS = 20

COUNTING, RATIO, GUIDELINE, PUBLIC = "counting", "guideline ratio", "guideline", "public"
CLINIC, FEDERATED = "clinic alone", "federated"
RULED = " on guideline"
Job = tuple[str, int, int]
"""Kind of person, seed, number."""


@dataclass(frozen=True)
class Life:
    """One judged person in one arm: measures of the run-in and of the last weeks, and the advice.

    `seed` is of teaching, -1 where nothing was taught.
    """

    cohort: str
    number: int
    arm: str
    seed: int
    before: dict[str, float]
    after: dict[str, float]
    lowest_mg_dl: float
    factor: float


@dataclass(frozen=True)
class Arm:
    """What is lived: advice by these weights, or none, under this rule for the pump, or none."""

    name: str
    seed: int
    weights: FloatArray | None = field(repr=False, default=None)
    rule: str = ""


@dataclass(frozen=True)
class Taught:
    """What one seed's clinics taught; `alone` has weights by clinic, `spent` by epsilon."""

    seed: int
    together: FloatArray = field(repr=False)
    alone: tuple[FloatArray, ...] = field(repr=False)
    private: Mapping[float, FloatArray] = field(repr=False)
    spent: Mapping[float, Spent]
    meals: int


def guideline_ratio(diary: Diary) -> PumpSettings:
    """The guideline's ratios alone; basal stays, as it does under advice."""
    return replace(guideline(diary), basal_u_per_h=diary.settings.basal_u_per_h)


RULES = {"": None, RATIO: guideline_ratio, GUIDELINE: guideline}


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


def cohorts(trial: BolusTrial) -> dict[str, int]:
    """How many are judged of each kind: all comers, and those whose HbA1c is high at first."""
    high = f"HbA1c of {trial.least_hba1c_pct:g} % or more"
    sizes = {"all comers": trial.judged, high: trial.judged_high}
    return {name: len(WORLDS) * size for name, size in sizes.items() if size}


def judged_person(trial: BolusTrial, cohort: str, number: int) -> Recruit:
    """Judged person `number`, worlds in turn; no clinic's patient has this seed."""
    place = list(cohorts(trial)).index(cohort)
    least = 0.0 if cohort == "all comers" else mean_of(trial.least_hba1c_pct)
    world, days = WORLDS[number % 2], 7 * trial.weeks
    return recruit(number, world, JUDGED_FROM + place, days, trial.amiss, least)


def lived(trial: BolusTrial, folder: Path, job: tuple[str, int, Arm]) -> Life:
    """One judged person's weeks in one arm."""
    cohort, number, arm = job
    weights = b"" if arm.weights is None else arm.weights.tobytes()
    name = name_of("life", cohort, number, arm.name, arm.seed, weights=weights)
    return Life(**kept(folder, name, lambda: asdict(_life(trial, *job))))


def _life(trial: BolusTrial, cohort: str, number: int, arm: Arm) -> Life:
    who = judged_person(trial, cohort, number)
    advice: Advice = as_counted
    if arm.weights is not None:
        advice = advice_of(Advisor(arm.weights, trial.least_factor, trial.most_factor))
    days = Days(who, Care(advice, RULES[arm.rule], trial.visit_days), trial.target_mg_dl)
    days.live()
    run_in = len(days.glucose_mg_dl) - 7 * trial.weeks * STEPS_PER_DAY
    after = days.glucose_mg_dl[run_in:]
    last = after[-7 * trial.last_weeks * STEPS_PER_DAY :]
    return Life(
        cohort,
        number,
        arm.name,
        arm.seed,
        worth(days.glucose_mg_dl[:run_in]),
        worth(last),
        float(after.min()),
        float(days.factors[days.record.meals.step >= run_in].mean()),
    )


def teach(
    trial: BolusTrial, seed: int, people: Sequence[Lessons], public: "PublicStart", home: Path
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


def arms_of(
    trial: BolusTrial, public: FloatArray, taught: Sequence[Taught], number: int
) -> list[Arm]:
    """What judged person `number` lives; their own clinic is the one of their number."""
    arms = [Arm(COUNTING, -1), Arm(RATIO, -1, rule=RATIO), Arm(GUIDELINE, -1, rule=GUIDELINE)]
    arms += [Arm(PUBLIC, -1, public), Arm(PUBLIC + RULED, -1, public, GUIDELINE)]
    for one in taught:
        arms.append(Arm(CLINIC, one.seed, one.alone[number // 2 % trial.clinics]))
        arms.append(Arm(FEDERATED, one.seed, one.together))
        for epsilon, weights in one.private.items():
            arms.append(Arm(private_arm(epsilon), one.seed, weights))
        first = trial.epsilons[0]
        ruled = Arm(private_arm(first) + RULED, one.seed, one.private[first], GUIDELINE)
        arms.append(ruled)
    return arms


def private_arm(epsilon: float) -> str:
    """Name of the arm under this epsilon."""
    return f"{FEDERATED}, epsilon {epsilon:g}"


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
