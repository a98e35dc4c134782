"""What others teach a twin about effects: a population's prior, and how far its answers go wrong.

Learned on drawn adults, never on those that are reported: the prior of heads in either world from
that world's own people (two rounds of expectation-maximisation), and lessons on how effects go
wrong from others of world A, of the harder world B, and of both together. The people of the priors
and of the lessons are different ones. What was learned is small and shipped with the code.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from models.calibration import Calibration, calibrate
from models.effect import EffectCalibration
from models.heads import BOOK_PRIOR, NAMES, HeadPrior
from models.population import population_prior
from simulations.effects_people import Subject, drawn_subject
from simulations.effects_twin import QUESTIONS, TRAINING_ROWS, Case, Question, case
from simulations.padova_world import WORLDS, World
from simulations.parallel import spread
from study.failure import ExitCode, Failure

SHIPPED = Path(__file__).parent / "data" / "effects_learned.json"
GROUP = "adult"
ROUNDS = 2
PRIOR_SEED, EFFECT_SEED = 101, 202
"""Seeds of those who teach the prior and the calibration; nobody who is reported has them."""

Teachers = Literal["A", "B", "both"]
TEACHERS: tuple[Teachers, ...] = ("A", "B", "both")
Step = Callable[[str], None]


@dataclass(frozen=True)
class Lesson:
    """How effects go wrong: calibrations of the twin with the rule of thumb, and of that alone."""

    twin: EffectCalibration
    thumb: EffectCalibration


@dataclass(frozen=True)
class Learned:
    """Priors of heads by world, lessons by the teachers' world and question, and their number."""

    people: int
    priors: Mapping[World, HeadPrior]
    lessons: Mapping[Teachers, Mapping[Question, Lesson]]


def head_of(subject: Subject, prior: HeadPrior, true_carbs: bool = False) -> Calibration:
    """The twin of the training days, with what the clinic knows."""
    training = subject.trace(true_carbs=true_carbs).rows(0, TRAINING_ROWS)
    return calibrate([training], prior, knowledge=[subject.knowledge])[0]


def learn(people: int, pool: Executor | None, step: Step) -> Learned:
    """Priors from `people` drawn adults in each world, lessons from as many others in each."""
    priors: dict[World, HeadPrior] = {}
    cases: dict[Teachers, list[Case]] = {"both": []}
    for world in WORLDS:
        priors[world] = _prior(world, people, pool, step)
        work = partial(_lesson_case, world, priors[world])
        cases[world] = spread(work, range(people), pool, partial(step, f"lessons of world {world}"))
        cases["both"] += cases[world]
    lessons = {who: {q: _lesson(cases[who], q) for q in QUESTIONS} for who in TEACHERS}
    return Learned(people, priors, lessons)


def _prior(world: World, people: int, pool: Executor | None, step: Step) -> HeadPrior:
    draw = partial(_drawn, world, PRIOR_SEED)
    subjects = spread(draw, range(people), pool, partial(step, f"people of world {world}"))
    prior = BOOK_PRIOR
    for count in range(1, ROUNDS + 1):
        ready = partial(step, f"prior of world {world}, round {count}")
        heads = spread(partial(head_of, prior=prior), subjects, pool, ready)
        prior = population_prior(heads, prior)
    return prior


def _drawn(world: World, seed: int, number: int) -> Subject:
    return drawn_subject(GROUP, number, world, seed)


def _lesson_case(world: World, prior: HeadPrior, number: int) -> Case:
    subject = _drawn(world, EFFECT_SEED, number)
    return case(subject, head_of(subject, prior))


def _lesson(cases: list[Case], question: Question) -> Lesson:
    features = np.array([one.features_mg_dl(question) for one in cases])
    true = np.array([one.truth[question].mean_mg_dl for one in cases])
    return Lesson(
        EffectCalibration.fit(features, true), EffectCalibration.fit(features[:, 1:2], true)
    )


def write_learned(learned: Learned, path: Path) -> None:
    """As JSON; numbers are kept to the last bit."""
    record = {
        "people": learned.people,
        "parameters": list(NAMES),
        "priors": {
            world: {"mean": prior.mean.tolist(), "covariance": prior.covariance.tolist()}
            for world, prior in learned.priors.items()
        },
        "lessons": {
            teachers: {
                _name(question): {"twin": _plain(lesson.twin), "thumb": _plain(lesson.thumb)}
                for question, lesson in lessons.items()
            }
            for teachers, lessons in learned.lessons.items()
        },
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read_learned(path: Path = SHIPPED) -> Learned:
    """What `write_learned` wrote. Raises Failure where it is missing or of another twin."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unusable(f"no file {path}") from None
    except json.JSONDecodeError as error:
        raise _unusable(f"{path}, which is not JSON ({error})") from error
    if record.get("parameters") != list(NAMES):
        raise _unusable(f"{path}, learned for heads of {record.get('parameters')}")
    return Learned(
        people=record["people"],
        priors={
            world: HeadPrior(np.array(of["mean"]), np.array(of["covariance"]))
            for world, of in record["priors"].items()
        },
        lessons={
            teachers: {
                question: Lesson(*(_calibration(lessons[_name(question)][k]) for k in KINDS))
                for question in QUESTIONS
            }
            for teachers, lessons in record["lessons"].items()
        },
    )


KINDS = ("twin", "thumb")


def _name(question: Question) -> str:
    return f"{question[0]} {question[1].label}"


def _plain(calibration: EffectCalibration) -> dict[str, object]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(calibration).items()
    }


def _calibration(plain: Mapping[str, object]) -> EffectCalibration:
    arrays = {k: np.array(v) if isinstance(v, list) else v for k, v in plain.items()}
    return EffectCalibration(**arrays)  # type: ignore[arg-type]


def _unusable(found: str) -> Failure:
    return Failure(
        found=found,
        expected=f"what was learned of effects, for heads of {', '.join(NAMES)}",
        consequence="No effect was estimated.",
        remedy="learn it anew: insula simulate effects --learn 48.",
        code=ExitCode.MISSING_INPUT,
    )
