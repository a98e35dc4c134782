"""Who is judged in the trial of bolus advice, and what they live under.

Everybody lives the same days in every arm; an arm is advice by some weights, or none, and a rule
that sets the pump each week, or none.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from models.trace import STEPS_PER_DAY, FloatArray
from simulations.bolus_advisor import Advisor
from simulations.bolus_kept import kept, name_of
from simulations.bolus_people import Advice, Care, Days, advice_of, as_counted
from simulations.bolus_protocol import BolusTrial
from simulations.bolus_teaching import Taught
from simulations.dose_trial import mean_of
from simulations.padova_world import WORLDS
from simulations.titration_people import Diary, PumpSettings, Recruit, recruit, worth
from simulations.titration_rules import guideline

JUDGED_FROM = 8_950_000
COUNTING, RATIO, GUIDELINE, PUBLIC = "counting", "guideline ratio", "guideline", "public"
CLINIC, FEDERATED, NO_NOISE = "clinic alone", "federated", "federated, no noise"
RULED = " on guideline"
ALL = "all comers"


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


def guideline_ratio(diary: Diary) -> PumpSettings:
    """The guideline's ratios alone; basal stays, as it does under advice."""
    return replace(guideline(diary), basal_u_per_h=diary.settings.basal_u_per_h)


RULES = {"": None, RATIO: guideline_ratio, GUIDELINE: guideline}


def private_arm(epsilon: float) -> str:
    """Name of the arm under this epsilon."""
    return f"{FEDERATED}, epsilon {epsilon:g}"


def cohorts(trial: BolusTrial) -> dict[str, int]:
    """How many are judged of each kind: all comers, and those whose HbA1c is high at first."""
    high = f"HbA1c of {trial.least_hba1c_pct:g} % or more"
    sizes = {ALL: trial.judged, high: trial.judged_high}
    return {name: len(WORLDS) * size for name, size in sizes.items() if size}


def judged_person(trial: BolusTrial, cohort: str, number: int) -> Recruit:
    """Judged person `number`, worlds in turn; no clinic's patient has this seed."""
    place = list(cohorts(trial)).index(cohort)
    least = 0.0 if cohort == ALL else mean_of(trial.least_hba1c_pct)
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


def arms_of(
    trial: BolusTrial, public: FloatArray, taught: Sequence[Taught], number: int
) -> list[Arm]:
    """What judged person `number` lives; their own clinic is the one of their number."""
    arms = [Arm(COUNTING, -1), Arm(RATIO, -1, rule=RATIO), Arm(GUIDELINE, -1, rule=GUIDELINE)]
    arms += [Arm(PUBLIC, -1, public), Arm(PUBLIC + RULED, -1, public, GUIDELINE)]
    for one in taught:
        arms.append(Arm(CLINIC, one.seed, one.alone[number // 2 % trial.clinics]))
        arms.append(Arm(NO_NOISE, one.seed, one.together))
        for epsilon, weights in one.private.items():
            arms.append(Arm(private_arm(epsilon), one.seed, weights))
        first = trial.epsilons[0]
        ruled = Arm(private_arm(first) + RULED, one.seed, one.private[first], GUIDELINE)
        arms.append(ruled)
    return arms
