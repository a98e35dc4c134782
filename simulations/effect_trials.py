"""Effects learned from a person's own bouts, held against truth: bouts that really are lived.

Each person lives 28 days in world A or B and exercises (`moving_people`); the record names the
bouts. The twin learns how strongly they act, then foretells what one more bout would do on each of
three coming days, beside the same twin with the population's sizes. The world is run with and
without that bout, doses and food being the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from models.calibration import CalibrationError, calibrate
from models.heads import BOOK_PRIOR, HeadPrior
from models.life_effect import POPULATION, Belief
from models.life_events import named_events
from models.movement import Bout, Kind
from models.own_effect import CHOSEN, Told, believed, told_by
from models.sandbox import AS_RECORDED, Asked, Ground, ground_of, lived
from models.scenario import Life, Scenario, ScenarioError
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray
from simulations.behaviour import DAY_MIN
from simulations.effects_people import COMING_DAYS, Subject, subject
from simulations.moving_people import Mover, bout_factors, draw_mover, exercised, plan_bouts
from simulations.padova_parameters import PadovaPatient
from simulations.padova_world import World, replay

DAYS = 28
DRAWS = 40
TRIED = Bout(minute=17 * 60, minutes=45, kind=Kind.AEROBIC, excess_bpm=55.0)
AFTER_MIN = 12 * 60
Interval = dict[str, tuple[float, float, float]]
"""Median and ends of an 80 % interval, by measure."""
SEEDS_FROM = 3_000_000
"""Added to a seed, so that nobody who taught a prior or a lesson is met."""


@dataclass(frozen=True)
class Foretold:
    """Of one coming day: what a bout truly changes, and what draws of a twin say, by measure.

    `fall` is the change of glucose at the bout's end, `after` its mean over 12 h from the
    beginning, mg/dL; of each belief the median and the ends of its 80 % interval.
    """

    true: Mapping[str, float]
    population: Interval
    own: Interval


@dataclass(frozen=True)
class Learned:
    """One person: how much of an effect there was to learn, and each coming day."""

    patient: str
    world: World
    bouts: int
    learned: tuple[str, ...]
    days: tuple[Foretold, ...]


def moving_subject(
    patient: PadovaPatient, world: World, seed: np.random.SeedSequence
) -> tuple[Subject, Mover, tuple[Bout, ...]]:
    """A person of the study of effects who exercises for 28 days, and not on three more."""
    body, stay = seed.spawn(2)
    rng = np.random.default_rng(body)
    mover, bouts = draw_mover(rng), plan_bouts(DAYS, rng)
    factors = bout_factors(len(bouts), rng)
    someone = subject(
        patient.name,
        patient,
        world,
        stay,
        DAYS + COMING_DAYS,
        lambda conditions: exercised(conditions, mover, bouts, factors),
    )
    return someone, mover, bouts


@dataclass(frozen=True)
class Lived:
    """One person's 28 days as a twin has them, and three coming days with what is true of them.

    `told` is what the record says of the bouts' effects; `days` are the twin's ground of each
    coming day and the truth.
    """

    patient: str
    world: World
    bouts: int
    told: Told
    days: tuple[tuple[Ground, Mapping[str, float]], ...]

    def foretold(self, belief: Belief) -> list[Interval]:
        """Median and ends of the 80 % interval of each coming day, by measure."""
        return [_said(ground, belief) for ground, _ in self.days]


def judge(
    seed: int, who: tuple[PadovaPatient, World], prior: HeadPrior = BOOK_PRIOR
) -> Learned | None:
    """One person learned from and foretold; None where the record bears no twin."""
    patient, world = who
    root = np.random.SeedSequence([SEEDS_FROM + seed, sum(map(ord, patient.name + world))])
    one = lives(patient, world, root, prior)
    if one is None:
        return None
    own = believed(one.told, CHOSEN)
    said = zip(one.days, one.foretold(POPULATION), one.foretold(own.belief), strict=True)
    days = tuple(Foretold(true, usual, learned) for (_, true), usual, learned in said)
    return Learned(patient.name, world, one.bouts, own.learned, days)


def lives(
    patient: PadovaPatient,
    world: World,
    root: np.random.SeedSequence,
    prior: HeadPrior = BOOK_PRIOR,
) -> Lived | None:
    """One person's days and what they tell; None where the record bears no twin."""
    someone, mover, bouts = moving_subject(patient, world, root)
    trace = someone.trace()
    past = trace.rows(0, DAYS * STEPS_PER_DAY)
    coming = range(DAYS, DAYS + COMING_DAYS)
    try:
        (calibration,) = calibrate([past], prior)
        told = told_by(past, calibration, named_events(Life(exercise=bouts), past), prior)
        if told is None:
            return None
        laid = [
            ground_of(trace, calibration, day * STEPS_PER_DAY, 24, Asked(DRAWS)) for day in coming
        ]
    except (CalibrationError, ScenarioError):
        return None
    true = [_truth(someone, mover, day) for day in coming]
    days = tuple(zip(laid, true, strict=True))
    return Lived(patient.name, world, len(bouts), told, days)


def _truth(someone: Subject, mover: Mover, day: int) -> dict[str, float]:
    """The world run with and without the bout on `day`."""
    bout = replace(TRIED, minute=TRIED.minute + day * DAY_MIN)
    moved = exercised(someone.conditions, mover, [bout], np.ones(1))
    insulin_u = someone.doses.insulin_u
    with_bout, without = (
        replay(someone.patient, conditions, someone.eaten_g, insulin_u)[day * DAY_MIN :: STEP_MIN]
        for conditions in (moved, someone.conditions)
    )
    return {name: float(value[0]) for name, value in _measured(with_bout - without).items()}


def _measured(change: FloatArray) -> dict[str, FloatArray]:
    """Each measure of changes (..., n) that begin at midnight, (...) or (1,)."""
    begins, ends = TRIED.minute // STEP_MIN, (TRIED.minute + TRIED.minutes) // STEP_MIN
    after = slice(begins, min(begins + AFTER_MIN // STEP_MIN, STEPS_PER_DAY))
    shaped = np.atleast_2d(change)
    return {"fall": shaped[:, ends], "after": shaped[:, after].mean(axis=1)}


def _said(ground: Ground, belief: Belief) -> Interval:
    """Median and ends of the 80 % interval of what the twin foretells, by measure."""
    asked = replace(ground, amplitudes=belief.draws(len(ground.thetas), Asked().seed))
    tried = Scenario("a bout", life=Life(exercise=(TRIED,)))
    recorded, moved = lived(asked, [AS_RECORDED, tried])
    return {
        name: tuple(np.quantile(values, [0.5, 0.1, 0.9]).tolist())
        for name, values in _measured(moved - recorded).items()
    }


MEASURES = ("fall", "after")


def summary(people: Sequence[Learned]) -> dict[str, object]:
    """Errors, mg/dL, and coverage of 80 % intervals, with the population's sizes and with own.

    A person's days are averaged first; the spread is the standard deviation over people.
    """
    if not people:
        return {"people": 0}
    return {
        "people": len(people),
        "bouts": float(np.mean([one.bouts for one in people])),
        "mean_true": {name: float(np.mean(_true(people, name))) for name in MEASURES},
        "error_mg_dl": {
            name: {whose: _error(people, whose, name) for whose in ("population", "own")}
            for name in MEASURES
        },
        "own_nearer_pct": {name: _nearer(people, name) for name in MEASURES},
        "coverage_80_pct": {
            name: {whose: _covered(people, whose, name) for whose in ("population", "own")}
            for name in MEASURES
        },
    }


def as_dict(people: Sequence[Learned]) -> dict[str, object]:
    """The summary of each world and everybody, as plain values."""
    worlds = sorted({one.world for one in people})
    return {
        "summary": {w: summary([one for one in people if one.world == w]) for w in worlds},
        "people": [asdict(one) for one in people],
    }


def in_words(people: Sequence[Learned]) -> str:
    """The summary of each world, a line for each figure."""
    worlds = sorted({one.world for one in people})
    return "\n".join(
        f"world {world}, {name}: {value}"
        for world in worlds
        for name, value in summary([one for one in people if one.world == world]).items()
    )


def _true(people: Sequence[Learned], name: str) -> list[float]:
    return [day.true[name] for one in people for day in one.days]


def _missed(one: Learned, whose: str, name: str) -> float:
    """Mean absolute error over one person's days, mg/dL."""
    said = [getattr(day, whose)[name][0] - day.true[name] for day in one.days]
    return float(np.mean(np.abs(said)))


def _error(people: Sequence[Learned], whose: str, name: str) -> dict[str, float]:
    missed = [_missed(one, whose, name) for one in people]
    return {"mean": float(np.mean(missed)), "sd": float(np.std(missed))}


def _nearer(people: Sequence[Learned], name: str) -> float:
    nearer = [_missed(one, "own", name) < _missed(one, "population", name) for one in people]
    return 100.0 * float(np.mean(nearer))


def _covered(people: Sequence[Learned], whose: str, name: str) -> float:
    held = []
    for one in people:
        for day in one.days:
            _, low, high = getattr(day, whose)[name]
            held.append(low <= day.true[name] <= high)
    return 100.0 * float(np.mean(held))
