"""The study of effects: twins of people whose other doses can really be given, in worlds A and B.

The ten public adults, or drawn adults of seeds that nothing was learned on. Each lives 17 days; the
twin is made from the first 14 with the population's prior and what the clinic knows, and answers
what 20 % more or less basal, boluses and carbohydrate ratio would do.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from models.effect import Estimate
from simulations.effects_learning import Learned, Lesson, Teachers, head_of
from simulations.effects_people import Subject, Treatment, drawn_subject, subject
from simulations.effects_twin import QUESTIONS, Case, Question, Window, case
from simulations.padova_parameters import PadovaPatient, public_patients
from simulations.padova_world import WORLDS, World
from simulations.parallel import spread

Whom = Literal["adults", "drawn"]
Taught = Literal["harder", "own", "both"]
STAYS = 2
"""Each public adult is studied in this many independent stays, as in EFFECTS; drawn ones once."""
DRAWN = 20
DRAWN_SEEDS_FROM = 1_000_000
"""Added to the study's seed for drawn adults, so that no seed of learning is met."""

SUFFIX: dict[World, str] = {"A": "", "B": "_hard"}


@dataclass(frozen=True)
class Plan:
    """Who is studied: `whom`, from which `seed`; whether the twin sees true carbohydrate; and in
    which world lessons on effects were learned: the harder, the own, or both together.
    """

    whom: Whom
    seed: int
    true_carbs: bool = False
    taught_in: Taught = "both"


@dataclass(frozen=True)
class Row:
    """One question to one twin. Effects are of mean glucose, mg/dL, or time in range, points.

    `twin_mg_dl` is the twin's answer as simulated; estimate, low and high are calibrated; `thumb`
    is the rule of thumb, calibrated likewise. The error of no change is the true effect itself.
    """

    world: World
    patient: str
    window: Window
    change: str
    treatment: Treatment
    true_mg_dl: float
    twin_mg_dl: float
    estimate_mg_dl: float
    low_mg_dl: float
    high_mg_dl: float
    thumb_mg_dl: float
    thumb_low_mg_dl: float
    thumb_high_mg_dl: float
    true_in_range_points: float
    in_range_points: float
    covered: bool
    thumb_covered: bool
    sign_right: bool


@dataclass(frozen=True)
class Person:
    """One person's forecasts, per cent MARD, and what the twin's calibration flagged."""

    world: World
    patient: str
    twin_24h_pct: float
    twin_72h_pct: float
    no_change_24h_pct: float
    no_change_72h_pct: float
    constant_24h_pct: float
    constant_72h_pct: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Effects:
    """The study's result."""

    plan: Plan
    people: tuple[Person, ...]
    rows: tuple[Row, ...]


def run_effects(
    plan: Plan, learned: Learned, pool: Executor | None, step: Callable[[str], None]
) -> Effects:
    """Studies everybody in both worlds; `step` is told after each person."""
    people: list[Person] = []
    rows: list[Row] = []
    for world in WORLDS:
        lessons = learned.lessons[_teachers(plan.taught_in, world)]
        work = partial(_studied, plan, world, learned)
        jobs = range(len(_adults()) * STAYS if plan.whom == "adults" else DRAWN)
        for one in spread(work, jobs, pool, partial(step, f"twins in world {world}")):
            people.append(_person(world, one))
            rows.extend(_row(world, one, q, lessons[q]) for q in QUESTIONS)
    return Effects(plan, tuple(people), tuple(rows))


def _teachers(taught_in: Taught, world: World) -> Teachers:
    return "both" if taught_in == "both" else world if taught_in == "own" else "B"


def _adults() -> tuple[PadovaPatient, ...]:
    return tuple(patient for patient in public_patients() if patient.group == "adult")


def _studied(plan: Plan, world: World, learned: Learned, number: int) -> Case:
    if plan.whom == "adults":
        adults = _adults()
        patient, stay = adults[number % len(adults)], number // len(adults)
        seed = np.random.SeedSequence([plan.seed, number])
        someone: Subject = subject(f"{patient.name}/{stay + 1}", patient, world, seed)
    else:
        someone = drawn_subject("adult", number, world, DRAWN_SEEDS_FROM + plan.seed)
    return case(someone, head_of(someone, learned.priors[world], plan.true_carbs), plan.true_carbs)


def _person(world: World, one: Case) -> Person:
    pct = vars(one.forecast)
    return Person(world, one.subject.identifier, **pct, flags=one.calibration.flags)


def _row(world: World, one: Case, question: Question, lesson: Lesson) -> Row:
    window, change = question
    features, true = one.features_mg_dl(question), one.truth[question]
    sign = 1 if features[0] > 0.0 else -1
    estimate: Estimate = lesson.twin.predict(features, sign)
    thumb = lesson.thumb.predict(features[1:2], change.sign)
    scale = estimate.change_mg_dl / features[0] if features[0] != 0.0 else 1.0
    return Row(
        world=world,
        patient=one.subject.identifier,
        window=window,
        change=change.label,
        treatment=change.treatment,
        true_mg_dl=true.mean_mg_dl,
        twin_mg_dl=float(features[0]),
        estimate_mg_dl=estimate.change_mg_dl,
        low_mg_dl=estimate.low_mg_dl,
        high_mg_dl=estimate.high_mg_dl,
        thumb_mg_dl=thumb.change_mg_dl,
        thumb_low_mg_dl=thumb.low_mg_dl,
        thumb_high_mg_dl=thumb.high_mg_dl,
        true_in_range_points=true.in_range_points,
        in_range_points=one.answer.in_range_points(question, scale),
        covered=estimate.covers(true.mean_mg_dl),
        thumb_covered=thumb.covers(true.mean_mg_dl),
        sign_right=estimate.change_mg_dl * true.mean_mg_dl > 0.0,
    )
