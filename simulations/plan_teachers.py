"""What twins get wrong about the settings of a plan: makes study/artefacts/plan_lessons.json.

Drawn adults of both worlds live 14 days on settings as their clinic has them, and others on
settings that are amiss. Each is asked what a tenth more of every basal rate, and of every meal's
ratio, does; then each is really run so. `python -m simulations.plan_teachers 16` takes about five
minutes on two cores: 16 adults of either world with either settings.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client.trial import ASKED
from client.twin_plan import plan_rows
from models.calibration import calibrate
from models.dose_response import PROBE, responses_of, unrest_mg_dl
from models.effect import LEAST_MG_DL, EffectCalibration
from models.heads import BOOK_PRIOR
from models.knowledge import ClinicKnowledge
from models.levers import Lever, levers_of
from models.size_doubt import KINDS
from models.trace import STEPS_PER_DAY
from simulations.effects_people import TRAINING_DAYS, Subject, drawn_subject
from simulations.padova_world import WORLDS, World
from simulations.parallel import crew, spread
from simulations.plan_trials import AMISS_SD, on
from study.plan_lessons import SHIPPED, PlanLessons, write_plan_lessons

TEACHERS_SEED = 3_000_000
Who = tuple[World, float, int]


@dataclass(frozen=True)
class Taught:
    """One adult: sizes (mg/dL of mean glucose) by lesson, said and true; what the twin leaves."""

    said: dict[str, float]
    true: dict[str, float]
    unrest_mg_dl: float


def plan_lessons(people: Sequence[Taught]) -> PlanLessons:
    """A lesson for each kind of lever from these people."""
    lessons = {}
    for kind in KINDS:
        features = np.array([[one.said[kind], one.unrest_mg_dl] for one in people])
        true = np.array([one.true[kind] for one in people])
        lessons[kind] = EffectCalibration.fit(features, true)
    return PlanLessons(len(people), lessons)


def taught_by(who: Who) -> Taught:
    """One drawn adult's lesson: the twin asked, and the world run."""
    world, off, number = who
    someone = drawn_subject("adult", number, world, TEACHERS_SEED, TRAINING_DAYS, off)
    trace = someone.trace()
    known = ClinicKnowledge(someone.knowledge.correction_factor_mg_dl_per_u)
    (twin,) = calibrate([trace], BOOK_PRIOR, knowledge=[known])
    levers, rows = levers_of(trace), plan_rows(trace)
    said = responses_of(trace, twin, rows, levers, ASKED)
    return Taught(
        {kind: max(said.size_mg_dl(of), LEAST_MG_DL) for kind, of in KINDS.items()},
        {kind: _true_size(someone, levers, of, len(rows)) for kind, of in KINDS.items()},
        unrest_mg_dl(trace, twin),
    )


def _true_size(someone: Subject, levers: Sequence[Lever], kinds: Sequence[str], days: int) -> float:
    latest = slice(-days * STEPS_PER_DAY, None)
    before = someone.lived(someone.doses)[latest]
    total = 0.0
    for lever in levers:
        if lever.kind in kinds:
            moved = on(someone, levers, {lever.name: (1.0 + PROBE) * lever.today})
            total += abs(float((someone.lived(moved)[latest] - before).mean()))
    return total


def main(people: int) -> None:
    """Writes the shipped file from so many adults of each world with either settings."""
    jobs = [(w, off, n) for off in (0.0, AMISS_SD) for w in WORLDS for n in range(people)]
    with crew(2) as pool:
        taught = spread(taught_by, jobs, pool, lambda: None)
    write_plan_lessons(plan_lessons(taught), SHIPPED)


if __name__ == "__main__":
    main(int(sys.argv[1]))
